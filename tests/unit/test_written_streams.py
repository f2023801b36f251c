"""The encoder reads back what it wrote: a stream that does not decode to what was meant is found before it is kept."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import radcodec
import radcodec.encoding.base_codes
import radcodec.encoding.details
import radcodec.encoding.image
import radcodec.encoding.preview_tiles
from radcodec import detail
from radcodec.pixels.masks import encode_mask
from radcodec.simulate import simulate_fits, simulate_image


def flipped(stream: bytes) -> bytes:
    """The stream with one bit of its middle byte changed."""
    middle = len(stream) // 2
    return stream[:middle] + bytes([stream[middle] ^ 0x10]) + stream[middle + 1 :]


@pytest.fixture
def image() -> np.ndarray:
    """A simulated image with a masked corner, float32 [96, 96]."""
    image = simulate_image((96, 96), seed=5).astype(np.float32)
    image[:7, :9] = np.nan
    return image


@pytest.fixture(params=["last", "first"])
def broken_base(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every base layer that is packed has one bit wrong, in the last stage that says something or in the first one."""
    pack = radcodec.encoding.base_codes.pack_codes

    def broken(*args: Any) -> tuple[bytes, ...]:
        streams = list(pack(*args))
        place = max(k for k, stream in enumerate(streams) if len(stream) > 1) if request.param == "last" else 0
        streams[place] = flipped(streams[place])
        return tuple(streams)

    for module in (radcodec.encoding.base_codes, radcodec.encoding.preview_tiles):
        monkeypatch.setattr(module, "pack_codes", broken)


@pytest.mark.parametrize("options", [{"lossy": True}, {"lossy_bpp": 1.0}, {"preview": 5.0}])
@pytest.mark.usefixtures("broken_base")
def test_wrong_base_streams_are_found(image: np.ndarray, options: dict[str, Any]) -> None:
    """A base stream with a wrong bit is a GuaranteeError in the lossy mode and in a preview."""
    with pytest.raises(radcodec.GuaranteeError, match="nothing was written"):
        radcodec.encode(image, **options)


@pytest.mark.usefixtures("broken_base")
def test_nothing_is_written_of_wrong_base_streams(tmp_path: Path) -> None:
    """`compress` leaves no file behind whose preview would not be what was meant."""
    target = tmp_path / "sky.fits.rcz"
    with pytest.raises(radcodec.GuaranteeError, match="base layer of tile 0"):
        radcodec.compress(io.BytesIO(simulate_fits((96, 96), seed=5)), target, preview=5.0)
    assert list(tmp_path.iterdir()) == []


def break_details(monkeypatch: pytest.MonkeyPatch) -> None:
    """Detail streams have one bit wrong; what they should restore to is right."""
    code = detail.code_tile

    def broken(*args: Any) -> Any:
        stream, restored = code(*args)
        return flipped(stream), restored

    monkeypatch.setattr(detail, "code_tile", broken)


def break_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mask streams mark one sample less than they should."""

    def broken(tile: np.ndarray, special: np.ndarray | None) -> bytes:
        if special is not None and special.any():
            special = special.copy()
            special.reshape(-1)[np.flatnonzero(special)[0]] = False
        return encode_mask(tile, special)

    monkeypatch.setattr(radcodec.encoding.details, "encode_mask", broken)
    monkeypatch.setattr(radcodec.encoding.image, "encode_mask", broken)


@pytest.mark.parametrize("breaking", [break_details, break_masks])
@pytest.mark.parametrize("options", [{}, {"max_error": "0.125sigma"}, {"max_error": "2sigma"}])
def test_wrong_detail_and_mask_streams_are_found(
    image: np.ndarray,
    options: dict[str, Any],
    breaking: Callable[[pytest.MonkeyPatch], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A detail or mask stream that decodes to something else is a GuaranteeError, exact and bounded."""
    breaking(monkeypatch)
    with pytest.raises(radcodec.GuaranteeError, match="nothing was written"):
        radcodec.encode(image, **options)


def test_wrong_masks_of_lossy_images_are_found(image: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lossy image whose mask stream loses a NaN is a GuaranteeError, although the base layer has a value for it."""
    break_masks(monkeypatch)
    with pytest.raises(radcodec.GuaranteeError, match="nothing was written"):
        radcodec.encode(image, lossy=True)


def test_verify_decodes_previews() -> None:
    """`verify` of an exact file decodes the base layer that only previews use, whose checksums are right."""
    data = radcodec.encode(simulate_image((96, 96), seed=5), preview=5.0)
    with pytest.MonkeyPatch.context() as patch:
        pack = radcodec.encoding.preview_tiles.pack_codes
        patch.setattr(
            radcodec.encoding.preview_tiles, "pack_codes", lambda *a: tuple(flipped(stream) for stream in pack(*a))
        )
        wrong = radcodec.encode(simulate_image((96, 96), seed=5), preview=5.0, verify=False)
    radcodec.verify(data)
    with pytest.raises(radcodec.CorruptError):
        radcodec.verify(wrong)

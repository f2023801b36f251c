"""Values of missing pixels (BLANK, fill values) are those of missing pixels alone, whatever a file loses."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import reference_decoder

import radcodec
from radcodec.encoding import coded_image, coded_tile

Pixels = npt.NDArray[Any]


def fits_of(pixels: Pixels, *cards: str) -> bytes:
    """Make a FITS file of an image with more cards."""
    sides = [f"NAXIS{axis}  = {length:20d}" for axis, length in enumerate(reversed(pixels.shape), start=1)]
    bitpix = (-8 if pixels.dtype.kind == "f" else 8) * pixels.itemsize
    lines = [
        f"{'SIMPLE':8}= {'T':>20}",
        f"{'BITPIX':8}= {bitpix:20d}",
        f"{'NAXIS':8}= {pixels.ndim:20d}",
        *sides,
        *cards,
    ]
    header = "".join(line.ljust(80) for line in [*lines, "END"])
    data = pixels.astype(pixels.dtype.newbyteorder(">")).tobytes()
    return header.ljust(-(-len(header) // 2880) * 2880).encode() + data + bytes(-len(data) % 2880)


def there_and_back(source: bytes, pixels: Pixels, **options: Any) -> Pixels:
    """Compress and restore the pixels of a file of one image; the file verifies against its source."""
    packed, back = io.BytesIO(), io.BytesIO()
    radcodec.compress(io.BytesIO(source), packed, preview=0, **options)
    radcodec.decompress(io.BytesIO(packed.getvalue()), back)
    radcodec.verify(io.BytesIO(packed.getvalue()), against=io.BytesIO(source))
    start = len(back.getvalue()) - -(-pixels.nbytes // 2880) * 2880
    return np.frombuffer(back.getvalue(), pixels.dtype.newbyteorder(">"), pixels.size, start).reshape(pixels.shape)


def counts(dtype: str, middle: float) -> Pixels:
    """Make an image of integers around a value, which is also that of a corner of missing pixels."""
    limits = np.iinfo(dtype)
    image = np.random.default_rng(1).normal(middle, 4, (96, 96)).round().clip(limits.min, limits.max)
    return image.astype(dtype)


@pytest.mark.parametrize(
    "options",
    [
        {"max_error": 1.0},
        {"max_error": "2sigma", "force": True},
        {"max_error": "0.5sigma", "dither": True},
        {"max_error": 100.0, "force": True},
        {"lossy": True},
        {"lossy_bpp": 3.0},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("dtype", "blank", "middle"), [("i2", 0, 0), ("i4", -1, 0), ("u1", 0, 8), ("i2", -32768, -32760)]
)
def test_no_pixel_becomes_blank(dtype: str, blank: int, middle: float, options: dict[str, Any]) -> None:
    """BLANK among the values, or at the end of the range: exactly the pixels that were BLANK are BLANK again."""
    image = counts(dtype, middle)
    image[:20, :20] = blank
    source = fits_of(image, f"{'BSCALE':8}= {0.5:20}", f"{'BLANK':8}= {blank:20d}")
    back = there_and_back(source, image, **options)
    assert np.array_equal(back == blank, image == blank)


@pytest.mark.parametrize("options", [{"max_error": 0.75, "force": True}, {"lossy": True}], ids=str)
def test_no_pixel_becomes_a_fill_value_of_integers(options: dict[str, Any]) -> None:
    """A fill value that is given means missing pixels as BLANK does; with BSCALE it is in physical units."""
    image = counts("i2", 10)
    image[:20, :20] = 12
    source = fits_of(image, f"{'BSCALE':8}= {0.25:20}")
    back = there_and_back(source, image, fill=[3.0], **options)
    assert np.array_equal(back == 12, image == 12)


@pytest.mark.parametrize("options", [{"max_error": 0.4}, {"max_error": 0.4, "dither": True}, {"lossy": True}], ids=str)
def test_no_pixel_becomes_a_fill_value_of_floats(options: dict[str, Any]) -> None:
    """Zeros that mark missing pixels stay apart from values near zero."""
    image = np.random.default_rng(3).integers(-3, 4, (96, 96)) * np.float32(0.5)
    image = np.where(image == 0, np.float32(0.25), image).astype("f4")
    image[:30] = 0.0
    back = there_and_back(fits_of(image), image, fill=[0.0], **options)
    assert np.array_equal(back == 0, image == 0)


def test_planes_of_a_stream_do_not_become_blank(tmp_path: Path) -> None:
    """`create` keeps BLANK apart as `compress` does."""
    planes = np.stack([counts("i2", 0), counts("i2", 1)])
    planes[:, :10] = -5
    options = {"shape": (None, 96, 96), "dtype": "i2", "header": {"BLANK": -5}, "max_error": 2.0}
    with radcodec.create(tmp_path / "planes.rcz", **options) as file:
        for plane in planes:
            file.append(plane)
    back = radcodec.decode(tmp_path / "planes.rcz")
    assert np.array_equal(np.isnan(back), planes == -5)


@pytest.mark.parametrize("options", [{"max_error": 2.0}, {"lossy": True}], ids=str)
def test_verify_finds_pixels_that_became_blank(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A file whose encoder let valid pixels become BLANK does not verify."""
    for module in (coded_tile, coded_image):
        monkeypatch.setattr(module, "made_missing", lambda *given: None)
    image = counts("i4", 0)
    image[:20, :20] = 0
    source, packed = fits_of(image, f"{'BLANK':8}= {0:20d}"), io.BytesIO()
    radcodec.compress(io.BytesIO(source), packed, preview=0, verify=False, **options)
    with pytest.raises(radcodec.GuaranteeError, match="pixels have become BLANK"):
        radcodec.verify(io.BytesIO(packed.getvalue()), against=io.BytesIO(source))


def test_the_encoder_finds_pixels_that_became_blank(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check before a bounded file is written knows BLANK."""
    monkeypatch.setattr(coded_tile, "made_missing", lambda *given: None)
    image = counts("i4", 0)
    image[:20, :20] = 0
    source = fits_of(image, f"{'BLANK':8}= {0:20d}")
    with pytest.raises(radcodec.GuaranteeError, match="pixels have become BLANK"):
        radcodec.compress(io.BytesIO(source), io.BytesIO(), preview=0, max_error=2.0)


@pytest.mark.parametrize(("tile", "stages"), [(16, 1), (16, 2), (512, 1)])
def test_tiles_whose_samples_would_all_become_blank(tile: int, stages: int) -> None:
    """A coarse base layer that says BLANK everywhere gives way to the samples; both decoders read the file."""
    image = np.random.default_rng(1).normal(0, 2, (48, 48)).round().astype("i2")
    image[image == 0] = 2
    source, packed = fits_of(image, f"{'BLANK':8}= {0:20d}"), io.BytesIO()
    back = there_and_back(source, image, tile=tile, lossy_stages=stages)
    assert np.array_equal(back == 0, image == 0)
    radcodec.compress(io.BytesIO(source), packed, preview=0, tile=tile, lossy_stages=stages)
    restored = io.BytesIO()
    radcodec.decompress(io.BytesIO(packed.getvalue()), restored)
    assert reference_decoder.decode_file(packed.getvalue()) == restored.getvalue()

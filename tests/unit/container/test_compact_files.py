"""Compact files (docs/format.md, 2.7): exact and bounded arrays of one tile spend 56 bytes beside their streams."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import reference_decoder

import radcodec
from radcodec.limits import MAX_COMPACT_BYTES
from radcodec.simulate import simulate_image

IMAGE = simulate_image((40, 50), seed=3).astype(np.float32)
MICRO = (1000 * IMAGE / IMAGE.std()).astype(np.int16)
COMPACT_FLAG = 128


def sizes_of(data: bytes) -> dict[str, int]:
    """Bytes of each layer as the report has them."""
    with radcodec.open(data) as file:
        return {layer["name"]: layer["bytes"] for layer in file.info.layers}


def test_an_exact_array_spends_55_bytes_beside_its_stream() -> None:
    """13 bytes of prelude, 1 of types, 4 of axes, 32 of SHA-256, 1 of a size and 4 of a checksum (124 before)."""
    cutout = np.zeros((150, 150), np.uint8)
    cutout[40:60, 70:90] = np.arange(400).reshape(20, 20) % 251
    data = radcodec.encode(cutout)
    sizes = sizes_of(data)
    assert len(data) - sizes["detail"] == 13 + 1 + 4 + 32 + 1 + 4
    assert sum(sizes.values()) == len(data)


@pytest.mark.parametrize(
    ("array", "options"),
    [
        (IMAGE, {}),
        (IMAGE.astype(">f8"), {}),
        (MICRO, {}),
        (np.where(MICRO > 900, np.nan, IMAGE), {}),
        (np.array(2.5), {}),
        (np.full((2, 3), np.nan), {}),
        (IMAGE[None, None, None, None, None], {}),
        (IMAGE, {"max_error": 2e-5}),
        (np.where(MICRO > 900, np.nan, IMAGE), {"max_error": "0.25sigma", "dither": True}),
        (np.stack([IMAGE, 3 * IMAGE]), {"max_error": "0.25sigma"}),
        (IMAGE, {"max_error": "0.25localsigma"}),
        (MICRO, {"max_error": 4.0}),
    ],
)
def test_both_readers_restore_a_compact_file(array: npt.NDArray[Any], options: dict[str, Any]) -> None:
    """Every type, special samples and every kind of bound; the reader made from the format page gives the same."""
    data = radcodec.encode(array, **options)
    assert data[12] & COMPACT_FLAG
    restored, expected = radcodec.decode(data), reference_decoder.decode_file(data)
    assert isinstance(expected, np.ndarray)
    assert restored.tobytes() == expected.tobytes()
    if not options:
        assert restored.shape == array.shape
        assert restored.astype(array.dtype).tobytes() == array.tobytes()


def test_the_report_has_the_whole_sha256_and_the_bound() -> None:
    """Samples and the record of the image are hashed in full, and what the bound was made from is kept."""
    with radcodec.open(radcodec.encode(IMAGE)) as file:
        report = file.info
    # Type f4, 2 axes of 40 and 50, tiles of the whole, no base stages, no flags, no unit (3.1).
    record = bytes([9, 2, 40, 50, 0, 0, 0, 0, 0])
    assert report.restored_sha256 == hashlib.sha256(IMAGE.astype("<f4").tobytes() + record).hexdigest()
    assert report.mode == "lossless"
    with radcodec.open(radcodec.encode(IMAGE, max_error="0.125sigma")) as file:
        bounded = file.info
    assert bounded.mode == "bounded"
    assert bounded.sigma is not None
    assert bounded.max_error == pytest.approx(0.125 * bounded.sigma, rel=1e-12)
    assert bounded.max_error_sigma == 0.125


def test_larger_files_and_those_of_several_tiles_are_ordinary() -> None:
    """Only small files of one tile are compact, so that the parts of others have checksums of their own."""
    noise = np.random.default_rng(1).normal(size=(80, 80))
    large = radcodec.encode(noise)
    assert len(large) > MAX_COMPACT_BYTES
    assert not large[12] & COMPACT_FLAG
    assert not radcodec.encode(MICRO, tile=16)[12] & COMPACT_FLAG


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 0, 2)])
def test_arrays_without_samples_are_ordinary(shape: tuple[int, ...]) -> None:
    """An array without a tile comes back in its shape."""
    data = radcodec.encode(np.zeros(shape))
    assert not data[12] & COMPACT_FLAG
    assert radcodec.decode(data).shape == shape


def test_a_region_is_checked_like_the_whole() -> None:
    """A handle that reads one row checks the SHA-256 of the only tile."""
    with radcodec.open(radcodec.encode(IMAGE)) as file:
        np.testing.assert_array_equal(file[3, 10:20], IMAGE[3, 10:20])

"""Special samples: found, packed, restored bit for bit, and rejected where the stream lies."""

from __future__ import annotations

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from radcodec.errors import CorruptError
from radcodec.pixels.masks import always_special, decode_mask, encode_mask
from radcodec.types import SampleType


@given(hnp.arrays(np.uint32, st.integers(1, 70)))
def test_special_floats_come_back_bit_for_bit(bits: np.ndarray) -> None:
    """NaN payloads, infinities and -0.0 are marked and restored exactly; no other number is marked."""
    tile = bits.view(np.float32)
    special = always_special(tile, None)
    marked = np.zeros(tile.shape, np.bool_) if special is None else special
    assert marked[~np.isfinite(tile)].all()
    assert marked[bits == 0x80000000].all()
    assert not marked[np.isfinite(tile) & (bits != 0x80000000)].any()
    stream = encode_mask(tile, special)
    assert (stream == b"") == (not marked.any())
    if stream:
        found, listed = decode_mask(stream, tile.size, SampleType.F4)
        restored = np.zeros_like(tile)
        restored[found] = listed
        assert (found == marked).all()
        assert (restored.view(np.uint32)[marked] == bits[marked]).all()


def test_blank_of_integers() -> None:
    """BLANK is special wherever it is; an image without BLANK has no special integers."""
    tile = np.arange(640, dtype=np.int16)
    assert always_special(tile, None) is None
    assert always_special(tile, 7000) is None
    special = always_special(tile, 5)
    assert special is not None
    assert np.flatnonzero(special).tolist() == [5]


def test_one_value_takes_form_1() -> None:
    """Equal special samples are stored once: form byte, then a frame of the sample and the bitmap."""
    tile = np.array([1, np.nan, np.nan], np.float32)
    stream = encode_mask(tile, np.isnan(tile))
    content = zstandard.ZstdDecompressor().decompress(stream[1:])
    assert stream[0] == 1
    assert content == tile[1:2].astype("<f4").tobytes() + b"\x60"


@pytest.mark.parametrize(
    ("form", "content", "match"),
    [
        (2, b"\x80", "form 0 or 1"),
        (0, b"\x90" + bytes(4), "padding"),
        (0, b"\0", "marks a sample"),
        (1, bytes(5), "marks a sample"),
        (0, b"\x80" + bytes(3), "1 values"),
        (0, b"\x80" + bytes(8), "1 values"),
        (0, b"", "declares how many bytes"),
        (1, bytes(4), "expected 5 bytes"),
        (0, b"\xe0" + bytes(13), "expected 1 to 13 bytes"),
    ],
)
def test_unsound_masks_are_rejected(form: int, content: bytes, match: str) -> None:
    """Unknown forms, set padding bits and wrong lengths are rejected."""
    stream = bytes([form]) + zstandard.ZstdCompressor().compress(content)
    with pytest.raises(CorruptError, match=match):
        decode_mask(stream, 3, SampleType.F4)


def test_a_bomb_is_not_unpacked() -> None:
    """A frame of a gigabyte of zeros is refused without being unpacked."""
    stream = b"\0" + zstandard.ZstdCompressor().compress(bytes(1 << 24))
    with pytest.raises(CorruptError, match="expected 1 to 13 bytes"):
        decode_mask(stream, 3, SampleType.F4)

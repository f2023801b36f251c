"""Samples to bytes and back in either byte order, NaN payloads and signs of zero kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radcodec.coding.samples import native, native_in, native_of, sample_bytes

TYPES = ("u1", "i2", "u4", "i8", "f4", "f8")


def test_bytes_by_hand() -> None:
    """258 is 0x0102: its bytes are 1, 2 in a FITS file and 2, 1 in a .rcz file."""
    assert sample_bytes(np.array([258], np.int16), ">").tolist() == [1, 2]
    assert sample_bytes(np.array([258], np.int16), "<").tolist() == [2, 1]
    assert native_of(b"\x01\x02", "i2", ">").tolist() == [258]
    assert sample_bytes(np.array([[1.0], [-0.0]], np.float32), ">").tolist() == [0x3F, 0x80, 0, 0, 0x80, 0, 0, 0]


@given(st.sampled_from(TYPES), st.binary(max_size=64), st.sampled_from("<>"))
def test_bytes_come_back(dtype_str: str, data: bytes, byte_order: str) -> None:
    """Any bytes, those of signalling NaN among them, are read and written again unchanged, in place too."""
    content = data[: len(data) // np.dtype(dtype_str).itemsize * np.dtype(dtype_str).itemsize]
    samples = native_of(content, dtype_str, byte_order)  # type: ignore[arg-type]
    assert samples.dtype.isnative
    assert sample_bytes(samples, byte_order).tobytes() == content  # type: ignore[arg-type]
    memory = bytearray(content)
    there = native_in(memoryview(memory), dtype_str, byte_order)  # type: ignore[arg-type]
    assert there.tobytes() == samples.tobytes() == bytes(memory)


@pytest.mark.parametrize("shape", [(), (0,), (3, 4)])
def test_native_keeps_the_shape(shape: tuple[int, ...]) -> None:
    """Arrays of other byte order and strides become native and contiguous; one that is so already is not copied."""
    array = np.arange(int(np.prod(shape)), dtype=">i4").reshape(shape)
    found = native(array.T)
    assert found.dtype == np.int32
    assert found.tolist() == array.T.tolist()
    assert found.flags.c_contiguous
    assert not found.size or np.may_share_memory(native(found), found)

"""LEB128 numbers come back in their shortest form, and no other form is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radcodec.coding.leb import pack_leb, unpack_leb
from radcodec.errors import CorruptError


@given(st.integers(0, 2**64 - 1))
def test_round_trip(value: int) -> None:
    """Any 64-bit number comes back, with the position behind it."""
    packed = b"x" + pack_leb(value)
    assert unpack_leb(packed, 1, "a test") == (value, len(packed))


def test_by_hand() -> None:
    """624485 is E5 8E 26, the example of the DWARF standard."""
    assert pack_leb(624485) == b"\xe5\x8e\x26"


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x80\x00", b"\xff" * 10 + b"\x01", b"\xff" * 9 + b"\x02"])
def test_bad_forms_are_refused(data: bytes) -> None:
    """Unfinished, overlong and over-large numbers raise CorruptError."""
    with pytest.raises(CorruptError, match="number"):
        unpack_leb(data, 0, "a test")

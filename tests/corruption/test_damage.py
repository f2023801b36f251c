"""Every truncation and every flipped bit of small files, as they are and with all checksums made right again."""

from __future__ import annotations

import pytest
from corruption.repair import repair
from corruption.samples import SAMPLES, SLOW, check_damaged, read, sample


def flipped(data: bytes, position: int, bit: int) -> bytes:
    """Data with one bit changed."""
    return data[:position] + bytes([data[position] ^ 1 << bit]) + data[position + 1 :]


@pytest.mark.parametrize("name", SAMPLES)
def test_repair_changes_no_sound_file(name: str) -> None:
    """All checksums of what was written are the ones that repair makes, so damage is all that it hides."""
    assert repair(sample(name)) == sample(name)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_truncation_is_rejected(name: str) -> None:
    """No file that lacks its end restores to anything, and neither does one that is too long."""
    data = sample(name)
    for n in range(len(data)):
        check_damaged(data[:n], None, f"{name} cut to {n} bytes")
    check_damaged(data + b"\0", None, f"{name} with one byte more")


@pytest.mark.parametrize("name", SAMPLES)
def test_every_flipped_bit_is_rejected(name: str) -> None:
    """The checksums cover every bit of a file, so none of them may be wrong."""
    data = sample(name)
    for position in range(len(data)):
        for bit in range(8):
            check_damaged(flipped(data, position, bit), None, f"{name}, bit {bit} of byte {position} flipped")


@pytest.mark.parametrize("name", SAMPLES)
def test_every_flipped_bit_with_right_checksums_is_rejected_or_harmless(name: str) -> None:
    """What checksums no longer catch is caught behind them, or does not matter to the pixels.

    Files with a base layer run a network for each case, and that of parts is larger: only one bit of each byte is
    flipped in them.
    """
    data = sample(name)
    expected = read(data)
    for position in range(len(data)):
        for bit in [position % 8] if name in SLOW else range(8):
            damaged = repair(flipped(data, position, bit))
            check_damaged(damaged, expected, f"{name}, bit {bit} of byte {position} flipped, checksums repaired")

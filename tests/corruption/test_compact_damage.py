"""Every truncation and every flipped bit of compact files (docs/format.md, 2.7), with a right checksum or without."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import reference_decoder
from corruption.repair import repair
from corruption.samples import Restored, check_damaged, image_with_specials, read, same
from corruption.test_damage import flipped

import radcodec
from radcodec.simulate import simulate_image

COMPACT = True
IMAGE = simulate_image((16, 16), seed=20)
MICRO = np.round(IMAGE.astype("f8") * 1e6).astype("i2")
FILES: dict[str, tuple[npt.NDArray[Any], dict[str, Any]]] = {
    "lossless": (image_with_specials(), {}),
    "steps": ((MICRO * 3e-6 + 0.5).astype("f4"), {}),
    "counted": (np.where(MICRO > 300, MICRO // 100, 0).astype("u1"), {}),
    "masked": (np.full((3, 5), np.nan, "f4"), {}),
    "bounded": (image_with_specials(), {"max_error": 3e-5, "dither": True}),
    "bounded_planes": (np.stack([IMAGE, 3 * IMAGE]), {"max_error": "0.25sigma"}),
    "bounded_cells": (IMAGE, {"max_error": "0.25localsigma"}),
    "no_axes": (np.array(2.5), {}),
}


@cache
def compact(name: str) -> bytes:
    """One compact file."""
    array, options = FILES[name]
    data = radcodec.encode(array, **options)
    assert data[12] & 128
    return data


def reference_agrees(data: bytes, restored: Restored | None) -> bool:
    """Whether the reader made from the format page alone gives the same, or rejects too."""
    try:
        expected = reference_decoder.decode_file(data)
    except reference_decoder.RejectError:
        return restored is None
    return restored is not None and same(restored, np.asarray(expected))


@pytest.mark.parametrize("name", FILES)
def test_repair_changes_no_sound_file(name: str) -> None:
    """The checksum of what was written is the one that repair makes, so damage is all that it hides."""
    assert repair(compact(name)) == compact(name)


@pytest.mark.parametrize("name", FILES)
def test_every_truncation_is_rejected(name: str) -> None:
    """No file that lacks its end restores to anything, and neither does one that is too long."""
    data = compact(name)
    for n in range(len(data)):
        check_damaged(data[:n], None, f"{name} cut to {n} bytes")
    check_damaged(data + b"\0", None, f"{name} with one byte more")


@pytest.mark.parametrize("name", FILES)
def test_every_flipped_bit_is_rejected(name: str) -> None:
    """One checksum covers every bit of a file."""
    data = compact(name)
    for position in range(len(data)):
        for bit in range(8):
            check_damaged(flipped(data, position, bit), None, f"{name}, bit {bit} of byte {position} flipped")


@pytest.mark.parametrize("name", FILES)
def test_every_flipped_bit_with_a_right_checksum_is_rejected_or_harmless(name: str) -> None:
    """The SHA-256 of what is restored catches what the checksum does not; both readers agree on each file."""
    data = compact(name)
    expected = read(data)
    for position in range(len(data)):
        for bit in [position % 8] if len(data) > 300 else range(8):
            what = f"{name}, bit {bit} of byte {position} flipped, checksum repaired"
            damaged = repair(flipped(data, position, bit))
            harmless = check_damaged(damaged, expected, what)
            assert reference_agrees(damaged, expected if harmless else None), what


@pytest.mark.parametrize("cut", [12, 13, 20, 40, 60])
def test_a_file_that_was_cut_off_is_named_as_such(cut: int) -> None:
    """A file without its end is no forgery: the error says how much there is and to fetch it again."""
    with pytest.raises(radcodec.TruncatedError, match=rf"{cut}"):
        radcodec.decode(compact("lossless")[:cut])


def test_damage_is_found_when_a_file_is_opened() -> None:
    """What is shown of a file without decoding it rests on a checksum."""
    data = compact("bounded")
    for position in range(13, len(data)):
        with pytest.raises(radcodec.FormatError, match=r"checksum|expected"):
            radcodec.open(flipped(data, position, 3))

"""The reference decoder reads the golden files: all of them, the small ones in the fast tier too.

It takes seconds for what the library reads in milliseconds, as it goes pixel by pixel in Python.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import reference_decoder

FOLDER = Path(__file__).resolve().parent / "files"
SMALL = 9000  # bytes of what is restored


def by_size(suffix: str) -> list[object]:
    """Names of the files with expectations of a kind; those that restore to much are slow."""
    found: list[object] = []
    for path in sorted(FOLDER.glob(f"*{suffix}")):
        is_fits = suffix == ".json"
        size = json.loads(path.read_text(encoding="ascii"))["bytes"] if is_fits else path.stat().st_size
        found.append(pytest.param(path.stem, marks=() if size <= SMALL else pytest.mark.slow))
    return found


@pytest.mark.parametrize("name", by_size(".npy"))
def test_golden_array(name: str) -> None:
    """The reference decoder gives the stored array, bit by bit."""
    expected = np.load(FOLDER / f"{name}.npy", allow_pickle=False)
    restored = reference_decoder.decode_file((FOLDER / f"{name}.rcz").read_bytes())
    assert isinstance(restored, np.ndarray)
    assert (restored.shape, restored.dtype) == (expected.shape, expected.dtype)
    assert restored.tobytes() == expected.tobytes()


@pytest.mark.parametrize("name", by_size(".json"))
def test_golden_fits(name: str) -> None:
    """The reference decoder gives the file whose hash is stored."""
    expected = json.loads((FOLDER / f"{name}.json").read_text(encoding="ascii"))
    restored = reference_decoder.decode_file((FOLDER / f"{name}.rcz").read_bytes())
    assert isinstance(restored, bytes)
    assert len(restored) == expected["bytes"]
    assert hashlib.sha256(restored).hexdigest() == expected["sha256"]

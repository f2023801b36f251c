"""Files that released writers wrote are read the same for ever; `test_golden_reference.py` has the reference do so."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import reference_decoder

import radcodec

FOLDER = Path(__file__).resolve().parent / "files"
OLDER = {draft: sorted((FOLDER.parent / f"draft{draft}").glob("*.rcz")) for draft in (0, 1, 2, 3)}
RELEASES = {
    0: r"radcodec 0\.1\.0 and its development versions before 0\.2 reads it",
    1: r"radcodec of the development versions of 0\.2 that wrote draft 1 reads it",
    2: r"radcodec of the development versions of 0\.2 that wrote draft 2 reads it",
    3: r"radcodec of the development versions of 0\.2 that wrote draft 3 reads it",
}
ARRAYS = sorted(path.stem for path in FOLDER.glob("*.npy"))
FITS = sorted(path.stem for path in FOLDER.glob("*.json"))


def test_golden_files_are_there() -> None:
    """Each file has its expectation, and there are some of both kinds."""
    names = sorted(path.stem for path in FOLDER.glob("*.rcz"))
    assert names, f"no golden files in {FOLDER}: write them with `python tests/golden/make_golden.py` and commit them"
    assert names == sorted(ARRAYS + FITS)
    assert ARRAYS
    assert FITS


@pytest.mark.parametrize("name", ARRAYS)
def test_golden_array(name: str) -> None:
    """Decoding gives the stored array, bit by bit."""
    expected = np.load(FOLDER / f"{name}.npy", allow_pickle=False)
    restored = radcodec.decode((FOLDER / f"{name}.rcz").read_bytes())
    assert (restored.shape, restored.dtype) == (expected.shape, expected.dtype)
    assert restored.tobytes() == expected.tobytes()


@pytest.mark.parametrize("name", FITS)
def test_golden_fits(name: str, tmp_path: Path) -> None:
    """Decompressing gives the file whose hash is stored."""
    expected = json.loads((FOLDER / f"{name}.json").read_text(encoding="ascii"))
    back = tmp_path / "back.fits"
    radcodec.decompress(FOLDER / f"{name}.rcz", back)
    restored = back.read_bytes()
    assert len(restored) == expected["bytes"]
    assert hashlib.sha256(restored).hexdigest() == expected["sha256"]


@pytest.mark.parametrize(
    ("draft", "path"),
    [(draft, path) for draft in OLDER for path in OLDER[draft]],
    ids=lambda value: getattr(value, "stem", None),
)
def test_files_of_older_drafts_are_of_another_version(draft: int, path: Path, tmp_path: Path) -> None:
    """A file of an older draft is not called damaged: the error names the draft and the release that reads it."""
    expected = rf"version 0 draft {draft}: {RELEASES[draft]}"
    data = path.read_bytes()
    with pytest.raises(radcodec.UnsupportedVersionError, match=expected):
        radcodec.decode(data)
    with pytest.raises(radcodec.UnsupportedVersionError, match=expected):
        radcodec.open(path)
    with pytest.raises(radcodec.UnsupportedVersionError, match=expected):
        radcodec.decompress(path, tmp_path / "back.fits")
    with pytest.raises(reference_decoder.RejectError, match=f"unsupported version 0 draft {draft}"):
        reference_decoder.decode_file(data)


def test_files_of_older_drafts_are_there() -> None:
    """The inputs of the test above are not lost."""
    assert all(len(paths) >= 50 for paths in OLDER.values())

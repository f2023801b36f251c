"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def find_shared_data() -> Path | None:
    """Folder of the shared data set (RADCODEC_DATA, else ../shared/data), or None where there is none."""
    root = Path(os.environ.get("RADCODEC_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    return root if (root / "MANIFEST.tsv").is_file() else None


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the shared data set; skips the test where it is absent."""
    root = find_shared_data()
    if root is None:
        pytest.skip("shared data not found: set RADCODEC_DATA to the folder that holds MANIFEST.tsv")
    return root

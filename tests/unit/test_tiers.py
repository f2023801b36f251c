"""The tiers of the tests: what is slow, and what starts first, is named by files that are there."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("names", ["SLOW", "LONG"])
def test_every_file_is_there(names: str) -> None:
    """Each name of a tier is a file or a folder of tests, and none is listed twice."""
    listed = runpy.run_path(str(TESTS / "conftest.py"))[names]
    assert listed
    assert len(set(listed)) == len(listed)
    assert [name for name in listed if not (TESTS / name).exists()] == []


@pytest.mark.slow
def test_long_files_come_first() -> None:
    """Of two files the longer one is run first, whatever their order on the command line. Slow ones can be left out."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    files = ["tests/unit/test_leb.py", "tests/interop/test_recover_killed.py"]
    for options, first, some in (([], "test_recover_killed.py", True), (["-m", "not slow"], "test_leb.py", False)):
        done = subprocess.run(
            [*command, *options, *files], cwd=TESTS.parent, capture_output=True, check=False, text=True, timeout=120
        )
        assert done.returncode == 0, done.stdout
        assert f"/{first}::" in done.stdout.splitlines()[0]
        assert ("test_recover_killed" in done.stdout) == some

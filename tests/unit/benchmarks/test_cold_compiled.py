"""Compiled modules of Python in the measurement of cold commands."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks.speed.cold import Command

SHOW = "import json, sys; print(json.dumps([sys.dont_write_bytecode, sys.pycache_prefix]), file=open('seen', 'w'))"


@pytest.mark.parametrize("first_use", [False, True])
def test_only_a_first_use_finds_none(first_use: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands find compiled modules and may write them, whatever the shell says; a first use finds an empty folder."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path / "elsewhere"))
    command = Command(arguments=[sys.executable, "-c", SHOW], first_use=first_use)
    command.call(tmp_path)
    assert command.status == "ok"
    kept_back, prefix = json.loads((tmp_path / "seen").read_text())
    assert not kept_back
    assert (prefix is not None) == first_use
    assert prefix != str(tmp_path / "elsewhere")

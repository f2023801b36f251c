"""The commands that train say in one line what is missing or wrong."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("astropy")

from radcodec.cli.app import run


@pytest.mark.parametrize("command", ["train", "finetune", "tune"])
def test_help_loads_nothing_heavy(command: str) -> None:
    """The options are listed without torch, optuna, tensorboard or numpy."""
    code = (
        "import sys\nfrom radcodec.cli.app import run\n"
        f"run([{command!r}, '--help'])\n"
        "print([name for name in ('torch', 'optuna', 'tensorboard', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", ["train", "finetune", "tune"])
def test_what_is_not_there_is_exit_5(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """One line, nothing written."""
    monkeypatch.chdir(tmp_path)
    assert run([command, "nothing"]) == 5
    error = capsys.readouterr().err
    assert error.startswith("radcodec: nothing: expected a ")
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_configuration_is_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The line names the file, the section and the key."""
    path = tmp_path / "config.toml"
    path.write_text('[model]\nkind = "lapped"\n[data]\n[fit]\n[run]\n', encoding="utf-8")
    assert run(["train", str(path), "--quiet"]) == 2
    error = capsys.readouterr().err
    assert "config.toml" in error
    assert "[data]: folders is missing" in error
    assert error.count("\n") == 1


def test_a_missing_package_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without Optuna the line says how to install it."""
    from radcodec.training import tune as tuning

    def missing(name: str) -> object:
        if name == "optuna":
            raise ModuleNotFoundError("No module named 'optuna'", name="optuna")
        return importlib.import_module(name)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tuning, "import_module", missing)
    monkeypatch.setattr(tuning, "read_study", lambda path: type("S", (), {"out": tmp_path / "out"})())
    (tmp_path / "study.toml").write_text("", encoding="utf-8")
    assert run(["tune", "study.toml", "--quiet"]) == 2
    assert capsys.readouterr().err == (
        "radcodec: training needs optuna, which is not installed: pip install 'radcodec[train]'\n"
    )

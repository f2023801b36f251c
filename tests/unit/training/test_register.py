"""``python -m radcodec.training.register``: a trained model gets its folder and its line in the registry."""

from __future__ import annotations

import hashlib
import shutil
import tomllib
from pathlib import Path

import pytest

from radcodec.training.register import main

SHIPPED = Path(__file__).parents[3] / "models" / "lapped-v2"


def test_a_model_is_copied_and_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Weights, configuration and card are copied; the registry has name, hash, summary and the default."""
    assert main([str(SHIPPED), str(tmp_path), 'a "good" one', "--default"]) == 0
    sha256 = hashlib.sha256((SHIPPED / "weights.safetensors").read_bytes()).hexdigest()
    assert capsys.readouterr().out.split()[0] == sha256
    registry = tomllib.loads((tmp_path / "registry.toml").read_text())
    assert registry["model"] == [{"name": "lapped-v2", "sha256": sha256, "default": True, "summary": 'a "good" one'}]
    assert (tmp_path / "lapped-v2" / "weights.safetensors").read_bytes() == (
        SHIPPED / "weights.safetensors"
    ).read_bytes()


def test_a_second_default_takes_over(tmp_path: Path) -> None:
    """Only one model is the default one, and a model of the same name is replaced."""
    other = tmp_path / "other"
    shutil.copytree(SHIPPED, other)
    config = other / "config.toml"
    config.write_text(config.read_text().replace('"lapped-v2"', '"lapped-v9"'))
    for folder, options in ((SHIPPED, ["--default"]), (other, ["--default"]), (SHIPPED, [])):
        assert main([str(folder), str(tmp_path / "models"), "text", *options]) == 0
    listed = tomllib.loads((tmp_path / "models" / "registry.toml").read_text())["model"]
    assert {model["name"]: model["default"] for model in listed} == {"lapped-v9": True, "lapped-v2": False}


def test_wrong_arguments_and_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Too few arguments are exit code 2; a folder without weights is 3 and one line."""
    assert main([]) == 2
    assert "usage" in capsys.readouterr().err
    assert main([str(tmp_path), str(tmp_path), "text"]) == 3
    assert "expected weights.safetensors" in capsys.readouterr().err

"""``radcodec models`` and ``--model``: a short table, a card on request, and a wrong name is found before the work."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from radcodec.base.store import list_models
from radcodec.cli.app import run
from radcodec.simulate import simulate_fits

WEIGHTS = Path(__file__).parents[3] / "models" / "vqvae-v3" / "weights.safetensors"


def test_the_table_has_a_line_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    """A heading, a line for each model, and where to find more; no cards."""
    assert run(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(list_models()) + 2
    default = next(line for line in lines if line.startswith("vqvae-v3"))
    assert default.split()[1:3] == ["default", hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()[:12]]
    assert "radcodec models NAME" in lines[-1]


def test_a_card_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    """With a name, the full hash and the card of that model."""
    assert run(["models", "vqvae-v3"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"vqvae-v3  sha256 {hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()}\n")
    assert (WEIGHTS.parent / "card.md").read_text(encoding="utf-8").strip() in text
    assert run(["models", "vqvae-v3", "--json"]) == 0
    assert [model["name"] for model in json.loads(capsys.readouterr().out)["models"]] == ["vqvae-v3"]


def test_a_card_of_no_model(capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown name is exit code 4 and lists the installed ones."""
    assert run(["models", "no-such"]) == 4
    assert "model no-such not found; installed models: general-v0" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["compress", "estimate"])
def test_a_wrong_model_is_found_before_the_work(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 4 before the source is opened, also for modes that would need the model last or not at all."""
    import radcodec.fits.source as source

    def never(*_: object, **__: object) -> None:
        raise AssertionError("the source was opened")

    monkeypatch.setattr(source, "open_fits_source", never)
    (tmp_path / "a.fits").write_bytes(simulate_fits((16, 16), seed=1))
    assert run([command, str(tmp_path / "a.fits"), "--model", "typo"]) == 4
    error = capsys.readouterr().err
    assert error.startswith("radcodec: --model: model typo not found; installed models: ")
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.fits"]


@pytest.mark.parametrize("model", ["vqvae-v3", str(WEIGHTS), str(WEIGHTS.parent)])
def test_names_and_paths_of_models_are_taken(model: str, tmp_path: Path) -> None:
    """A name, a weights file and its folder all pass the check and compress."""
    (tmp_path / "a.fits").write_bytes(simulate_fits((32, 32), seed=1))
    arguments = ["compress", str(tmp_path / "a.fits"), "--model", model, "--threads", "1", "--quiet"]
    assert run(arguments) == 0

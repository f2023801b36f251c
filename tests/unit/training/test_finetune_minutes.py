"""``--minutes`` is for a new run: one that is there is neither resumed under other minutes nor in silence."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("astropy")

from radcodec.cli.app import run
from radcodec.errors import InputError
from radcodec.simulate import simulate_fits
from radcodec.training import finetune_plan, rate
from radcodec.training.config import read_config
from radcodec.training.finetune import finetune
from radcodec.training.log import Console


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of images on which a run of two minutes is finished; fine-tuning is one short round."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(finetune_plan, "ROUND_STEPS", (10, 10))
    monkeypatch.setattr(finetune_plan, "ROUND_RATES", (0.002,))
    monkeypatch.setattr(finetune_plan, "ROUND_SHARES", (1.0,))
    monkeypatch.setattr(finetune_plan, "TRIED_STEPS", 3)
    monkeypatch.setattr(rate, "MAX_LOOKS", 3)
    folder = Path("survey")
    folder.mkdir()
    for number in range(10):
        (folder / f"{number:02d}.fits").write_bytes(simulate_fits((48, 56), seed=number, beam_fwhm_px=(6.0, 6.0)))
    finetune(folder, out=Path("run"), minutes=2, console=Console())
    return folder


def test_minutes_and_a_run_that_is_there(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Other minutes are refused, and the line says what to do; without them, or with --restart, it works."""
    weights = Path("run/model/weights.safetensors").read_bytes()
    assert read_config(Path("run/finetune.toml")).minutes == 2.0
    assert run(["finetune", str(finished), "--out", "run", "--minutes", "1"]) == 2
    error = capsys.readouterr().err
    assert "planned for 2 minutes, found 1" in error
    assert "--restart" in error
    assert Path("run/model/weights.safetensors").read_bytes() == weights
    said = io.StringIO()
    finetune(finished, out=Path("run"), console=Console(said))
    assert "which is finished; the comparison runs again (--restart plans a new one)" in said.getvalue()
    assert Path("run/model/weights.safetensors").read_bytes() == weights
    assert run(["finetune", str(finished), "--out", "run", "--minutes", "1", "--restart", "--quiet"]) == 0
    assert read_config(Path("run/finetune.toml")).minutes == 1.0


def test_a_run_of_an_earlier_version(finished: Path) -> None:
    """It does not say for how many minutes it was planned, so that none can be asked for."""
    path = Path("run/finetune.toml")
    path.write_text(path.read_text("utf-8").replace("minutes = 2.0\n", ""), "utf-8")
    with pytest.raises(InputError, match="planned by an earlier version, found 5"):
        finetune(finished, out=Path("run"), minutes=5, console=Console())


def test_a_terminal_that_has_gone_ends_no_run() -> None:
    """What a run says is lost then, and the run goes on."""

    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(5, "Input/output error")

    console = Console(Gone())
    console.line("one")
    console.status("two")
    console.clear()

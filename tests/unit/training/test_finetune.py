"""A folder of FITS images in, a model that compresses and restores out, and an honest comparison."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("astropy")

from radcodec.base.store import load_model
from radcodec.cli.app import run
from radcodec.errors import InputError
from radcodec.simulate import simulate_fits
from radcodec.training import finetune as finetuning
from radcodec.training import finetune_plan, loop, rate
from radcodec.training.config import read_config
from radcodec.training.data import simulate_ratio
from radcodec.training.finetune import finetune, verdict
from radcodec.training.log import Console
from radcodec.training.run import train

CONVOLUTIONAL = """
[model]
name = "small"
strides = [16, 4]
entries = [8, 16]
latent_channels = 4
channels = 8
encoder_blocks = 1
decoder_blocks = 1
prior_channels = 8
prior_tables = 4
prior_classes = [1, 4]
[data]
folders = []
validation = ""
simulated_share = 1.0
crop_px = 96
pool = 2
[fit]
steps = 0
batch = 4
learning_rate = 0.004
prior_steps = 0
prior_learning_rate = 0.01
rate_weights = [0.5, 0.2]
stage_shares = [1, 2]
noise_share = 0.25
rate_loss = 4.0
commitment = 0.5
decay = 0.9
revive_every = 4
validate_every = 4
[run]
seed = 3
threads = 1
summary = "small"
out = "small"
"""


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of ten small images in the working folder; fine-tuning is one short round, measured with few looks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(finetune_plan, "ROUND_STEPS", (10, 10))
    monkeypatch.setattr(finetune_plan, "ROUND_RATES", (0.002,))
    monkeypatch.setattr(finetune_plan, "ROUND_SHARES", (1.0,))
    monkeypatch.setattr(finetune_plan, "LEAST_STEPS", 6)
    monkeypatch.setattr(finetune_plan, "TRIED_STEPS", 3)
    monkeypatch.setattr(rate, "MAX_LOOKS", 3)
    folder = Path("survey 1")
    folder.mkdir()
    for number in range(10):
        (folder / f"{number:02d}.fits").write_bytes(simulate_fits((48, 56), seed=number, beam_fwhm_px=(6.0, 6.0)))
    return folder


def test_one_command_makes_a_model_that_files_use(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command trains, compares and says how the model is used; that works, and does not without the model."""
    assert run(["finetune", "survey 1", "--minutes", "1"]) == 0
    told = capsys.readouterr()
    assert "trained on 9 images of 9 files" in told.out
    assert re.search(r"needs \d+\.\d % fewer bits than vqvae-v3|NOT smaller than vqvae-v3", told.out)
    assert "round 1/1" in told.err
    folder = Path("runs/vqvae-v3-survey-1/model")
    sha256 = hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
    card = (folder / "card.md").read_text(encoding="utf-8")
    assert sha256 in card
    assert load_model("vqvae-v3").sha256 in card
    assert "| held out | 1 images of 1 files, 0.00269 Mpix |" in card
    config = read_config(folder / "config.toml")
    assert (config.start, config.name) == ("vqvae-v3", "vqvae-v3-survey-1")
    image = "survey 1/03.fits"
    assert run(["compress", image, "a.rcz", "--lossy", "--bpp", "8", "--model", str(folder)]) == 0
    capsys.readouterr()
    assert run(["info", "a.rcz", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == {"name": config.name, "sha256": sha256}
    assert run(["decompress", "a.rcz", "b.fits"]) == 4
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RADCODEC_MODELS", str(folder))
        assert run(["decompress", "a.rcz", "b.fits"]) == 0
    assert Path("b.fits").stat().st_size >= Path(image).stat().st_size


def test_run_again_it_goes_on_and_another_run_is_refused(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same command uses what is there; another folder, or another name, is not mixed with it; --restart is."""
    command = ["finetune", "survey 1", "--out", "run", "--name", "mine", "--minutes", "1", "--json"]
    assert run(command) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["model"]["name"] == "mine"
    assert first["smaller"] == (first["change_percent"] < 0)
    assert run(command) == 0
    streams = capsys.readouterr()
    assert json.loads(streams.out) == first
    assert "resuming this run" in streams.err
    assert "round" not in streams.err
    assert run(["finetune", "survey 1", "--out", "run", "--name", "other"]) == 2
    assert "--restart" in capsys.readouterr().err
    assert run([*command, "--restart", "--quiet"]) == 0
    assert capsys.readouterr().err == ""


def test_a_convolutional_model_goes_on_learning(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From weights of one's own: crops shrink to the images, learning rates to their shares, and the model loads."""
    recount = loop.recount_tables
    monkeypatch.setattr(loop, "recount_tables", lambda network, draw, batches: recount(network, draw, batches=3))
    monkeypatch.setattr(loop, "start_prior", lambda network, draw, batches: None)
    monkeypatch.setattr(finetune_plan, "POOL", 2)
    Path("small.toml").write_text(CONVOLUTIONAL, encoding="utf-8")
    small = train(Path("small.toml"))
    result = finetune(images, model=str(small), out=Path("out"), minutes=0.001, console=Console())
    model = load_model(str(result.folder))
    assert model.sha256 == result.sha256 != result.start_sha256
    config = read_config(result.folder / "config.toml")
    assert config.data.crop_px == 48  # type: ignore[union-attr]
    assert config.fit.learning_rate == pytest.approx(0.001)  # type: ignore[union-attr]
    assert sorted(result.before) == [0.125, 0.25, 0.5]
    assert "small" in (result.folder / "card.md").read_text(encoding="utf-8")


def test_tables_that_are_wrong_are_mended(images: Path) -> None:
    """A model whose tables know nothing needs far fewer bits after it was fitted, on images that it did not see."""
    from radcodec.base.lapped.model import LappedModel
    from radcodec.base.lapped.spec import LappedArrays
    from radcodec.training.run import write_model

    shipped = load_model("lapped-v2")
    assert isinstance(shipped, LappedModel)
    even = {n: np.full_like(t, (1 << 24) // t.shape[-1]) for n, t in shipped.arrays.tables.items()}
    for table in even.values():
        table[..., 0] += (1 << 24) - table.sum(axis=-1, dtype=np.uint32)
    known = {name: getattr(shipped.arrays, name) for name in ("log_table", "layers", "sinh")}
    naive = LappedModel(shipped.spec, LappedArrays(**known, tables=even), "")
    text = (Path(finetune_plan.models_folder()) / "lapped-v2" / "config.toml").read_text(encoding="utf-8")
    Path("naive.toml").write_text(text, encoding="utf-8")
    write_model(naive, Path("naive"), Path("naive.toml"))
    result = finetune(images, model="naive", out=Path("out"), name="wiser", minutes=1.0, console=Console())
    assert result.change < -20
    assert verdict(result).startswith("wiser needs ")


def test_the_verdict_is_plain(images: Path) -> None:
    """Where the new model is not smaller the sentence says so."""
    result = finetuning.FineTuned(
        folder=images, name="new", sha256="", start="old", start_sha256="", trained=finetuning.count([]),
        held_out=finetuning.count([]), compared_images=1, compared_pixels=1, before={0.5: 1.0}, after={0.5: 1.01},
    )  # fmt: skip
    assert verdict(result) == "new is NOT smaller than old (+1.0 % bits at equal error): keep old."


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere"], 5, "expected a folder"),
        (["."], 2, "hold some out"),
        (["survey 1", "--model", "no-such"], 4, "no-such"),
        (["survey 1", "--name", "a b"], 2, "expected a name"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(
    images: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    """Exit code and message; nothing is left behind."""
    for path in sorted(images.iterdir())[1:] if arguments == ["."] else []:
        path.unlink()
    before = sorted(Path().iterdir())
    assert run(["finetune", *arguments, "--quiet"]) == code
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert sorted(Path().iterdir()) == before


def test_small_images_are_too_small_for_crops(images: Path) -> None:
    """A convolutional model needs images of its coarsest stride."""
    with pytest.raises(InputError, match="at least 128 pixels"):
        finetune_plan._plan_convolutional(
            {"model": {"strides": [128, 4]}, "data": {"crop_px": 256}, "fit": {}},
            [finetune_plan.Item(file=0, content=simulate_ratio(np.random.default_rng(1), 64))],
            1.0,
        )

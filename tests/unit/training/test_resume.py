"""A run that is killed anywhere goes on to what it would have given; another run's folder is refused."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("astropy")

from radcodec.errors import InputError
from radcodec.training import loop
from radcodec.training.config import DataConfig
from radcodec.training.data import CropStream
from radcodec.training.run import train

CONFIG = """
[model]
name = "smoke"
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
crop_px = 32
pool = 3
[fit]
steps = 12
batch = 4
learning_rate = 0.005
prior_steps = 6
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
summary = "smoke test"
out = "OUT"
"""


def make_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """One small validation image, few batches for the prior's classes and counts."""
    image = np.random.default_rng(5).normal(size=(40, 40)).astype(np.float32)
    monkeypatch.setattr(loop, "validation_images", lambda *_: [image])
    start, recount = loop.start_prior, loop.recount_tables
    monkeypatch.setattr(loop, "start_prior", lambda network, draw, batches: start(network, draw, batches=3))
    monkeypatch.setattr(loop, "recount_tables", lambda network, draw, batches: recount(network, draw, batches=3))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test is quick."""
    make_quick(monkeypatch)


def write_config(folder: Path, *changes: tuple[str, str]) -> Path:
    """The path of a small configuration with some of its text changed."""
    text = CONFIG.replace("OUT", (folder / "run").as_posix())
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def digest(folder: Path) -> str:
    """The hash of a model."""
    return hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()


def log_rows(folder: Path) -> list[dict[str, str]]:
    """The log without its times."""
    with (folder / "log.csv").open(encoding="utf-8") as stream:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(stream)]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was not interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        make_quick(patch)
        train(write_config(folder))
    return folder / "run"


@pytest.mark.parametrize(
    ("method", "calls"),
    [("autoencoder_step", 3), ("autoencoder_step", 6), ("prior_step", 2), ("prior_step", 6)],
)
def test_a_killed_run_gives_the_same_model(
    tmp_path: Path, reference: Path, monkeypatch: pytest.MonkeyPatch, method: str, calls: int
) -> None:
    """Before the first checkpoint, between two, and in the prior: the same weights, the same rows in the log."""
    done = [0]
    step = getattr(loop.Trainer, method)

    def killed(self: loop.Trainer) -> tuple[float, ...]:
        done[0] += 1
        if done[0] == calls:
            raise KeyboardInterrupt
        found: tuple[float, ...] = step(self)
        return found

    path = write_config(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(loop.Trainer, method, killed)
        with pytest.raises(KeyboardInterrupt):
            train(path)
    assert digest(train(path)) == digest(reference / "model")
    assert log_rows(tmp_path / "run") == log_rows(reference)


def test_a_run_killed_between_its_log_and_its_checkpoint_says_nothing_twice(
    tmp_path: Path, reference: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row that the checkpoint does not know of is written again, once; checkpoints may be anywhere."""
    saves = [0]
    save = loop.Trainer._save

    def killed(self: loop.Trainer) -> None:
        saves[0] += 1
        if saves[0] == 2:
            raise KeyboardInterrupt
        save(self)

    path = write_config(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(loop.Trainer, "_save", killed)
        with pytest.raises(KeyboardInterrupt):
            train(path)
    assert len(log_rows(tmp_path / "run")) == 2
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    assert digest(train(path)) == digest(reference / "model")
    assert log_rows(tmp_path / "run") == log_rows(reference)


@pytest.mark.parametrize("reports", [1, 3, 4, 5])
def test_a_run_killed_while_it_validates_loses_no_row(
    tmp_path: Path, reference: Path, monkeypatch: pytest.MonkeyPatch, reports: int
) -> None:
    """With a checkpoint after every step: at the first and last row of the autoencoder, in the prior, at the end."""
    done = [0]
    evaluate = loop.evaluate

    def killed(*arguments: object) -> object:
        done[0] += 1
        if done[0] == reports:
            raise KeyboardInterrupt
        return evaluate(*arguments)  # type: ignore[arg-type]

    path = write_config(tmp_path)
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "evaluate", killed)
        with pytest.raises(KeyboardInterrupt):
            train(path)
    assert digest(train(path)) == digest(reference / "model")
    assert log_rows(tmp_path / "run") == log_rows(reference)


def test_a_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    """The message says what differs and what to do; what has no part in the result may differ; a restart may do all."""
    few = [("steps = 12", "steps = 4"), ("prior_steps = 6", "prior_steps = 0")]
    first = digest(train(write_config(tmp_path, *few)))
    with pytest.raises(InputError, match=r"fit.decay was 0.9, now 0.8.*--restart"):
        train(write_config(tmp_path, *few, ("decay = 0.9", "decay = 0.8")))
    assert digest(train(write_config(tmp_path, *few, ('"smoke test"', '"told otherwise"')))) == first
    other = write_config(tmp_path, *few, ("decay = 0.9", "decay = 0.8"))
    assert digest(train(other, resume=False)) != first
    assert len(log_rows(tmp_path / "run")) == 2


def test_crops_go_on_where_they_were() -> None:
    """A stream started at its third batch gives the third batch of one that gave all."""
    config = DataConfig(folders=(), validation="", simulated_share=1.0, crop_px=32, pool=2)
    stream = CropStream(config, 5)
    first, _, third = (stream.batch(3).numpy() for _ in range(3))
    assert np.array_equal(CropStream(config, 5, start=2).batch(3).numpy(), third)
    assert not np.array_equal(first, third)

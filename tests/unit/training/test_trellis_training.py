"""Training of models of kind vqvae: a configuration gives one model, and an interrupted run the same one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from radcodec.base.store import load_model
from radcodec.base.trellis.model import TrellisModel
from radcodec.errors import InputError
from radcodec.training.config import read_config
from radcodec.training.emission import simulate_emission
from radcodec.training.run import train

TEXT = """
[model]
kind = "vqvae"
name = "tiny"
stages = 4
scalar = "lapped-v2"
[data]
folders = []
validation = []
images = 0
simulated = 2
emission = 1
sides = [40]
[fit]
steps = [{steps}]
learning_rates = [{rates}]
batch = 64
pairs = 50
[run]
seed = 3
threads = 1
summary = "tiny"
out = "{out}"
"""


def config(folder: Path, rounds: int) -> Path:
    path = folder / f"{rounds}.toml"
    text = TEXT.format(steps=", ".join(["8"] * rounds), rates=", ".join(["0.01"] * rounds), out=folder / str(rounds))
    path.write_text(text, encoding="utf-8")
    return path


def test_trained_model_loads_and_is_the_same_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exported file passes its own known answer, and a run from the start gives the same bytes."""
    monkeypatch.setattr("radcodec.training.rate.MAX_LOOKS", 2)
    path = config(tmp_path, 2)
    first = (train(path) / "weights.safetensors").read_bytes()
    again = (train(path, resume=False) / "weights.safetensors").read_bytes()
    assert first == again
    model = load_model(str(tmp_path / "2" / "model"))
    assert isinstance(model, TrellisModel)
    assert (model.name, model.n_stages) == ("tiny", 4)
    image = np.random.default_rng(1).normal(size=(40, 40))
    streams = model.stage_streams(model.encode_tile(image, 0.0, 1.0, step=1.0))
    assert model.decode_tile(streams, (40, 40), 0.0, 1.0).shape == (40, 40)


def test_kind_vqvae_needs_a_model_for_tiles_without_a_trellis(tmp_path: Path) -> None:
    """Without model.scalar and run.start the configuration is refused in one line."""
    path = config(tmp_path, 1)
    path.write_text(path.read_text(encoding="utf-8").replace('scalar = "lapped-v2"\n', ""), encoding="utf-8")
    with pytest.raises(InputError, match=r"a model of kind vqvae without model\.scalar or run\.start"):
        read_config(path)


def test_simulated_emission_follows_the_seed_and_is_bright_in_some_images() -> None:
    """A seed gives one image, all of it finite; one of eight is far above its noise at least."""
    images = [simulate_emission(np.random.default_rng(seed), 64) for seed in range(8)]
    np.testing.assert_array_equal(images[5], simulate_emission(np.random.default_rng(5), 64))
    assert all(image.shape == (64, 64) and np.isfinite(image).all() for image in images)
    assert max(float(image.max()) for image in images) > 10.0

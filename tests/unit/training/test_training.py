"""Codebooks learn and revive, losses are what they say, and a short run exports a model that loads."""

from __future__ import annotations

import csv
import math
import types
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("astropy")

import torch

from radcodec.base.store import load_model
from radcodec.errors import InputError
from radcodec.simulate import simulate_image
from radcodec.training.config import read_config
from radcodec.training.evaluate import table
from radcodec.training.losses import prior_loss, rate_loss, reconstruction_loss
from radcodec.training.network import integer_tables
from radcodec.training.quantiser import Codebook
from radcodec.training.register import register_model
from radcodec.training.run import train
from radcodec.training.stage_rates import Evaluation, entropy_bits, evaluate
from radcodec.training.study import read_study

CONFIGS = Path(__file__).resolve().parents[3] / "benchmarks" / "studies" / "configs"
CONFIG = """
[model]
name = "smoke"
strides = [16, 4, 4]
entries = [8, 16, 16]
latent_channels = 4
channels = 8
encoder_blocks = 1
decoder_blocks = 1
prior_channels = 8
prior_tables = 4
prior_classes = [1, 4, 4]
[data]
folders = []
validation = ""
simulated_share = 1.0
crop_px = 32
pool = 4
[fit]
steps = 60
batch = 8
learning_rate = 0.005
prior_steps = 20
prior_learning_rate = 0.01
rate_weights = [0.5, 0.2, 0.2]
stage_shares = [1, 1, 2]
noise_share = 0.25
rate_loss = 4.0
commitment = 0.5
decay = 0.9
revive_every = 20
validate_every = 30
[run]
seed = 3
threads = 1
summary = "smoke test"
out = "OUT"
"""


def test_entries_move_to_the_mean_of_what_chose_them() -> None:
    """With decay 0.5, totals 1 and sums 0, two vectors of mean (6, 0) give (0.5 * 12) / (0.5 + 0.5 * 2) = 4."""
    book = Codebook(2, 2)
    book.update(torch.tensor([[4.0, 0.0], [8.0, 0.0]]), torch.tensor([0, 0]), 0.5, 100)
    assert book.entries[0].tolist() == [4.0, 0.0]
    assert book.share.tolist() == [0.75, 0.25]


def test_entries_that_nobody_chooses_come_back_as_data() -> None:
    """After revive_every idle steps an entry is placed on a vector of the batch and can be afforded again."""
    torch.manual_seed(0)
    book = Codebook(2, 2)
    vectors = torch.tensor([[5.0, 5.0], [5.0, 5.0]])
    for _ in range(4):
        book.update(vectors, torch.tensor([0, 0]), 0.9, 3)
        assert int(book.idle[1]) <= 3
    assert book.entries[1].tolist() == [5.0, 5.0]
    assert float(book.share[1]) == 0.125
    assert float(book.penalty(1.0)[1]) < 1e3


def test_perplexity_of_equal_shares_is_the_number_of_entries() -> None:
    """Eight entries used equally often have perplexity 8."""
    assert Codebook(8, 2).perplexity() == pytest.approx(8.0)


def test_losses_by_hand() -> None:
    """log(mean square + 0.01); half of log2(1 + 3) a latent; a certain choice of a table of 1/4 costs 2 bits."""
    one = torch.ones(1, 1, 2, 2)
    assert float(reconstruction_loss(one, 3 * one)) == pytest.approx(math.log(4.01), rel=1e-6)
    # A constant error stays what it is under a beam, a chequered one is gone.
    flat = torch.zeros(1, 1, 24, 24)
    board = 2.0 * ((torch.arange(24)[:, None] + torch.arange(24)) % 2)[None, None] - 1.0
    assert float(reconstruction_loss(flat, flat + 2, 0.5)) == pytest.approx(math.log(4.01), rel=1e-5)
    assert float(reconstruction_loss(flat, board, 1.0)) == pytest.approx(math.log(0.01), rel=1e-3)
    # Four latents of 8 * sqrt(3) in a cell of 16 pixels: one bit each.
    assert float(rate_loss(torch.full((1, 4, 2, 2), 8 * math.sqrt(3)))) == pytest.approx(0.25, rel=1e-6)
    scores = torch.zeros(1, 2, 1, 1)
    scores[0, 1] = 1e5
    tables = torch.log2(torch.tensor([[0.5, 0.5], [0.25, 0.75]]))
    for sharpness in (0.0, 0.5, 1.0):
        assert float(prior_loss(scores, tables, torch.zeros(1, 1, 1, dtype=torch.int64), sharpness)) == 2.0


def test_integer_tables_sum_to_2_to_the_24() -> None:
    """Every row sums to 2^24 with no count below 2, near the probabilities; also for certain and tiny ones."""
    share = np.array([[1.0, 0.0, 0.0], [1e-12, 0.5, 0.5], [0.2, 0.3, 0.5]])
    counts = integer_tables(share)
    assert counts.sum(axis=1).tolist() == [1 << 24] * 3
    assert counts.min() == 2
    assert np.allclose(counts / 2**24, share, atol=1e-6)


def test_entropy_of_a_fair_coin() -> None:
    """Four tosses, half heads, cost four bits."""
    assert entropy_bits(np.array([2.0, 2.0, 0.0])) == 4.0


def test_a_short_run_learns_resumes_exports_and_registers(tmp_path: Path) -> None:
    """Loss falls in 60 steps; the exported model loads, decodes and codes; a second call resumes to the same file."""
    config = tmp_path / "config.toml"
    config.write_text(CONFIG.replace("OUT", (tmp_path / "run").as_posix()))
    folder = train(config)
    with (tmp_path / "run" / "log.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["phase"] for row in rows] == ["autoencoder", "autoencoder", "final"]
    assert float(rows[1]["reconstruction"]) < float(rows[0]["reconstruction"])
    model = load_model(str(folder))
    image = simulate_image((64, 64), seed=1, noise_rms=1.0)
    figures = evaluate(model, [image])
    assert figures.rmse[-1] < float(np.std(np.arcsinh(image / 3) * 3))
    assert 0 < sum(figures.coded_bits) < 1.2 * sum(figures.fixed_bits) + 0.1
    first = (folder / "weights.safetensors").read_bytes()
    assert (train(config) / "weights.safetensors").read_bytes() == first
    models = tmp_path / "models"
    sha256 = register_model(folder, models, summary='a "smoke" model', default=True)
    assert sha256 == model.sha256
    assert sha256 in (models / "registry.toml").read_text()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [("[fit]", "[fits]", "fit"), ("[16, 4, 4]", "[4, 16, 4]", "coarse first"), ("crop_px = 32", "crop_px = 40", "mult"),
     ("seed = 3", "sed = 3", "sed"), ("[8, 16, 16]", "[8, 16]", "different lengths")],
)  # fmt: skip
def test_wrong_configurations_are_input_errors(tmp_path: Path, old: str, new: str, message: str) -> None:
    """The message names the file and what is wrong."""
    path = tmp_path / "bad.toml"
    path.write_text(CONFIG.replace(old, new))
    with pytest.raises(InputError, match=f"bad.toml.*{message}"):
        read_config(path)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("small*.toml")), ids=lambda path: path.stem)
def test_configurations_of_the_benchmarks_are_read(path: Path) -> None:
    """What the documentation's figures were made with is a configuration of this version."""
    assert read_config(path).name == path.stem


def test_study_of_the_benchmarks_is_read() -> None:
    """So is the study, whose base is beside it."""
    assert read_study(CONFIGS / "study.toml").config.name == "small"


def test_figures_as_a_table() -> None:
    """The table has a line a stage, the running sum of coded bits, and what the prior saves of the totals."""
    found = Evaluation(rmse=(0.9, 0.5), coded_bits=(0.1, 0.8), order0_bits=(0.2, 0.8), fixed_bits=(0.3, 1.5))
    model = types.SimpleNamespace(strides=(8, 4))
    lines = table(model, found).splitlines()  # type: ignore[arg-type]
    assert lines[2] == "| 1-1 | 8 | 0.900 | 0.1000 | 0.2000 | 0.3000 | 0.1000 |"
    assert lines[3] == "| 1-2 | 4 | 0.500 | 0.8000 | 0.8000 | 1.5000 | 0.9000 |"
    assert lines[-1].endswith(": 10.0 % against order 0, 50.0 % against fixed length.")

"""Fine-tuning a model of kind vqvae: what its folder never shows stays as the start model has it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from radcodec.base.store import load_model
from radcodec.base.trellis.model import TrellisModel
from radcodec.errors import InputError
from radcodec.training.config import LappedConfig, LappedDataConfig, LappedFitConfig
from radcodec.training.trellis import N_ROWS, table_counts, wide_tables
from radcodec.training.trellis_loop import TrellisTrainer


def test_counts_of_tables_give_the_tables_again() -> None:
    """With a great weight, smoothing no longer matters: every table is that of the model to a part in a thousand."""
    model = load_model("vqvae-v1")
    assert isinstance(model, TrellisModel)
    counts = table_counts(model.wide.tables, 1e9)
    assert counts.shape == (N_ROWS, 9)
    again = wide_tables(counts)
    for name, table in model.wide.tables.items():
        even = table.astype(np.float64)
        if name == "wide_zz":  # signs count alike
            pairs = even.reshape(5, 48, 3, 3)
            pairs = pairs + pairs[:, :, [0, 2, 1]]
            even = ((pairs + pairs[:, :, :, [0, 2, 1]]) / 4).reshape(even.shape)
        if name == "wide_zn":
            halves = even.reshape(5, 2, 48, 3, 3, 2)
            even = ((halves + halves[:, :, :, :, [0, 2, 1]]) / 2).reshape(even.shape)
        np.testing.assert_allclose(again[name], even, rtol=1e-3, atol=200)


def one_round(folder: Path) -> LappedConfig:
    """A run of one round from the default model."""
    data = LappedDataConfig(folders=(), validation=(), images=0, simulated=1, sides=(32,), emission=0)
    fit = LappedFitConfig(steps=(2,), learning_rates=(1e-6,), batch=8, pairs=20)
    return LappedConfig(
        name="t", stages=6, seed=1, threads=1, summary="", out=str(folder), data=data, fit=fit, start="vqvae-v1",
        kind="vqvae",
    )  # fmt: skip


def test_rows_without_counts_keep_the_start_model(tmp_path: Path) -> None:
    """A round on one small image of noise leaves tables of bright coefficients near those of the start model."""
    config = one_round(tmp_path)
    trainer = TrellisTrainer(config, resume=False)
    before = trainer.wide.tables["wide_nn"].reshape(5, 16, 3, 3, 4).astype(np.float64) / 2**24
    noise = np.random.default_rng(1).normal(size=(32, 32)).astype(np.float32)
    trainer._round([noise], [noise])
    after = trainer.wide.tables["wide_nn"].reshape(5, 16, 3, 3, 4).astype(np.float64) / 2**24
    np.testing.assert_allclose(after[:, :, 2, 2], before[:, :, 2, 2], atol=0.05)


def test_constant_images_are_refused(tmp_path: Path) -> None:
    """Images without anything to code give a clear error, no traceback of an empty list."""
    config = one_round(tmp_path)
    with pytest.raises(InputError, match="found constant ones only"):
        TrellisTrainer(config, resume=False)._round([np.zeros((32, 32), np.float32)], [])

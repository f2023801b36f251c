"""The study of trained lapped matrices: they start as the library's, stay orthonormal, and win when they should."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from benchmarks.studies import matrices, matrices_training
from benchmarks.studies.matrices_training import Lapped, lapped_dct, train
from benchmarks.types import F64
from radcodec.base.lapped import search, transform
from radcodec.base.store import load_model
from radcodec.base.trellis.model import TrellisModel
from radcodec.simulate import simulate_fits


@pytest.mark.parametrize("n", [16, 32])
def test_start_is_the_transform_of_the_format(n: int) -> None:
    """The matrices that training starts from give the library's coefficients, to the rounding of its integers."""
    image = np.random.default_rng(3).normal(size=(4 * n, 2 * n))
    g = transform.geometry_of(image.shape, transform.NOMINAL.index(n))
    whole = lapped_dct(n).of_line(4) @ image @ lapped_dct(n).of_line(2).T
    ours = whole.reshape(g.rows, g.height, g.columns, g.width).transpose(0, 2, 1, 3)
    np.testing.assert_allclose(ours, transform.analyse(image, g, 1.0), atol=0.01)


@pytest.mark.parametrize("fold_alone", [False, True])
def test_training_keeps_matrices_orthonormal_and_moves_them(fold_alone: bool) -> None:
    """Any number of turns gives an orthonormal transform; with the fold alone the matrices of blocks stay."""
    rows = [np.random.default_rng(seed).normal(size=(256, 256)).cumsum(axis=1) for seed in range(3)]
    shown = [(image / 8).astype(np.float32) for image in rows]
    found, start = train(16, shown, turns=2, fold_alone=fold_alone), lapped_dct(16)
    whole = found.of_line(5)
    np.testing.assert_allclose(whole @ whole.T, np.eye(80), atol=1e-12)
    assert not np.allclose(found.fold, start.fold, atol=1e-4)
    assert np.allclose(found.block, start.block, atol=1e-5) == fold_alone


@pytest.mark.parametrize("step", [1.0, 0.05])
def test_the_same_matrices_change_nothing(step: float) -> None:
    """The library's own transform as "trained" matrices costs what the block kind of the format costs.

    At the finer step, a twentieth of the error comes from pixels that are rounded to 1/64.
    """
    model = load_model(matrices.MODEL)
    assert isinstance(model, TrellisModel)
    tile = np.random.default_rng(5).normal(size=(64, 64)).cumsum(axis=0) / 4
    plain = matrices.coded(model, tile, step, 1)
    ours = matrices.coded(model, tile, step, 1, lapped_dct(32))
    assert ours.bits == pytest.approx(plain.bits, rel=0.02)
    assert ours.error == pytest.approx(plain.error, rel=0.02)


def test_rows_take_matrices_that_are_better(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind with the error of the best and nine tenths of its bits is taken, ratio 0.9; a second run adds no row."""
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "a.fits").write_bytes(simulate_fits((70, 70), seed=2))
    real = matrices.coded

    def coded(model: TrellisModel, tile: F64, step: float, code: int, lapped: Lapped | None = None) -> matrices.Coded:
        if lapped is None:
            return real(model, tile, step, code)
        best = min((real(model, tile, step, kind) for kind in range(7)), key=lambda one: one.cost)
        return matrices.Coded(bits=0.9 * best.bits, error=best.error)

    monkeypatch.setattr(matrices, "coded", coded)
    monkeypatch.setattr(matrices, "VARIANTS", {"16": (16, True, 1)})
    monkeypatch.setattr(matrices, "RATES", (0.5,))
    monkeypatch.setattr(matrices_training, "training_images", lambda data, seed: [np.ones((256, 256))])
    out = tmp_path / "rows.csv"
    for _ in range(2):
        matrices.run_matrices(data=tmp_path, sets=["some"], out=out, commit="c")
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["matrices"], row["kinds"], row["ratio"]) for row in rows] == [
        ("16", "16", "0.9000"),
        ("all", "16", "0.9000"),
    ]


def test_cost_and_table_by_hand() -> None:
    """A cost is bits plus errors at the encoder's price; ratios of 0.9 and 1 have the geometric mean 0.949."""
    assert matrices.Coded(bits=100.0, error=12.0).cost == 100.0 + 12.0 / search.CHOICE_RATE
    rows = [
        {"set": "s", "matrices": "32", "rate": "0.1", "ratio": "0.9"},
        {"set": "s", "matrices": "32", "rate": "0.1", "ratio": "1.0"},
    ]
    assert matrices.matrices_lines(rows)[2] == "| s | 32 | 0.949 | 0.900 |"

"""Bits at equal error: sharing by hand, and a search of steps that finds a known curve."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("astropy")

from radcodec.base.store import load_model
from radcodec.training import rate
from radcodec.training.rate import Point, mean_bits, share_bits, stage_points
from radcodec.training.stage_rates import Evaluation


def test_between_two_points_pixels_are_shared() -> None:
    """Errors 1 at 0 bits and 0.5 at 1 bit: at sqrt(0.5) a third of the pixels are coarse, (0.5 - 0.25) / 0.75."""
    points = [Point(bits=0.0, error=1.0), Point(bits=1.0, error=0.5)]
    assert share_bits(points, [math.sqrt(0.5)]) == {math.sqrt(0.5): pytest.approx(2 / 3)}


def test_a_point_that_costs_more_than_sharing_is_not_used() -> None:
    """A stage with more bits and more error than what others give together changes nothing."""
    good = [Point(bits=0.0, error=1.0), Point(bits=1.0, error=0.5)]
    bad = Point(bits=0.9, error=0.8)
    assert share_bits([*good, bad], [0.6, 0.8]) == share_bits(good, [0.6, 0.8])


def test_missing_rates_gain_nothing() -> None:
    """Above the coarsest error its bits count; below the finest one each halving costs two."""
    points = [Point(bits=0.25, error=0.5)]
    assert share_bits(points, [0.9, 0.5, 0.125]) == {0.9: 0.25, 0.5: 0.25, 0.125: pytest.approx(4.25)}


def test_the_mean_is_geometric() -> None:
    """The mean of 1, 2 and 4 bits is 2; no bits at all count as 1e-4."""
    assert mean_bits({0.5: 1.0, 0.25: 2.0, 0.125: 4.0}) == pytest.approx(2.0)
    assert mean_bits({0.5: 0.0}) == pytest.approx(1e-4)


def test_stages_add_up() -> None:
    """A point a number of stages: bits of all so far, coded or by entropy."""
    found = Evaluation(rmse=(0.9, 0.5), coded_bits=(0.1, 0.8), order0_bits=(0.2, 0.7), fixed_bits=(0.3, 1.5))
    assert stage_points(found) == [Point(bits=0.1, error=0.9), Point(bits=pytest.approx(0.9), error=0.5)]
    assert stage_points(found, order0=True)[1].bits == pytest.approx(0.9)


@pytest.mark.parametrize("scale", [0.05, 0.3, 0.9])
def test_the_search_finds_the_bits_of_a_known_curve(monkeypatch: pytest.MonkeyPatch, scale: float) -> None:
    """Error scale * step^0.8 and half a bit a halving: bits at an error are -log2(error) / 2, to half a percent."""
    looks = []

    def curve(model: object, images: object, step: float) -> Point:
        looks.append(step)
        error = min(1.5, scale * step**0.8)
        return Point(bits=2 - 0.5 * math.log2(error), error=error)

    monkeypatch.setattr(rate, "measure_step", curve)
    images = [np.full((4, 4), 100.0, np.float32)]
    found = rate.bits_at_errors(load_model("lapped-v2"), images)
    assert found == {error: pytest.approx(2 - 0.5 * math.log2(error), rel=0.005) for error in rate.ERRORS}
    assert len(looks) <= 20


def test_a_lapped_model_is_measured_by_its_streams() -> None:
    """A coarser step has fewer bytes and more error; white noise of a step far above it costs next to nothing."""
    model = load_model("lapped-v2")
    rng = np.random.default_rng(1)
    images: Sequence[np.ndarray] = [rng.normal(size=(32, 32)).astype(np.float32)]
    fine, coarse, coarsest = (rate.measure_step(model, images, step) for step in (0.5, 2.0, 60.0))  # type: ignore[arg-type]
    assert fine.bits > coarse.bits > coarsest.bits
    assert fine.error < coarse.error < coarsest.error
    # A header of six bytes and a few words.
    assert coarsest.bits <= 8 * 16 / 1024
    assert coarsest.error == pytest.approx(rate.zero_point(images).error, rel=1e-3)

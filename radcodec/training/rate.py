"""Measure bits a pixel at equal error, to compare models in logs, in searches and after fine-tuning.

A point is measured on all images together: bytes of the streams, and error of the decoded pixels (companded domain, 1
is about the noise). A convolutional model has a point a stage, a lapped one a point a step. Between two points, bits
are interpolated as if some pixels were coded like one and the rest like the other. An image of zeros at no bits is a
point, too. Beyond the finest point each halving of the error costs two bits a pixel. That is more than these models
need, so a model does not gain by lacking rates.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from radcodec.base.companding import OUTPUT_UNIT
from radcodec.base.convolutional.model import BaseModel
from radcodec.base.lapped.model import LappedModel
from radcodec.base.store import Model
from radcodec.training.data import compand_ratio
from radcodec.training.datasets import Image
from radcodec.training.stage_rates import Evaluation, evaluate

#: Errors for comparing models.
ERRORS = (0.5, 0.25, 0.125)
LEAST_BITS = 1e-4
BITS_PER_HALVING = 2.0
#: Two points of a lapped model are close enough if their errors differ by this factor.
NEAR = 1.06
NUDGE = 1.024
MAX_LOOKS = 8
#: Range of steps of lapped models, and the approximate error over the step.
STEPS = (0.02, 128.0)
STEPS_PER_ERROR = 5.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Result of a model at one setting: bits a pixel and root mean square error."""

    bits: float
    error: float


def bits_at_errors(model: Model, images: Sequence[Image], errors: Sequence[float] = ERRORS) -> dict[float, float]:
    """Return the bits a pixel of a model at each error, over all images in units of their noise."""
    if isinstance(model, LappedModel):
        points = step_points(model, images, errors)
    else:
        assert isinstance(model, BaseModel)
        points = stage_points(evaluate(model, images))
    return share_bits([zero_point(images), *points], errors)


def mean_bits(bits: Mapping[float, float]) -> float:
    """Return the geometric mean of the bits at all errors: a percentage counts alike at each (above LEAST_BITS)."""
    return math.exp(sum(math.log(max(value, LEAST_BITS)) for value in bits.values()) / len(bits))


def share_bits(points: Sequence[Point], errors: Iterable[float] = ERRORS) -> dict[float, float]:
    """Return the fewest bits at each error that a point, sharing between two, or continuing from the finest, needs."""
    found = {}
    finest = min(points, key=lambda point: (point.error, point.bits))
    for error in errors:
        bits = [point.bits for point in points if point.error <= error]
        if not bits:
            bits = [finest.bits + BITS_PER_HALVING * math.log2(finest.error / error)]
        for fine, coarse in itertools.permutations(points, 2):
            if fine.error <= error < coarse.error:
                share = (coarse.error**2 - error**2) / (coarse.error**2 - fine.error**2)
                bits.append(share * fine.bits + (1 - share) * coarse.bits)
        found[error] = min(bits)
    return found


def zero_point(images: Sequence[Image]) -> Point:
    """Return the point of images of zeros."""
    squares = sum(float(np.square(compand_ratio(image).astype(np.float64)).sum()) for image in images)
    return Point(bits=0.0, error=math.sqrt(squares / sum(image.size for image in images)))


def stage_points(found: Evaluation, *, order0: bool = False) -> list[Point]:
    """Return a point a number of stages; with `order0` at the entropy of the indices instead of their coded length."""
    bits = itertools.accumulate(found.order0_bits if order0 else found.coded_bits)
    return [Point(bits=total, error=error) for total, error in zip(bits, found.rmse, strict=True)]


def step_points(model: LappedModel, images: Sequence[Image], errors: Sequence[float]) -> list[Point]:
    """Return points of a model on both sides of each error, near to it."""
    points: dict[float, Point] = {}
    for error in errors:
        step = STEPS_PER_ERROR * error
        for _ in range(MAX_LOOKS):
            step = min(max(step, STEPS[0]), STEPS[1])
            if step in points:
                break
            points[step] = measure_step(model, images, step)
            step = _next_step(points, error)
    return list(points.values())


def _next_step(points: Mapping[float, Point], error: float) -> float:
    """Return the step to look at next; one that is known where the points are near enough."""
    fine = max((step for step, point in points.items() if point.error <= error), default=None)
    coarse = min((step for step, point in points.items() if point.error > error), default=None)
    if fine is not None and coarse is not None and points[coarse].error <= NEAR * points[fine].error:
        return fine
    nearest = min(points, key=lambda step: abs(math.log(max(points[step].error, 1e-9) / error)))
    # Aim a little to the side without a near point.
    aim = error / NUDGE if points[nearest].error > error else error * NUDGE
    ratio = aim / max(points[nearest].error, 1e-9)
    if fine is None or coarse is None:
        return nearest * ratio
    slope = math.log(points[coarse].error / points[fine].error) / math.log(coarse / fine)
    return nearest * math.exp(math.log(ratio) / max(slope, 0.3))


def measure_step(model: LappedModel, images: Sequence[Image], step: float) -> Point:
    """Return the point of a model at a step; each image is one tile."""
    n_bytes, squares, pixels = 0, 0.0, 0
    for image in images:
        codes = model.encode_tile(image.astype(np.float64), 0.0, 1.0, step=step)
        n_bytes += sum(len(stream) for stream in model.stage_streams(codes))
        squares += float(np.square(model.companded(codes) / OUTPUT_UNIT - compand_ratio(image)).sum())
        pixels += image.size
    return Point(bits=8 * n_bytes / pixels, error=math.sqrt(squares / pixels))

"""Measure the bits and errors of every stage of a convolutional model on whole images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from radcodec.base.companding import OUTPUT_UNIT
from radcodec.base.convolutional.model import BaseModel, TileCodes
from radcodec.training.data import Image, compand_ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One number a stage: `rmse[k]` is of the image from stages 0..k (companded units), the others of stage k alone.

    Bits are per pixel: `coded_bits` of the real streams (whole bytes), `order0_bits` the empirical entropy of the
    indices over all images, `fixed_bits` at ceil(log2 K) bits an index.
    """

    rmse: tuple[float, ...]
    coded_bits: tuple[float, ...]
    order0_bits: tuple[float, ...]
    fixed_bits: tuple[float, ...]


def evaluate(model: BaseModel, images: Iterable[Image]) -> Evaluation:
    """Return the figures of a model over whole images in units of their noise; each image is one tile."""
    stages = range(model.n_stages)
    squares, n_bytes, pixels = np.zeros(model.n_stages), np.zeros(model.n_stages), 0
    histograms = [np.zeros(entries) for entries in model.spec.entries]
    for image in images:
        codes = model.encode_tile(image.astype(np.float64), 0.0, 1.0)
        target = compand_ratio(image)
        n_bytes += [len(stream) for stream in model.stage_streams(codes)]
        for stage in stages:
            part = TileCodes(shape=codes.shape, indices=codes.indices[: stage + 1])
            squares[stage] += np.square(model.companded(part) / OUTPUT_UNIT - target).sum()
            histograms[stage] += np.bincount(codes.indices[stage].ravel(), minlength=histograms[stage].size)
        pixels += image.size
    return Evaluation(
        rmse=tuple(np.sqrt(squares / pixels).tolist()),
        coded_bits=tuple((8 * n_bytes / pixels).tolist()),
        order0_bits=tuple(entropy_bits(counts) / pixels for counts in histograms),
        fixed_bits=tuple(float(counts.sum() * np.ceil(np.log2(counts.size)) / pixels) for counts in histograms),
    )


def entropy_bits(counts: npt.NDArray[np.float64]) -> float:
    """Return the bits that all symbols of a histogram cost at its own entropy."""
    used = counts[counts > 0]
    return float(-(used * np.log2(used / used.sum())).sum())

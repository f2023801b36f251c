"""Fitting blocks: pieces of an image with the windows, targets and weights of their pixels (design note 0004)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from radcodec.arrays import F64
from radcodec.runtime.native import check, core, pointer

EDGES = 8  # radii that an image must span for the pixels at its edges to be left out
BLOCK = 64  # side of a fitting block in pixels
MAX_PIXELS = 131072  # determine the 312 coefficients of radius 12 far beyond what their bits can say
SMALL_IMAGE = 1 << 18  # pixels of an image used whole: the time is short, and each coefficient counts for more


@dataclass(slots=True, kw_only=True)
class Block:
    """One fitting block: padded [radius + h, w + 2 radius], its targets [h, w] and their weights [h, w]."""

    padded: F64
    target: F64
    weight: F64


def cut_blocks(
    image: npt.NDArray[Any],
    special: npt.NDArray[np.bool_] | None,
    to_window: Callable[[npt.NDArray[Any]], F64],
    radius: int,
) -> list[Block]:
    """Choose blocks of about MAX_PIXELS pixels in all, spread evenly over the planes; all of a small image."""
    n_planes, height, width = image.shape
    rows, cols = -(-height // BLOCK), -(-width // BLOCK)
    total = n_planes * rows * cols
    most = max(MAX_PIXELS, SMALL_IMAGE if image.size <= SMALL_IMAGE else 0)
    wanted = max(1, min(total, most * rows * cols // (height * width)))
    blocks, inner = [], []
    for i in np.linspace(0, total - 1, wanted).round().astype(np.int64).tolist():
        p, rest = divmod(i, rows * cols)
        by, bx = divmod(rest, cols)
        y0, y1, x0, x1 = by * height // rows, (by + 1) * height // rows, bx * width // cols, (bx + 1) * width // cols
        top, left, right = max(0, y0 - radius), max(0, x0 - radius), min(width, x1 + radius)
        values = to_window(image[p, top:y1, left:right])
        known = np.ones(values.shape, np.bool_) if special is None else ~special[p, top:y1, left:right]
        padded = np.zeros((radius + y1 - y0, x1 - x0 + 2 * radius))
        padded[top - y0 + radius :, left - x0 + radius : right - x0 + radius] = np.where(known, values, 0.0)
        inside = (slice(y0 - top, None), slice(x0 - left, x0 - left + x1 - x0))
        target = padded[radius:, radius : radius + x1 - x0].copy()  # also where a view of it would be contiguous
        weight = known[inside].astype(np.float64)
        blocks.append(Block(padded=padded, target=target, weight=weight.copy()))
        if image.shape[1] >= EDGES * radius and image.shape[2] >= EDGES * radius:
            weight[: max(0, radius - y0)] = 0.0  # these pixels have predictors of their own
            weight[:, : max(0, radius - x0)] = 0.0
            weight[:, max(0, width - radius - x0) :] = 0.0
        inner.append(weight)
    if 2.0 * sum(float(w.sum()) for w in inner) >= total_weight(blocks):  # else most of the image is an edge
        for b, weight in zip(blocks, inner, strict=True):
            b.weight = weight
    return blocks


def design_matrix(block: Block, radius: int, dtype: type[np.floating[Any]]) -> npt.NDArray[Any]:
    """Design matrix [taps, h * w] of a block for a radius up to the one it is padded for."""
    height, width = block.target.shape
    spare = block.padded.shape[0] - height - radius
    padded = block.padded[spare:, spare : spare + width + 2 * radius].astype(dtype)
    views = sliding_window_view(padded, (height, width))  # [radius + 1, 2 radius + 1, h, w]
    above = views[:radius].reshape(-1, height * width)
    own = views[radius, :radius].reshape(-1, height * width)
    return np.concatenate([above, own])


def scale_blocks(blocks: list[Block], largest: float) -> list[Block]:
    """Divide the blocks by their largest value: coefficients have no unit, and sums of squares stay in range."""
    for b in blocks:
        b.padded /= largest
        b.target /= largest
    return blocks


def total_weight(blocks: list[Block]) -> float:
    """Add up the weights."""
    return sum(float(b.weight.sum()) for b in blocks)


def weighted_error(padded: F64, radius: int, coefs: F64, weight: F64) -> float:
    """Add up weight * squared prediction error over a block whose pixels are all known."""
    height, width = weight.shape
    return float(
        core().weighted_error(
            pointer(padded, np.float64, (radius + height) * (width + 2 * radius)),
            radius,
            pointer(coefs, np.float64, 2 * radius * (radius + 1)),
            pointer(weight, np.float64),
            height,
            width,
            pointer(np.empty(width), np.float64),
        )
    )


def local_error(padded: F64, radius: int, coefs: F64, known: npt.NDArray[np.bool_]) -> F64:
    """Expected error [h, w] of each pixel of a block from the errors around it, before and after."""
    height, width = padded.shape[0] - radius, padded.shape[1] - 2 * radius
    error, out = np.empty((height, width)), np.empty((height, width))
    status = core().local_error(
        pointer(padded, np.float64, (radius + height) * (width + 2 * radius)),
        radius,
        pointer(coefs, np.float64, 2 * radius * (radius + 1)),
        pointer(np.ascontiguousarray(known), np.bool_, height * width),
        height,
        width,
        pointer(np.empty(width), np.float64),
        pointer(error, np.float64),
        pointer(out, np.float64),
    )
    check(status, f"radius {radius}")
    return out

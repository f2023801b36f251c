"""Tiles whose values lie on lattices a + b*k: the lattice of a tile, and the maps of one lattice or of several."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.arrays import F64, list_distinct
from radcodec.detail.maps import GAIN_LIMIT, I64, MapKind, ValueMap
from radcodec.detail.near import Near
from radcodec.types import SampleType

MAX_LATTICE_VALUES = 1 << 17
MAX_REWEIGHTS = 100
LATTICE_LIMIT = 2.0**200  # of the parameters of lattices: no working value leaves binary64
LATTICE_RANGE = 100  # exponents beyond which spacings could leave binary32, or sums of squares binary64


def int_lattice(tile: npt.NDArray[Any], special: npt.NDArray[np.bool_] | None) -> tuple[I64, ValueMap] | None:
    """Compute the working integers and the map of an integer tile; None where they span too much."""
    known = tile[~special] if special is not None else tile.ravel()
    if known.size == 0:
        return None
    low, high = int(known.min()), int(known.max())
    if high - low >= 2**50:
        return None
    with np.errstate(over="ignore"):
        offsets = known.astype(np.uint64) - np.uint64(low % 2**64)
    step = max(1, int(np.gcd.reduce(offsets[:4096])))
    if step > 1:
        step = max(1, int(np.gcd.reduce(offsets)))
    middle = int(np.partition(offsets, offsets.size // 2)[offsets.size // 2]) // step
    with np.errstate(over="ignore"):
        everything = ((tile.astype(np.uint64) - np.uint64(low % 2**64)) // np.uint64(step)).view(np.int64) - middle
    if special is not None:
        everything[special] = 0
    a = (low + middle * step + 2**63) % 2**64 - 2**63
    kind = SampleType[f"{tile.dtype.kind.upper()}{tile.dtype.itemsize}"]
    return everything, ValueMap(kind=MapKind.INT_LATTICE, sample_type=kind, a=a, b=step)


def float_lattice(tile: npt.NDArray[Any], special: npt.NDArray[np.bool_] | None) -> tuple[I64, ValueMap] | None:
    """Compute the working integers and the map of a float tile of roundings of a + b*k; None for other values."""
    known = tile[~special] if special is not None else tile.ravel()
    if known.size < 64 or list_distinct(known[:: max(1, known.size // 512)]).size > 0.9 * min(known.size, 512):
        return None
    distinct = np.unique(known).astype(np.float64)
    if not 2 <= distinct.size <= min(MAX_LATTICE_VALUES, known.size // 2):
        return None
    found = lattice_step(distinct, tile.dtype)
    if found is None:
        return None
    a, b = found
    with np.errstate(over="ignore", invalid="ignore"):
        real = np.rint((tile.astype(np.float64) - a) / b)
    if special is not None:
        real[special] = 0.0
    if not (np.abs(real) < 2.0**50).all() or not sound_lattice(a, b):
        return None
    how = ValueMap(kind=MapKind.FLOAT_LATTICE, sample_type=SampleType[f"F{tile.dtype.itemsize}"], a=a, b=b)
    return real.astype(np.int64), how


def sound_lattice(a: float, b: float) -> bool:
    """Say whether a lattice is within the range of the format; a NaN is not."""
    return abs(a) <= LATTICE_LIMIT and 1.0 / LATTICE_LIMIT <= abs(b) <= LATTICE_LIMIT


def lattices_map(lattices: F64, classes: npt.NDArray[np.uint8], sample_type: SampleType) -> ValueMap | None:
    """Map samples to several lattices [n, 2] by each sample's class [p, h, w]; None where they are out of range."""
    (a0, b0), a, b = lattices[0], lattices[:, 0], lattices[:, 1]
    if not all(sound_lattice(*pair) for pair in lattices.tolist()):
        return None
    gain, offset = b / b0, (a - a0) / b
    if not ((np.abs(gain) >= 1.0 / GAIN_LIMIT) & (np.abs(gain) <= GAIN_LIMIT) & (np.abs(offset) <= 2.0**52)).all():
        return None
    return ValueMap(
        kind=MapKind.LATTICES,
        sample_type=sample_type,
        a=float(a0),
        b=float(b0),
        lattices=lattices,
        classes=classes,
        gain=gain[classes],
        dither=offset[classes],
    )


def near_map(near: Near, shape: tuple[int, ...], sample_type: SampleType) -> ValueMap | None:
    """Map samples [p, h, w] to integers near lattices, one or one a plane; None where these are out of range."""
    (a0, b0), a, b = near.pairs[0], near.pairs[:, 0], near.pairs[:, 1]
    if not all(sound_lattice(*pair) for pair in near.pairs.tolist()):
        return None
    how = ValueMap(kind=MapKind.NEAR, sample_type=sample_type, a=float(a0), b=float(b0), near=near)
    if len(near.pairs) == 1:
        return how
    gain, offset = b / b0, (a - a0) / b
    if not ((np.abs(gain) >= 1.0 / GAIN_LIMIT) & (np.abs(gain) <= GAIN_LIMIT) & (np.abs(offset) <= 2.0**52)).all():
        return None
    gains, offsets = (np.array(np.broadcast_to(one[:, None, None], shape)) for one in (gain, offset))
    return replace(how, gain=gains, dither=offsets)


def on_lattice(tile: npt.NDArray[Any], step: tuple[float, float]) -> npt.NDArray[np.bool_]:
    """Mark the samples of a float tile that are a + b*k rounded, bit for bit."""
    a, b = step
    with np.errstate(over="ignore", invalid="ignore"):
        nearest = (a + b * np.rint((tile.astype(np.float64) - a) / b)).astype(tile.dtype)
    return np.asarray(nearest.view(f"u{tile.dtype.itemsize}") == tile.view(f"u{tile.dtype.itemsize}"))


def finer_step(distinct: F64, dtype: np.dtype[Any], step: tuple[float, float]) -> tuple[float, float] | None:
    """(a, b) fitted to sorted distinct values that lie on a + b*k nearly; None for fewer than two, or out of range."""
    if distinct.size < 2 or np.abs(distinct).max() > 2.0**LATTICE_RANGE:
        return None
    origin = float(distinct[np.argmin(np.abs(distinct))])
    values, k = distinct - origin, np.rint((distinct - step[0]) / step[1])
    return _settle(values, k, _half_spacings(distinct, dtype), origin, step[0] - origin, step[1])


def _half_spacings(values: F64, dtype: np.dtype[Any]) -> F64:
    """Half the distance to the next number of a type."""
    half = 0.5 * np.abs(np.spacing(values.astype(dtype))).astype(np.float64)
    return np.asarray(np.maximum(half, 2.0**-200))


def lattice_step(distinct: F64, dtype: np.dtype[Any]) -> tuple[float, float] | None:
    """(a, b) with all of the sorted distinct values nearly a + b*k, found outwards from the value nearest zero.

    None where they are not, or are fewer than two or out of range.
    """
    if (
        distinct.size < 2
        or np.abs(distinct).max() > 2.0**LATTICE_RANGE
        or np.diff(distinct).min() < 2.0**-LATTICE_RANGE
    ):
        return None
    origin = distinct[np.argmin(np.abs(distinct))]
    values = distinct[np.argsort(np.abs(distinct - origin), kind="stable")] - origin
    gaps = np.diff(distinct)
    b = float(np.partition(gaps, gaps.size // 20)[gaps.size // 20])
    a, n = 0.0, 2
    while True:
        n = min(n, values.size)
        k = np.rint((values[:n] - a) / b)
        if np.abs(values[:n] - a - b * k).max() > 0.25 * abs(b):
            return None
        spread = k - k.mean()
        power = float(spread @ spread)
        if power > 0:
            b = float(spread @ values[:n]) / power
            a = float((values[:n] - b * k).mean())
        if n == values.size:
            return _settle(values, k, _half_spacings(values + origin, dtype), float(origin), a, b)
        n *= 2


def _settle(values: F64, k: F64, half: F64, origin: float, a: float, b: float) -> tuple[float, float]:
    """Find (origin + a, b) such that every value - (a + b*k) is within its half spacing, or nearly.

    Lawson's algorithm is least squares whose weights grow where the residual, in half spacings, is large.
    It goes to the least maximum (Lawson 1961; Rice and Usow 1968, doi:10.1090/S0025-5718-1968-0227655-2).
    """
    share = np.full(values.size, 1.0 / values.size)
    best, best_ratio = (a, b), np.inf
    for _ in range(MAX_REWEIGHTS):
        weight = share * (float(half.min()) / half) ** 2
        total = float(weight.sum())
        if not 0.0 < total < np.inf:
            break
        weight /= total
        middle, level = float(weight @ k), float(weight @ values)
        spread = k - middle
        power = float((weight * spread) @ spread)
        if not power > 0.0:
            break
        b = float((weight * spread) @ (values - level)) / power
        a = level - b * middle
        ratio = np.abs(values - (a + b * k)) / half
        worst = float(ratio.max())
        if worst < best_ratio:
            best, best_ratio = (a, b), worst
        if worst <= 1.0:
            break
        share *= ratio
        total = float(share.sum())
        if not 0.0 < total < np.inf:
            # All weight is on values that are met exactly: there is nothing to move.
            break
        share /= total
    return origin + best[0], best[1]

"""A tile made ready for the learned method by a near-lattice: the search, the integers and their corrections."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.arrays import F64, median
from radcodec.detail.lattice_maps import near_map
from radcodec.detail.maps import MapKind, restore
from radcodec.detail.near import UNIT_RANGE, Near, correct
from radcodec.detail.near_search import FEWEST, near_lattice
from radcodec.detail.plain import Mask, Tile
from radcodec.detail.prepare import Work, differences
from radcodec.types import SampleType

MOST_PATCHES = 64  # samples for which there may be one patch
MOST_PLANES = 1 << 12
ENOUGH_PATCHES = 8  # of an exact lattice, from which a near one may be smaller
COARSER = 3.0  # steps of an exact lattice in one of a near one that may be smaller
SHARED = 0.75  # of the planes' own steps, from which one lattice of all planes is the better one
SEEN = 1 << 14  # samples whose last bits tell the unit
FEW = 0.001  # of them that may need a smaller one


def least_step(tile: Tile, work: Work | None) -> float | None:
    """Return the least step of a near-lattice that may take fewer bytes than the work at hand; None for none."""
    if tile.size < FEWEST or (tile.dtype.kind != "f" and tile.dtype.itemsize == 1):
        return None
    if work is None or work.how.kind in (MapKind.FLOAT, MapKind.LATTICES):
        return 0.0
    if work.how.kind == MapKind.FLOAT_LATTICE and work.patches.size > ENOUGH_PATCHES:
        return 0.0
    return COARSER * abs(float(work.how.b)) if work.how.kind in (MapKind.FLOAT_LATTICE, MapKind.INT_LATTICE) else None


def prepare_near(tile: Tile, special: Mask | None, least: float = 0.0) -> Work | None:
    """Find the lattices that a tile without a bound lies near, and what it takes to restore it.

    None for tiles that lie near none, or near one of a step under the least.
    """
    pairs = _pairs(tile, special)
    if pairs is None or float(np.abs(pairs[:, 1]).min()) < least:
        return None
    near = Near(pairs=pairs, unit=_unit(tile, special))
    how = near_map(near, tile.shape, SampleType[f"{tile.dtype.kind.upper()}{tile.dtype.itemsize}"])
    if how is None:
        return None
    a, b = (pairs[:, i, None, None] for i in range(2))
    with np.errstate(over="ignore", invalid="ignore"):
        real = np.rint((tile.astype(np.float64) - a) / b)
    if special is not None:
        real[special] = 0.0
    wild = ~(np.abs(real) < 2.0**45)
    if np.count_nonzero(wild) > tile.size // MOST_PATCHES:
        return None
    k = np.where(wild, 0.0, real).astype(np.int64)
    how = near_map(correct(tile, special, k, near), tile.shape, how.sample_type)
    if how is None:
        return None
    patches = differences(tile, special, restore(k, how))
    return Work(values=k, how=how, patches=patches) if patches.size <= tile.size // MOST_PATCHES else None


def _known(tile: Tile, special: Mask | None) -> F64:
    """Return the samples [n] that are not special, as floats."""
    flat = tile.reshape(-1) if special is None else tile[~special]
    return np.asarray(flat, np.float64)


def _pairs(tile: Tile, special: Mask | None) -> F64 | None:
    """Find a and b of a tile, [1, 2], or of each of its planes, [p, 2]."""
    planes = len(tile)
    if planes == 1:
        found = near_lattice(_known(tile, special), tile.dtype)
        return None if found is None else np.array([found])
    for number in (planes // 2, 0):  # most tiles of planes are spared the rest by a look at two
        plane = _known(tile[number], None if special is None else special[number])
        if _varies(plane) and near_lattice(plane, tile.dtype) is None:
            return None
    shared = near_lattice(_known(tile, special), tile.dtype)
    own = _plane_pairs(tile, special)
    if shared is None or own is None:
        return own if shared is None else np.array([shared])
    return np.array([shared]) if shared[1] >= SHARED * median(own[:, 1]) else own


def _varies(values: F64) -> bool:
    return bool(values.size) and bool((values != values[0]).any())


def _plane_pairs(tile: Tile, special: Mask | None) -> F64 | None:
    """Find a and b of each plane; a plane of one value or none takes those of the plane before."""
    if len(tile) > MOST_PLANES:
        return None
    pairs: list[tuple[float, float]] = []
    for number, plane in enumerate(tile):
        values = _known(plane, None if special is None else special[number])
        if not _varies(values):
            pairs.append((float(values[0]) if values.size else 0.0, pairs[-1][1] if pairs else 1.0))
            continue
        found = near_lattice(values, tile.dtype)
        if found is None:
            return None
        pairs.append(found)
    return np.array(pairs)


def _unit(tile: Tile, special: Mask | None) -> int:
    """Find the exponent of the largest power of two that divides nearly all samples."""
    if tile.dtype.kind != "f":
        return 0
    values = _known(tile, special)
    some = values[:: max(1, values.size // SEEN)]
    bits: npt.NDArray[Any] = some.view(np.int64)
    mantissa = (bits & ((1 << 52) - 1)) | (1 << 52)
    trailing = np.log2((mantissa & -mantissa).astype(np.float64)).astype(np.int64)
    least = ((bits >> 52) & 2047) - 1075 + trailing
    least = least[some != 0.0]
    if not least.size:
        return 0
    place = int(FEW * least.size)
    return int(np.clip(np.partition(least, place)[place], *UNIT_RANGE))

"""A tile made ready for the learned method: the choice of its map, its working values and its patches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.detail import kernels
from radcodec.detail.int_steps import LEAST_STEP
from radcodec.detail.lattice_maps import float_lattice, int_lattice, lattices_map
from radcodec.detail.lattices import NONE, PATCHES, Lattices, find_lattices
from radcodec.detail.level import loop_level
from radcodec.detail.maps import (
    MAX_FLOAT_SHRINK,
    MAX_SHRINK,
    STEP_FACTOR,
    MapKind,
    TileBound,
    ValueMap,
    least_step,
    loop_targets,
    quantise,
    restore,
    step_map,
)
from radcodec.detail.plain import Mask, Tile
from radcodec.detail.predictors import Predictors
from radcodec.types import SampleType

MOST_PATCHES = 64  # samples for which a bounded tile may have one patch
CORNER = 64  # side of the part of a tile that is looked at first
PATCHES_AGAIN = 512  # the same limit, for tiles that look already quantised
TELLING = 4  # one of so many samples must be able to tell that


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A tile ready to be modelled: working values, their map, and the samples that patches must set right.

    A loop has a level and targets, float64 [p, h, w]. Its values and patches follow from the model's pass (``settle``).
    What the values restore to is in restored, where that is known. The field lattices holds those that a part of a
    tile of floats lies on. A loop of integers has the steps that may take fewer bits in instead.
    """

    values: npt.NDArray[Any]
    how: ValueMap
    patches: npt.NDArray[np.int64]
    targets: npt.NDArray[np.float64] | None = None
    level: int | None = None
    restored: Tile | None = None
    lattices: Lattices | None = None
    instead: Work | None = None


def prepare(
    tile: Tile, special: Mask | None, bound: TileBound | None, predictors: Predictors | None = None
) -> Work | None:
    """Choose the map of a tile and compute its working values; None where it can only be stored raw.

    With predictors a loop may be chosen for the steps of a bounded tile; without them none is tried.
    """
    if bound is not None:
        if tile.dtype.kind == "f":
            work = _prepare_float_steps(tile, special, bound, predictors)
        else:
            work = _prepare_int_steps(tile, special, bound, predictors)
        if work is not None:
            return work
    if tile.dtype.kind != "f":
        lattice = int_lattice(tile, special)
        return None if lattice is None else Work(values=lattice[0], how=lattice[1], patches=np.empty(0, np.int64))
    one = _on_lattices(tile, special, float_lattice(tile, special))
    if one is not None:
        return one
    found = find_lattices(tile, special)
    several = _on_lattices(tile, special, None if found is None else _several_lattices(tile, special, found))
    return several or _prepare_float(tile, special, found)


def _on_lattices(tile: Tile, special: Mask | None, made: tuple[npt.NDArray[np.int64], ValueMap] | None) -> Work | None:
    """Patch the integers of a float tile; None where there are none or too many samples are on no lattice."""
    if made is None:
        return None
    patches = differences(tile, special, restore(*made))
    return Work(values=made[0], how=made[1], patches=patches) if patches.size <= tile.size // PATCHES else None


def _several_lattices(
    tile: Tile, special: Mask | None, found: Lattices
) -> tuple[npt.NDArray[np.int64], ValueMap] | None:
    """Compute working integers and map of a float tile by lattices; None where too many samples lie on none."""
    if np.count_nonzero(found.stray(special)) > tile.size // PATCHES:
        return None
    # What has no class takes that of the sample before it: the fewer changes, the shorter the classes.
    flat = found.classes.reshape(-1)
    known = np.maximum.accumulate(np.where(flat == NONE, 0, np.arange(flat.size)))
    filled = flat[known]
    classes = np.where(filled == NONE, filled[filled != NONE][0], filled).reshape(tile.shape)
    how = lattices_map(found.steps, classes, SampleType[f"F{tile.dtype.itemsize}"])
    if how is None:
        return None
    a, b = found.steps[classes, 0], found.steps[classes, 1]
    with np.errstate(over="ignore", invalid="ignore"):
        real = np.rint((tile.astype(np.float64) - a) / b)
    if special is not None:
        real[special] = 0.0
    return (real.astype(np.int64), how) if (np.abs(real) < 2.0**50).all() else None


def _prepare_float_steps(
    tile: Tile, special: Mask | None, bound: TileBound, predictors: Predictors | None
) -> Work | None:
    """Choose steps or a loop for a float tile; None where too many samples would need a patch.

    A tile that is a bounded image's restored one keeps its values: they are whole steps, or whole units of a loop.
    """
    sample_type = SampleType[f"F{tile.dtype.itemsize}"]
    shape = (tile.shape[0], tile.shape[1], tile.shape[2])
    how = step_map(bound, shape, sample_type)
    if how is None:
        return None
    if bound.dither_seed is None:
        for shrink in (0, MAX_FLOAT_SHRINK):
            again = _steps_again(tile, special, bound, shrink)
            if again is not None:
                return again
        loop = None if predictors is None else _prepare_loop(tile, special, bound, how, predictors)
        if loop is not None:
            return loop
    steps = quantise(tile, special, how)
    return None if steps is None else settle(tile, special, bound, steps, how)


def _prepare_loop(
    tile: Tile, special: Mask | None, bound: TileBound, how: ValueMap, predictors: Predictors
) -> Work | None:
    """Prepare a loop for the steps of a tile; None where they are too fine for one."""
    corner = _corner_steps(tile, special, bound, how)
    level = None if corner is None else loop_level(corner.values, corner.how, special, predictors)
    if level is None:
        return None
    targets, how = loop_targets(tile, special, how)
    nothing = np.empty(0, np.int64)
    return Work(values=np.zeros(tile.shape, np.int64), how=how, patches=nothing, targets=targets, level=level)


def _corner_steps(tile: Tile, special: Mask | None, bound: TileBound, whole: ValueMap) -> Work | None:
    """Compute the steps of a tile's corner; whole is the map of the tile."""
    part = (slice(1), slice(CORNER), slice(CORNER))
    corner = np.ascontiguousarray(tile[part])
    shape = (1, corner.shape[1], corner.shape[2])
    how = step_map(bound.part(part), shape, whole.sample_type, whole.shrink)
    steps = None if how is None else quantise(corner, None if special is None else special[part], how)
    return None if how is None or steps is None else Work(values=steps, how=how, patches=np.empty(0, np.int64))


def _steps_again(tile: Tile, special: Mask | None, bound: TileBound, shrink: int) -> Work | None:
    """Find steps that restore a float tile exactly, with hardly a patch; None where there are none."""
    sample_type = SampleType[f"F{tile.dtype.itemsize}"]
    stride = max(1, tile.shape[1] // 16)
    found = None
    if not _can_tell(tile[:, ::stride], None if special is None else special[:, ::stride], bound, shrink):
        return None
    for rows in (slice(None, None, stride), slice(None)):  # a look at a few rows spares most tiles the rest
        part = np.ascontiguousarray(tile[:, rows])
        marked = None if special is None else special[:, rows]
        how = step_map(
            bound.part((slice(None), rows)), (part.shape[0], part.shape[1], part.shape[2]), sample_type, shrink
        )
        steps = None if how is None else quantise(part, marked, how)
        if how is None or steps is None:
            return None
        patches = differences(part, marked, restore(steps, how))
        if patches.size > part.size // PATCHES_AGAIN:
            return None
        found = Work(values=steps, how=how, patches=patches)
    return found


def _can_tell(tile: Tile, special: Mask | None, bound: TileBound, shrink: int) -> bool:
    """Say whether steps are coarser than the spacing of enough samples to see whether these lie on them."""
    known = tile[~special] if special is not None else tile.reshape(-1)
    step = bound.error / abs(bound.bscale) * STEP_FACTOR * 2.0**-shrink
    with np.errstate(over="ignore", invalid="ignore"):
        coarser = np.abs(np.spacing(known)).astype(np.float64) * 2.0 < step
    return bool(np.count_nonzero(coarser) * TELLING >= known.size)


def settle(tile: Tile, special: Mask | None, bound: TileBound, values: npt.NDArray[Any], how: ValueMap) -> Work | None:
    """Add the patches that the values of a bounded tile need; None where they are too many."""
    restored = restore(values, how)
    patches = _violations(tile, special, restored, bound)
    if patches.size > tile.size // MOST_PATCHES:
        return None
    return Work(values=values, how=how, patches=patches, restored=restored)


def _prepare_int_steps(
    tile: Tile, special: Mask | None, bound: TileBound, predictors: Predictors | None
) -> Work | None:
    """Choose steps or a loop for an integer tile; None where too many samples would need a patch.

    A tile that is a bounded image's restored one keeps its values: they are whole steps, or whole units of a loop.
    """
    sample_type = SampleType[f"{tile.dtype.kind.upper()}{tile.dtype.itemsize}"]
    few = tile.size // MOST_PATCHES
    found: list[tuple[int, Work]] = []
    for shrink in range(MAX_SHRINK + 1):
        how = step_map(bound, (tile.shape[0], tile.shape[1], tile.shape[2]), sample_type, shrink)
        steps = None if how is None else quantise(tile, special, how)
        if how is None or steps is None:
            return None
        restored = restore(steps, how)
        patches = _violations(tile, special, restored, bound)
        if patches.size <= few:
            work = Work(values=steps, how=how, patches=patches)
            found.append((differences(tile, special, restored).size, work))
    if not found:
        return None
    # A tile that was coded with one of the steps before keeps it, so that coding it again changes nothing. Steps of 1
    # restore any tile.
    coarse = [candidate for candidate in found if candidate[1].how.step > 1 or candidate[1].how.steps.size]
    closest = min(coarse, key=lambda candidate: candidate[0], default=found[0])
    if closest[0] <= few:
        return closest[1]
    first = found[0][1]
    if least_step(first.how) < LEAST_STEP or bound.dither_seed is not None:
        return first
    for _, work in found:
        again = _units_again(tile, special, work.how)
        if again is not None:
            return again
    loop = None if predictors is None else _prepare_loop(tile, special, bound, first.how, predictors)
    return first if loop is None else replace(loop, instead=first)


def _units_again(tile: Tile, special: Mask | None, steps: ValueMap) -> Work | None:
    """Find units of steps that restore an integer tile exactly, with hardly a patch; None where there are none."""
    how = replace(steps, fine=True)
    stride = max(1, tile.shape[1] // 16)
    if not how.steps.size and not how.base.size and stride > 1:  # a look at a few rows spares most tiles the rest
        some, marks = tile[:, ::stride], None if special is None else special[:, ::stride]
        if _work_of_units(some, marks, how) is None:
            return None
    return _work_of_units(tile, special, how)


def _work_of_units(tile: Tile, special: Mask | None, how: ValueMap) -> Work | None:
    """Compute the units of an integer tile; None where too many samples would need a patch."""
    units = quantise(tile, special, how)
    if units is None:
        return None
    limits = np.iinfo(tile.dtype)
    restored = restore(units, how)
    # A unit beyond an end of the type restores to that end.
    units[(tile == limits.max) & (restored < tile)] += 1
    units[(tile == limits.min) & (restored > tile)] -= 1
    patches = differences(tile, special, restore(units, how))
    return Work(values=units, how=how, patches=patches) if patches.size <= tile.size // PATCHES_AGAIN else None


def _prepare_float(tile: Tile, special: Mask | None, found: Lattices | None) -> Work | None:
    """Compute float working values of a tile, which may lie on lattices in part; None outside the model's range."""
    with np.errstate(invalid="ignore"):  # signalling NaN among the special ones
        real = tile.astype(np.float64)
    if special is not None:
        real[special] = 0.0
    size = np.abs(real)
    if size.max(initial=0.0) >= 2.0**900 or size[size > 0].min(initial=1.0) < 2.0**-900:
        return None
    z, mantissa = kernels.float_quantum(real.reshape(-1))
    sample_type = SampleType[f"F{tile.dtype.itemsize}"]
    how = ValueMap(kind=MapKind.FLOAT, sample_type=sample_type, z=z, mantissa=mantissa)
    return Work(values=real, how=how, patches=np.empty(0, np.int64), lattices=found)


def _violations(tile: Tile, special: Mask | None, restored: Tile, bound: TileBound) -> npt.NDArray[np.int64]:
    """Number the samples whose restored value breaks the bound in physical units."""
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = bound.bscale != 1.0 or bound.bzero != 0.0
        before, after = tile.astype(np.float64), restored.astype(np.float64)
        if scaled:
            before, after = bound.bzero + bound.bscale * before, bound.bzero + bound.bscale * after
        wrong = ~(np.abs(after - before) <= (bound.error if bound.map is None else bound.map))
    if special is not None:
        wrong &= ~special
    return np.flatnonzero(wrong)


def differences(tile: Tile, special: Mask | None, restored: Tile) -> npt.NDArray[np.int64]:
    """Number the samples that are not restored bit for bit."""
    kind = f"u{tile.dtype.itemsize}"
    wrong = tile.view(kind) != restored.view(kind)
    if special is not None:
        wrong &= ~special
    return np.flatnonzero(wrong)


def restored_tile(work: Work, tile: Tile) -> Tile:
    """Restore a tile, with the patched samples of the original."""
    restored = restore(work.values, work.how) if work.restored is None else work.restored
    if work.patches.size:
        restored.reshape(-1)[work.patches] = tile.reshape(-1)[work.patches]
    return restored

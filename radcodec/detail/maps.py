"""What the working values of a tile are: floats, lattices or quantisation steps (docs/format.md, 8.4).

The bound. For a bound Es on a stored sample x, the step is ``D = Es * (2 - 2**-13)`` and ``k = round(x / D)``, so that
``|x - D*k| <= D/2 = Es * (1 - 2**-14)``. The slack of ``Es * 2**-14`` takes the roundings of product and conversion,
while half a unit in the last place of x is below it. Where it is not, or where
BSCALE makes physical values round, a sample may miss the bound. Every restored sample is checked in physical units, and
one that misses is stored as a patch. So the bound never rests on this argument, only the number of patches does.
Integer images: ``D = 2*floor(Es) + 1`` is odd, and ``|x - D*k| <= (D - 1)/2 <= Es`` exactly. The same holds for
sixteenths of a step, which integers are restored from in a loop and on a base (``int_steps``).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.arrays import F64
from radcodec.detail.int_steps import nearest_units, restore_units
from radcodec.detail.kernels import INT_LIMIT
from radcodec.detail.near import Near, restore_near
from radcodec.types import SampleType

I64 = npt.NDArray[np.int64]

STEP_FACTOR = 2.0 - 2.0**-13
MAX_INT_BOUND = 2.0**40
MAX_SHRINK = 1  # of integer steps
MAX_FLOAT_SHRINK = 4  # octaves
LOOP_UNIT = 2.0**-4  # working unit of the loop map and of base values, in steps
BASE_LIMIT = 2.0**40  # of base values in these units
GAIN_LIMIT = 2.0**100  # of a sample's step or spacing in that of the first one or class
SPLITMIX = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


def _nothing() -> F64:
    """Return the empty float array that stands for "not used"."""
    return np.empty((0, 0, 0))


def _no_base() -> I64:
    """Return the empty integer array that stands for "no base values"."""
    return np.empty((0, 0, 0), np.int64)


class MapKind(IntEnum):
    """Kind of working values; the integer is what a file stores."""

    FLOAT = 0
    FLOAT_LATTICE = 1
    INT_LATTICE = 2
    STEPS = 3
    LOOP = 4
    LATTICES = 5
    NEAR = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class TileBound:
    """Bound of one tile's samples.

    error : E in physical units, for all samples where ``map`` is None
    map : float64 [p, h, w], E of each sample
    base : float64 [p, h, w], base values in stored units where the steps of a tile are counted from them
    """

    error: float
    map: F64 | None = None
    base: F64 | None = None
    bscale: float = 1.0
    bzero: float = 0.0
    dither_seed: int | None = None
    tile_number: int = 0

    def turned(self, order: tuple[int, ...]) -> TileBound:
        """Return the bound of the tile in another order of its axes."""
        return replace(
            self,
            map=None if self.map is None else np.ascontiguousarray(self.map.transpose(order)),
            base=None if self.base is None else np.ascontiguousarray(self.base.transpose(order)),
        )

    def part(self, where: tuple[slice, ...]) -> TileBound:
        """Return the bound of a part of the tile."""
        return replace(
            self,
            map=None if self.map is None else self.map[where],
            base=None if self.base is None else self.base[where],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueMap:
    """How working values of a tile and its samples belong together.

    The parameters of the kind are a, b, z and mantissa. D of the first sample is step, made with shrink. Where D
    varies, steps has it for each sample. Gain and dither are float64 [p, h, w] or empty. Steps are counted from base,
    int64 [p, h, w] or empty, in units of LOOP_UNIT of a step (of floats, one that is not shrunk). The steps of integers
    that are fine are such units themselves. A and b of each lattice are in lattices [n, 2], first those of the map
    itself. Each sample's lattice is in classes, uint8 [p, h, w].
    """

    kind: MapKind
    sample_type: SampleType
    a: float | int = 0
    b: float | int = 1
    z: int = 0
    mantissa: int = 0
    step: float = 1.0
    shrink: int = 0
    fine: bool = False
    steps: F64 = field(default_factory=_nothing)
    gain: F64 = field(default_factory=_nothing)
    dither: F64 = field(default_factory=_nothing)
    base: I64 = field(default_factory=_no_base)
    lattices: F64 = field(default_factory=_nothing)
    classes: npt.NDArray[np.uint8] = field(default_factory=lambda: np.empty((0, 0, 0), np.uint8))
    near: Near | None = None

    @property
    def moved(self) -> F64 | None:
        """What is added to step numbers, float64 [p, h, w] in steps: dither and base; None for nothing."""
        if not self.base.size:
            return self.dither if self.dither.size else None
        base: F64 = np.asarray(self.base * (2.0**self.shrink * LOOP_UNIT), np.float64)
        return self.dither + base if self.dither.size else base

    @property
    def in_units(self) -> bool:
        """Whether working values count units of LOOP_UNIT of a step."""
        return self.kind == MapKind.LOOP or self.fine

    def fill(self, fill: float) -> float:
        """Fill in working units."""
        if self.kind == MapKind.FLOAT:
            return fill
        if self.kind in (MapKind.STEPS, MapKind.LOOP):
            return fill / (self.step * LOOP_UNIT if self.in_units else self.step)
        return (fill - float(self.a)) / float(self.b)


def restore(values: npt.NDArray[Any], how: ValueMap) -> npt.NDArray[Any]:
    """Restore samples [p, h, w] from working values (float64 for FLOAT, int64 otherwise)."""
    dtype = np.dtype(how.sample_type.dtype_str)
    with np.errstate(over="ignore", invalid="ignore"):
        if how.kind == MapKind.FLOAT:
            return values.astype(dtype)
        if how.kind == MapKind.FLOAT_LATTICE:
            return (float(how.a) + float(how.b) * values.astype(np.float64)).astype(dtype)
        if how.kind == MapKind.LATTICES:
            a, b = how.lattices[how.classes, 0], how.lattices[how.classes, 1]
            several: npt.NDArray[Any] = (a + b * values.astype(np.float64)).astype(dtype)
            return several
        if how.near is not None:
            return restore_near(values, how.near, dtype)
        if how.kind == MapKind.INT_LATTICE:
            wide = values.view(np.uint64) * np.uint64(how.b) + np.uint64(int(how.a) % 2**64)
            return wide.astype(dtype)
        steps = how.steps if how.steps.size else how.step
        if dtype.kind != "f":
            units = values if how.in_units else values * 16
            return restore_units(units + how.base if how.base.size else units, np.asarray(steps), dtype)
        if how.kind == MapKind.LOOP:
            units = values + how.base if how.base.size else values
            return ((steps * LOOP_UNIT) * units.astype(np.float64)).astype(dtype)
        real, moved = values.astype(np.float64), how.moved
        return (steps * (real if moved is None else real + moved)).astype(dtype)


def _base_units(base: F64 | None, steps: npt.NDArray[np.float64]) -> I64:
    """Base values, where there are such, in units of LOOP_UNIT of steps that are not shrunk."""
    if base is None:
        return _no_base()
    with np.errstate(over="ignore"):
        units = (base / steps) / LOOP_UNIT + 0.5
    return np.floor(np.clip(units, -BASE_LIMIT, BASE_LIMIT)).astype(np.int64)


def step_map(
    bound: TileBound, shape: tuple[int, int, int], sample_type: SampleType, shrink: int = 0
) -> ValueMap | None:
    """Map samples to quantisation steps for a bound; None where a sample's E is 0 or the steps are out of range.

    shrink is taken off the integer bound of integer images, whose physical values may round beyond it. For float
    images it is how often the steps are halved.
    """
    with np.errstate(over="ignore", under="ignore"):
        errors = np.asarray(bound.error if bound.map is None else bound.map, np.float64) / abs(bound.bscale)
    if not errors.flat[0] > 0 or not np.isfinite(errors).all() or errors.min() <= 0:
        return None
    whole = 2.0 * np.maximum(np.floor(np.minimum(errors, MAX_INT_BOUND)) - shrink, 0.0) + 1.0
    with np.errstate(over="ignore", under="ignore"):
        steps = errors * STEP_FACTOR * 2.0**-shrink if sample_type.is_float else whole
    first = float(steps.flat[0])
    # The ratio of steps within the range of floats may be infinite, or 0.
    if not 2.0**-900 < steps.min() <= steps.max() < 2.0**900:
        return None
    if not first / GAIN_LIMIT <= steps.min() <= steps.max() <= first * GAIN_LIMIT:
        return None
    varies = bool((steps != first).any())
    dither = _nothing()
    if bound.dither_seed is not None and sample_type.is_float:
        dither = dither_values(bound.dither_seed, bound.tile_number, shape)
    return ValueMap(
        kind=MapKind.STEPS,
        sample_type=sample_type,
        step=first,
        shrink=shrink,
        steps=steps if varies else _nothing(),
        gain=np.ascontiguousarray(steps / first) if varies else _nothing(),
        dither=dither,
        base=_base_units(bound.base, errors * STEP_FACTOR if sample_type.is_float else steps),
    )


def least_step(how: ValueMap) -> float:
    """Return the smallest D of a tile."""
    return float(how.steps.min()) if how.steps.size else how.step


def loop_targets(tile: npt.NDArray[Any], special: npt.NDArray[np.bool_] | None, how: ValueMap) -> tuple[F64, ValueMap]:
    """Compute what a loop's working values should be near, float64 [p, h, w], and its map; how is of STEPS."""
    with np.errstate(over="ignore", invalid="ignore"):
        real = tile.astype(np.float64) / ((how.steps if how.steps.size else how.step) * LOOP_UNIT)
        if how.base.size:
            real -= how.base
    if special is not None:
        real[special] = 0.0
    real[~(np.abs(real) < INT_LIMIT / 256)] = 0.0  # out of the model's range: the caller patches them
    return real, replace(how, kind=MapKind.LOOP)


def quantise(tile: npt.NDArray[Any], special: npt.NDArray[np.bool_] | None, how: ValueMap) -> I64 | None:
    """Step numbers int64 [p, h, w] nearest to a tile's samples, 0 where special or out of range.

    None for integers near the ends of 64 bits.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        steps = how.steps if how.steps.size else how.step
        real = tile.astype(np.float64) / steps
        if (moved := how.moved) is not None:
            real -= moved
        if special is not None:
            real[special] = 0.0
        real[~(np.abs(real) < INT_LIMIT / 16)] = 0.0  # out of the model's range: the caller patches them
        if tile.dtype.kind == "f":
            return np.rint(real).astype(np.int64)
        if tile.dtype == np.uint64 and special is None and int(tile.max()) >= 2**62:
            return None
        if tile.dtype.itemsize == 8 and np.abs(tile.astype(np.float64)).max() >= 2.0**62:
            return None
        whole = tile.astype(np.int64) if special is None else np.where(special, 0, tile).astype(np.int64)
        if how.fine or how.base.size:
            units = nearest_units(whole, np.asarray(steps), how.base if how.base.size else None, INT_LIMIT / 16)
            return np.rint(units).astype(np.int64) if how.fine else np.floor(units / 16.0 + 0.5).astype(np.int64)
        step = np.asarray(steps).astype(np.int64)
        return np.asarray((whole + step // 2) // step, np.int64)


def dither_values(seed: int, tile_number: int, shape: tuple[int, int, int]) -> F64:
    """Subtractive dither in [-0.5, 0.5) of every sample of a tile (docs/format.md, 8.7; splitmix64, Steele 2014)."""
    n = int(np.prod(shape))
    start = (seed + (tile_number << 32) + SPLITMIX[0]) % 2**64
    with np.errstate(over="ignore"):
        x = np.arange(n, dtype=np.uint64) + np.uint64(start)
        x = (x ^ x >> np.uint64(30)) * np.uint64(SPLITMIX[1])
        x = (x ^ x >> np.uint64(27)) * np.uint64(SPLITMIX[2])
        x ^= x >> np.uint64(31)
    return ((x >> np.uint64(11)).astype(np.float64) * 2.0**-53 - 0.5).reshape(shape)

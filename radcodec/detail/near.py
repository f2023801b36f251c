"""Tiles whose samples lie near lattices a + b*k: working values, and small corrections (docs/format.md, 8.4 and 8.9).

Pipelines that scale integers in single precision leave values that are a + b*k but for a few units in the last place.
The integers are predicted as those of exact lattices are. The corrections are coded with mixed adaptive probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.arrays import F64
from radcodec.errors import CorruptError
from radcodec.runtime.native import OK, core, pointer

I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]
U8 = npt.NDArray[np.uint8]

FRACTION_BITS = {"f4": 23, "f8": 52}
UNIT_RANGE = (-400, 200)  # of the unit's least exponent
CORRECTION_LIMIT = 2.0**30
MOST_BYTES = 80  # of a correction: 36 decisions of 16 bits at most, and raw bits
EXACT = 1 << 53  # the largest integers that restored ones are clamped to
PHASES = 8
OCTAVES = 31  # of the unit over its least one, in the class of a correction


def _nothing() -> I32:
    return np.empty((0, 0, 0), np.int32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """pairs [n, 2]: a and b of the tile (n is 1) or of each plane; ``unit`` is the exponent of the least unit.

    ``corrections``, int32 [p, h, w], are in units; empty where they are not known yet.
    """

    pairs: F64
    unit: int
    corrections: I32 = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What integers stand for before corrections, [p, h, w]: whole numbers of units, their exponents and classes."""

    whole: F64
    exponents: I64
    classes: U8


def expect(k: I64, near: Near, dtype: np.dtype[Any]) -> Expected:
    """Compute what integers [p, h, w] stand for."""
    a, b = (near.pairs[:, i, None, None] for i in range(2))
    value = a + b * k.astype(np.float64)
    exponents = np.full(value.shape, near.unit, np.int64)
    if dtype.kind == "f":
        own = np.frexp(value)[1].astype(np.int64) - 1 - FRACTION_BITS[dtype.str[1:]]
        exponents = np.where(np.abs(value) < 2.0**-1000, near.unit, np.maximum(near.unit, own))
    units = np.ldexp(value, -exponents)
    whole = np.rint(units)
    phase = np.clip(np.floor((units - whole + 0.5) * PHASES), 0, PHASES - 1).astype(np.uint8)
    octave = np.minimum(exponents - near.unit, OCTAVES).astype(np.uint8)
    return Expected(whole=whole, exponents=exponents, classes=octave * np.uint8(PHASES) + phase)


def restore_near(k: I64, near: Near, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Restore samples [p, h, w] from integers and corrections."""
    expected = expect(k, near, dtype)
    whole = expected.whole + near.corrections
    if dtype.kind != "f":
        limits = np.iinfo(dtype)
        low, high = max(limits.min, -EXACT), min(limits.max, EXACT)
        return np.clip(whole, float(low), float(high)).astype(np.int64).astype(dtype)
    restored: npt.NDArray[Any] = np.ldexp(whole, expected.exponents).astype(dtype)
    return restored


def correct(tile: npt.NDArray[Any], special: npt.NDArray[np.bool_] | None, k: I64, near: Near) -> Near:
    """Find the corrections that restore a tile; 0 where none does, and where samples are special."""
    expected = expect(k, near, tile.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        wanted = np.ldexp(tile.astype(np.float64), -expected.exponents) - expected.whole
        sound = (wanted == np.rint(wanted)) & (np.abs(wanted) < CORRECTION_LIMIT)
    if special is not None:
        sound &= ~special
    return replace(near, corrections=np.where(sound, wanted, 0.0).astype(np.int32))


def _slots(k: I64, n_pairs: int, special: npt.NDArray[np.bool_] | None) -> tuple[I32, int]:
    """Number the distinct integers of each lattice, int32 [p, h, w], -1 where special; and count the numbers."""
    slots, start = np.empty(k.shape, np.int32), 0
    planes = [slice(None)] if n_pairs == 1 else [slice(i, i + 1) for i in range(len(k))]
    for plane in planes:
        part = k[plane]
        low, high = int(part.min()), int(part.max())
        if high - low < part.size:
            slots[plane], n = (part - low).astype(np.int32), high - low + 1
        else:
            found, inverse = np.unique(part, return_inverse=True)
            slots[plane], n = inverse.reshape(part.shape), found.size
        slots[plane] += start
        start += n
    if special is not None:
        slots[special] = -1
    return slots, start


def encode_corrections(k: I64, special: npt.NDArray[np.bool_] | None, near: Near, dtype: np.dtype[Any]) -> bytes:
    """Code the corrections of a tile."""
    slots, n_slots = _slots(k, len(near.pairs), special)
    classes = expect(k, near, dtype).classes
    scratch = np.empty(core().corrections_bytes(n_slots), np.uint8)
    out = np.empty(k.size * MOST_BYTES + 64, np.uint8)
    values = near.corrections.copy()
    length = core().encode_corrections(
        pointer(slots, np.int32),
        pointer(classes, np.uint8, k.size),
        pointer(values, np.int32, k.size),
        k.size,
        n_slots,
        pointer(out, np.uint8),
        out.size,
        pointer(scratch, np.uint8),
        scratch.size,
    )
    if length < 0:
        raise ValueError(f"native core: corrections of {k.size} samples give status {-length}")
    return out[:length].tobytes()


def decode_corrections(
    code: bytes | memoryview, k: I64, special: npt.NDArray[np.bool_] | None, near: Near, dtype: np.dtype[Any]
) -> Near:
    """Decode the corrections of a tile whose integers are known.

    Raises
    ------
    CorruptError
        If the code does not end where it should.
    """
    slots, n_slots = _slots(k, len(near.pairs), special)
    classes = expect(k, near, dtype).classes
    scratch = np.empty(core().corrections_bytes(n_slots), np.uint8)
    values = np.empty(k.shape, np.int32)
    octets = np.frombuffer(code, np.uint8)
    status = core().decode_corrections(
        pointer(slots, np.int32),
        pointer(classes, np.uint8, k.size),
        k.size,
        n_slots,
        pointer(octets, np.uint8) if octets.size else None,
        octets.size,
        pointer(values, np.int32),
        pointer(scratch, np.uint8),
        scratch.size,
    )
    if status != OK:
        raise CorruptError("detail stream: its corrections do not end where they should")
    return replace(near, corrections=values)

"""Method 5 of a detail stream: tiles that are mostly one value, as numbers of values (docs/format.md, 8.4 and 8.10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.coding.leb import pack_leb, unpack_leb
from radcodec.detail.plain import COUNTED, Mask, Tile
from radcodec.errors import CorruptError
from radcodec.runtime.native import OK, core, pointer

MOST_VALUES = 1 << 14
LOOKED = 4096  # samples that tell whether one value is usual
USUAL_SHARE = 0.4  # of them
SAME, LISTED = 1, 2  # flags: decisions whether a number is a neighbour's; values are listed one by one
FEW = 1 << 16  # samples up to which both settings of SAME are tried on all of them
MOST_BYTES = 80  # of a sample: 40 decisions of 16 bits at most

U16 = npt.NDArray[np.uint16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """The usual value of a tile and the others, in ascending order, as ordinal numbers of their type."""

    usual: int
    others: list[int]

    @property
    def number(self) -> int:
        """Number of the usual value among all."""
        return int(np.searchsorted(np.array(self.others, np.uint64), np.uint64(self.usual)))

    @property
    def all(self) -> npt.NDArray[np.uint64]:
        """All values in ascending order."""
        return np.array([*self.others[: self.number], self.usual, *self.others[self.number :]], np.uint64)


def ordinals(samples: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    """Number samples in the order of their values: all bit patterns, the least first."""
    bits = samples.view(f"u{samples.dtype.itemsize}").astype(np.uint64)
    top = np.uint64(1 << (8 * samples.dtype.itemsize - 1))
    if samples.dtype.kind == "u":
        return bits
    if samples.dtype.kind == "i":
        return bits ^ top
    return np.where(bits & top, (top - np.uint64(1)) - (bits ^ top), bits | top)


def samples_of(numbers: npt.NDArray[np.uint64], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Undo ``ordinals``."""
    top = np.uint64(1 << (8 * dtype.itemsize - 1))
    bits = numbers
    if dtype.kind == "i":
        bits = numbers ^ top
    elif dtype.kind == "f":
        bits = np.where(numbers & top, numbers ^ top, ((top - np.uint64(1)) - numbers) | top)
    found: npt.NDArray[Any] = bits.astype(f"u{dtype.itemsize}").view(dtype)
    return found


def encode_counted(tile: Tile, special: Mask | None = None) -> bytes | None:
    """Encode by method 5; None for tiles that are not mostly one value, or of too many.

    Special samples become the usual value.
    """
    if tile.size == 0 or not _is_mostly_one(tile):
        return None
    numbers = ordinals(np.ascontiguousarray(tile)).reshape(-1)
    known = numbers if special is None else numbers[~special.reshape(-1)]
    distinct, counts = np.unique(known, return_counts=True)
    if not 1 <= distinct.size <= MOST_VALUES:
        return None
    place = int(np.argmax(counts))
    usual = int(distinct[place])
    values = Values(usual=usual, others=[int(v) for v in distinct if v != distinct[place]])
    filled = numbers if special is None else np.where(special.reshape(-1), distinct[place], numbers)
    tight = _coded(filled, tile.shape, values, tile.dtype, listed=True)
    step = int(np.gcd.reduce(np.diff(np.array(values.others, np.uint64)))) if len(values.others) > 1 else 1
    spread = (values.others[-1] - values.others[0]) // step + 1 if values.others else 0
    if not 1 <= spread < MOST_VALUES:
        return tight
    wide = [values.others[0] + i * step for i in range(spread)]
    if usual in wide:  # a value is there once
        return tight
    other = _coded(filled, tile.shape, Values(usual=usual, others=wide), tile.dtype, listed=False, step=step)
    return min(tight, other, key=len)


def _is_mostly_one(tile: Tile) -> bool:
    """Say whether one value is usual among some samples."""
    some = np.sort(tile.reshape(-1)[:: max(1, tile.size // LOOKED)])
    edges = np.flatnonzero(some[1:] != some[:-1])
    runs = np.diff(np.concatenate([[-1], edges, [some.size - 1]]))
    return bool(runs.max() >= USUAL_SHARE * some.size)


def code_numbers(numbers: npt.NDArray[np.uint64], values: Values, dtype: np.dtype[Any]) -> bytes:
    """Write method 5 of the ordinals [p, h, w] of samples that have these values, one by one."""
    return _coded(numbers, numbers.shape, values, dtype, listed=True)


def _coded(
    numbers: npt.NDArray[np.uint64],
    shape: tuple[int, ...],
    values: Values,
    dtype: np.dtype[Any],
    *,
    listed: bool,
    step: int = 1,
) -> bytes:
    """Write method 5 with these values, by the better setting of the flag SAME."""
    places = np.searchsorted(values.all, numbers).astype(np.uint16).reshape(shape)
    n, usual = len(values.others) + 1, values.number
    head = pack_leb(len(values.others)) + _sample(values.usual, dtype)
    if values.others:
        head += _sample(values.others[0], dtype)
        if listed:
            others = np.array(values.others, np.uint64)
            head += b"".join(map(pack_leb, np.diff(others).tolist()))
        else:
            head += pack_leb(step)
    some = places[:, : max(1, FEW // max(1, shape[0] * shape[2]))] if places.size > FEW else places
    lengths = [len(_walked(some, n, usual, same)) for same in (0, SAME)] if n > 2 else [0, 1]
    same = SAME if lengths[1] < lengths[0] else 0
    return bytes((COUNTED, same | (LISTED if listed else 0))) + head + _walked(places, n, usual, same)


def _sample(number: int, dtype: np.dtype[Any]) -> bytes:
    return samples_of(np.array([number], np.uint64), dtype).astype(dtype.newbyteorder("<")).tobytes()


def _walked(places: U16, n: int, usual: int, same: int) -> bytes:
    """Code the numbers [p, h, w] of values."""
    planes, height, width = places.shape
    scratch = np.empty(core().counted_bytes(height, width), np.uint8)
    out = np.empty(MOST_BYTES * places.size + 64, np.uint8)
    work = np.array(places, np.uint16)
    length = core().encode_counted(
        pointer(work, np.uint16),
        planes,
        height,
        width,
        n,
        usual,
        same,
        pointer(out, np.uint8),
        out.size,
        pointer(scratch, np.uint8),
        scratch.size,
    )
    if length < 0:
        raise ValueError(f"native core: {n} values of {places.size} samples give status {-length}")
    return out[:length].tobytes()


def decode_counted(body: memoryview, shape: tuple[int, int, int], dtype: np.dtype[Any]) -> Tile:
    """Decode the samples [p, h, w] of method 5; errors as `decode_numbers`."""
    return decode_numbers(body, shape, dtype)[0]


def decode_numbers(body: memoryview, shape: tuple[int, int, int], dtype: np.dtype[Any]) -> tuple[Tile, Mask]:
    """Decode the samples [p, h, w] of method 5, and mark those that have the usual value.

    Raises
    ------
    CorruptError
        If its values are not as docs/format.md has them, or the decisions do not end where they should.
    """
    what, size = "the detail stream", dtype.itemsize
    flags = body[0] if body else 255
    n_others, pos = unpack_leb(body, 1, what)
    if flags > (SAME | LISTED) or n_others >= MOST_VALUES:
        raise CorruptError(
            f"detail stream: expected flags under 4 and under {MOST_VALUES} values, found {n_others + 1}"
        )
    firsts = 2 if n_others else 1
    if pos + firsts * size > len(body):
        raise CorruptError("detail stream: ends within its values")
    given = np.frombuffer(body, dtype.newbyteorder("<"), firsts, pos).astype(dtype)
    usual, *first = (int(v) for v in ordinals(given))
    pos += firsts * size
    others, step = list(first), 0
    if n_others and not flags & LISTED:
        step, pos = unpack_leb(body, pos, what)
    for i in range(n_others - 1):
        if flags & LISTED:
            step, pos = unpack_leb(body, pos, what)
        others.append(others[-1] + step)
        if step == 0 or others[-1] >= 1 << (8 * size):
            raise CorruptError(f"detail stream: value {i + 1} is not above the one before, or out of range")
    values = Values(usual=usual, others=others)
    everything = values.all
    if n_others and bool((everything[1:] == everything[:-1]).any()):
        raise CorruptError("detail stream: its usual value is among the others")
    code = np.frombuffer(body, np.uint8, len(body) - pos, pos)
    places = walk_back(code, (n_others + 1, values.number, flags & SAME), shape)
    return samples_of(everything, dtype)[places], places == values.number


def walk_back(code: npt.NDArray[np.uint8], values: tuple[int, int, int], shape: tuple[int, int, int]) -> U16:
    """Decode the numbers [p, h, w] of values, given how many there are, the number of the usual one and the flag SAME.

    Raises
    ------
    CorruptError
        If the decisions do not end where they should.
    """
    planes, height, width = shape
    n, usual, same = values
    scratch = np.empty(core().counted_bytes(height, width), np.uint8)
    places = np.empty(shape, np.uint16)
    status = core().decode_counted(
        pointer(code, np.uint8) if code.size else None,
        code.size,
        planes,
        height,
        width,
        n,
        usual,
        same,
        pointer(places, np.uint16),
        pointer(scratch, np.uint8),
        scratch.size,
    )
    if status != OK:
        raise CorruptError("detail stream: its decisions do not end where they should")
    return places

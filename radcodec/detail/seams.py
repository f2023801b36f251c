"""Cut a float tile where one part lies on lattices and the other does not (docs/format.md, 8.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.coding.leb import unpack_leb
from radcodec.detail.lattices import LEAST_SAMPLES, PATCHES, Lattices, find_lattices
from radcodec.detail.plain import DecodePart, Mask, Tile
from radcodec.errors import CorruptError
from radcodec.limits import MAX_DEPTH


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Two parts of a tile [p, h, w]: rows (axis 1) or columns (2) up to ``place`` and from it on, each whole or cut."""

    axis: int
    place: int
    first: Cut | None = None
    second: Cut | None = None

    @property
    def inner(self) -> tuple[Cut | None, Cut | None]:
        """How the two parts are cut again."""
        return self.first, self.second

    def of(self, tile: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """Return the two parts of an array of the tile's shape, contiguous."""
        return [np.ascontiguousarray(part) for part in np.split(tile, [self.place], self.axis)]


def find_cut(tile: Tile, special: Mask | None, found: Lattices | None, depth: int = MAX_DEPTH) -> Cut | None:
    """Find the cut between the lattices of a float tile and the rest; None where they are all or nothing of it."""
    if found is None or depth == 0:
        return None
    stray = found.stray(special)
    if np.count_nonzero(stray) <= tile.size // PATCHES:
        return None
    best = _best_place(stray, found.stray(None))
    if best is None:
        return None
    axis, place, on_first = best
    cut = Cut(axis=axis, place=place)
    side = 1 if on_first else 0
    rest, marks = cut.of(tile)[side], None if special is None else cut.of(special)[side]
    inner = find_cut(rest, marks, find_lattices(rest, marks), depth - 1)
    return Cut(axis=axis, place=place, first=None if on_first else inner, second=inner if on_first else None)


def _best_place(stray: npt.NDArray[np.bool_], off: npt.NDArray[np.bool_]) -> tuple[int, int, bool] | None:
    """(axis, place, whether the lattices come first) of the cut with the fewest samples on the wrong side.

    stray are samples on no lattice, off those and the special ones. None where a part would not be one of lattices.
    """
    best, fewest = None, stray.size
    for axis in (1, 2):
        others = tuple(i for i in range(3) if i != axis)
        strays, members = stray.sum(others), (~off).sum(others)
        size = stray.size // stray.shape[axis]
        for on_first in (True, False):
            s, m = (strays, members) if on_first else (strays[::-1], members[::-1])
            inside, covered, lines = np.cumsum(s)[:-1], np.cumsum(m)[:-1], np.arange(1, s.size)
            sound = (inside <= lines * size // PATCHES) & (covered >= LEAST_SAMPLES)
            if sound.any():
                wrong = np.where(sound, inside + m.sum() - covered, stray.size)
                at = int(np.argmin(wrong))
                if wrong[at] < fewest:
                    best, fewest = (axis, at + 1 if on_first else s.size - at - 1, on_first), int(wrong[at])
    return best


def decode_parts(
    body: memoryview, shape: tuple[int, int, int], dtype: np.dtype[Any], special: Mask | None, decode_part: DecodePart
) -> Tile:
    """Decode the samples [p, h, w] of a tile of two parts (method 4).

    Raises
    ------
    CorruptError
        If the cut or a part is unsound.
    """
    if not body or body[0] not in (1, 2):
        raise CorruptError("detail stream: expected a cut along axis 1 or 2")
    axis = body[0]
    place, position = unpack_leb(body, 1, "detail stream")
    n_bytes, position = unpack_leb(body, position, "detail stream")
    if not 1 <= place < shape[axis]:
        raise CorruptError(f"detail stream: expected a cut within {shape[axis]} lines, found {place}")
    if n_bytes > len(body) - position:
        raise CorruptError(f"detail stream: expected {n_bytes} bytes of a part, found {len(body) - position}")
    streams = body[position : position + n_bytes], body[position + n_bytes :]
    marks = (None, None) if special is None else Cut(axis=axis, place=place).of(special)
    out = np.empty(shape, dtype)
    for part, stream, marked in zip(np.split(out, [place], axis), streams, marks, strict=True):
        part[:] = decode_part(stream, (part.shape[0], part.shape[1], part.shape[2]), special=marked)
    return out

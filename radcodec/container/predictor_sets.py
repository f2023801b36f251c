"""Sets of predictors of an image whose pixels came one after the other, and the runs of its tiles that have them.

``docs/format.md`` 2.4 is normative. What is in a set is `radcodec.detail`'s.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from radcodec.coding.leb import pack_leb
from radcodec.container.layout import Cursor
from radcodec.errors import CorruptError
from radcodec.limits import MAX_PREDICTOR_RUNS, MAX_PREDICTOR_SETS


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictorSets:
    """Packed sets of an image, and the first tile and the set (from 1; 0 for none) of each run of its tiles."""

    sets: tuple[bytes, ...] = ()
    starts: tuple[int, ...] = ()
    numbers: tuple[int, ...] = ()
    n_tiles: int = 0

    def number_of(self, tile: int) -> int:
        """Return the number of the set of a tile, from 1, or 0 for none."""
        return self.numbers[bisect_right(self.starts, tile) - 1] if self.starts else 0

    def runs_of(self, number: int) -> Iterator[range]:
        """Yield the runs of tiles that have a set."""
        stops = (*self.starts[1:], self.n_tiles)
        for start, stop, found in zip(self.starts, stops, self.numbers, strict=True):
            if found == number:
                yield range(start, stop)


def pack_sets(sets: Sequence[bytes], numbers: Sequence[int]) -> bytes:
    """Pack sets, given the number of the set of every tile; empty where there are none."""
    if not sets:
        return b""
    starts = [tile for tile, number in enumerate(numbers) if tile == 0 or number != numbers[tile - 1]]
    parts = [pack_leb(len(sets))]
    for block in sets:
        parts += [pack_leb(len(block)), block]
    parts.append(pack_leb(len(starts)))
    for before, start in zip([0, *starts], starts, strict=False):
        parts += [pack_leb(start - before), pack_leb(numbers[start])]
    return b"".join(parts)


def unpack_sets(block: bytes, n_tiles: int) -> PredictorSets:
    """Read the sets and runs of an image; raises CorruptError or LimitError where they are unsound."""
    if not block:
        return PredictorSets(n_tiles=n_tiles)
    cursor = Cursor(block, "the sets of predictors")
    sets = tuple(cursor.take(cursor.leb()) for _ in range(cursor.leb_up_to(MAX_PREDICTOR_SETS, "number of sets")))
    starts: list[int] = []
    numbers: list[int] = []
    for run in range(cursor.leb_up_to(MAX_PREDICTOR_RUNS, "number of runs")):
        step = cursor.leb()
        starts.append(step + (starts[-1] if run else 0))
        numbers.append(cursor.leb())
        if (step == 0) != (run == 0) or starts[-1] >= n_tiles:
            raise CorruptError(f"expected runs of {n_tiles} tiles that follow each other, found one at {starts[-1]}")
    cursor.end()
    if not sets or not all(sets) or {*numbers} - {0} != {*range(1, len(sets) + 1)}:
        raise CorruptError(f"expected runs of tiles for each of {len(sets)} sets of predictors, found others")
    return PredictorSets(sets=sets, starts=tuple(starts), numbers=tuple(numbers), n_tiles=n_tiles)

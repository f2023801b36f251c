"""Codecs that take turns: each is timed once in every round, so that a slow spell of the machine hits all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.types import Cells


@dataclass(slots=True, kw_only=True)
class Timed:
    """A codec at one setting as two calls, and the seconds that each took in every round."""

    encode: Callable[[], object]
    decode: Callable[[], object]
    encode_s: list[float] = field(default_factory=list)
    decode_s: list[float] = field(default_factory=list)


def take_turns(entries: Sequence[Timed], repeats: int) -> None:
    """Time both calls of every entry once in each of ``repeats`` rounds."""
    for _ in range(repeats):
        for entry in entries:
            start = time.perf_counter()
            entry.encode()
            middle = time.perf_counter()
            entry.decode()
            entry.decode_s.append(time.perf_counter() - middle)
            entry.encode_s.append(middle - start)


def speed_cells(entry: Timed, pixels: int) -> Cells:
    """Return the cells of both median speeds in Mpix/s, with the least and the most of all rounds."""
    cells: Cells = {}
    for name, seconds in (("encode_mpix_s", entry.encode_s), ("decode_mpix_s", entry.decode_s)):
        of = {name: statistics.median(seconds), f"{name}_least": max(seconds), f"{name}_most": min(seconds)}
        cells |= {column: f"{pixels / 1e6 / value:.4f}" for column, value in of.items()}
    return cells

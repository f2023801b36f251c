"""Codecs that take turns: each is timed once in every round, so that a slow spell of the machine hits all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.types import Cells


@dataclass(slots=True, kw_only=True)
class Timed:
    """A codec at one setting as two calls, and the seconds that each took in every round.

    ``encode_cpu_s`` and ``decode_cpu_s`` are CPU seconds of all threads.
    """

    encode: Callable[[], object]
    decode: Callable[[], object]
    encode_s: list[float] = field(default_factory=list)
    decode_s: list[float] = field(default_factory=list)
    encode_cpu_s: list[float] = field(default_factory=list)
    decode_cpu_s: list[float] = field(default_factory=list)


def take_turns(entries: Sequence[Timed], repeats: int) -> None:
    """Time both calls of every entry once in each of ``repeats`` rounds."""
    for _ in range(repeats):
        for entry in entries:
            for call, seconds, cpu_seconds in (
                (entry.encode, entry.encode_s, entry.encode_cpu_s),
                (entry.decode, entry.decode_s, entry.decode_cpu_s),
            ):
                cpu, start = time.process_time(), time.perf_counter()
                call()
                seconds.append(time.perf_counter() - start)
                cpu_seconds.append(time.process_time() - cpu)


def speed_cells(entry: Timed, pixels: int) -> Cells:
    """Return the cells of both median speeds in Mpix/s, with the least and the most of all rounds."""
    cells: Cells = {}
    for name, seconds in (("encode_mpix_s", entry.encode_s), ("decode_mpix_s", entry.decode_s)):
        of = {name: statistics.median(seconds), f"{name}_least": max(seconds), f"{name}_most": min(seconds)}
        cells |= {column: f"{pixels / 1e6 / value:.4f}" for column, value in of.items()}
    return cells

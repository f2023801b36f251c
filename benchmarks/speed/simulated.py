"""Codecs side by side on simulated images: speed in one process, memory each in its own, as CSV rows."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

from benchmarks import machine
from benchmarks.data.datasets import sigma
from benchmarks.rivals.base import Track, Unsupported
from benchmarks.rivals.registry import all_rivals, installed
from benchmarks.rows import append_row, rows_done
from benchmarks.speed.contestants import PREVIEW, THREADED, Contestant
from benchmarks.speed.memory import memory_growth
from benchmarks.speed.turns import Timed, speed_cells, take_turns
from benchmarks.types import Array, Cells

COLUMNS = (
    "machine", "commit", "run", "track", "bound", "set", "file", "data_sha256", "shape", "dtype", "pixels", "codec",
    "codec_version", "setting", "threads", "verify", "status", "bytes", "bits_per_pixel", "encode_mpix_s",
    "decode_mpix_s", "encode_memory_arrays", "decode_memory_arrays", "repeats", "encode_mpix_s_least",
    "encode_mpix_s_most", "decode_mpix_s_least", "decode_mpix_s_most", "preview",
)  # fmt: skip
KEY = ("track", "bound", "file", "codec", "threads", "verify", "preview")
SEED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is timed and how: sides of the images in pixels, E = sigma / divisor, and whether memory is measured too."""

    sides: Sequence[int]
    threads: Sequence[int]
    divisor: float
    repeats: int
    memory: bool

    def bound_of(self, track: Track) -> str:
        """Name the bound of a track as rows do."""
        return f"sigma/{self.divisor:g}" if track is Track.BOUNDED else ""


@dataclass(slots=True, kw_only=True)
class Entry(Timed):
    """A contestant after its warm-up: what it is given, its stream, and whether that met the demand."""

    contestant: Contestant
    given: Array
    data: bytes
    holds: bool


def contestants(codecs: Sequence[str], threads: Sequence[int]) -> Iterator[Contestant]:
    """Yield every codec on both tracks, with each number of threads if it has threads.

    radcodec comes with the command line's defaults first (preview, verified), then without one of them or both.
    """
    for track in (Track.BOUNDED, Track.LOSSLESS):
        for codec in codecs:
            ours = codec == "radcodec"
            for n in threads if codec in THREADED else [1]:
                for preview, verify in product((PREVIEW, 0.0) if ours else (0.0,), (True, False) if ours else (False,)):
                    yield Contestant(codec=codec, track=track, threads=n, verify=verify, preview=preview)


def warm_up(contestant: Contestant, samples: Array, max_error: float) -> Entry | None:
    """Call a contestant once each way, without timing it; None for a codec that has no such mode."""
    try:
        given = contestant.given(samples, max_error)
        data = contestant.encode(given, max_error)
    except Unsupported:
        return None
    return Entry(
        contestant=contestant, given=given, data=data,
        holds=contestant.holds(contestant.decode(data, given), given, max_error),
        encode=partial(contestant.encode, given, max_error), decode=partial(contestant.decode, data, given),
    )  # fmt: skip


def cells_of(entry: Entry, samples: Array, max_error: float, plan: Plan) -> Cells:
    """Return the measured cells of an entry's row; memory is in units of the float samples."""
    contestant = entry.contestant
    grown: list[str] = []
    for data in (None, entry.data):
        bytes_more = memory_growth(contestant, entry.given, data, max_error) if plan.memory else None
        grown.append("" if bytes_more is None else f"{bytes_more / samples.nbytes:.3f}")
    return {
        "track": contestant.track.value,
        "bound": plan.bound_of(contestant.track),
        "codec": contestant.codec,
        "setting": contestant.setting,
        "threads": contestant.threads,
        "verify": contestant.verify,
        "preview": f"{contestant.preview:g}",
        "status": "ok" if entry.holds else "demand not met",
        "bytes": len(entry.data),
        "bits_per_pixel": f"{8 * len(entry.data) / samples.size:.5f}",
        **speed_cells(entry, samples.size),
        "encode_memory_arrays": grown[0],
        "decode_memory_arrays": grown[1],
        "repeats": len(entry.encode_s),
    }


def run_speed(codecs: Sequence[str], plan: Plan, *, out: Path, commit: str) -> list[str]:
    """Add a row for each codec, track, setting and size that ``out`` lacks; return a line on each.

    Rows of one call share the cell ``run``: only those were measured side by side.
    """
    versions, _ = installed([all_rivals()[name] for name in codecs])
    entrants = list(contestants([name for name in codecs if name in versions], plan.threads))
    run = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"
    known: Cells = {"machine": machine.system(), "commit": commit, "set": "simulated", "run": run}
    lines = []
    for side in plan.sides:
        for cells in measured_side(side, entrants, plan, out):
            append_row(out, COLUMNS, known | {"codec_version": versions[str(cells["codec"])]} | cells)
            lines.append(line_of(side, cells))
    return lines


def measured_side(side: int, entrants: Sequence[Contestant], plan: Plan, out: Path) -> Iterator[Cells]:
    """Time the contestants that ``out`` lacks on one image of side x side pixels, and yield the cells of each row."""
    from radcodec.simulate import simulate_image

    samples = simulate_image((side, side), seed=SEED)
    max_error = sigma(samples) / plan.divisor
    file, done = f"simulate_image(({side}, {side}), seed={SEED})", rows_done(out, KEY)
    entries: list[Entry] = []
    for contestant in entrants:
        name = (contestant.track.value, plan.bound_of(contestant.track), file)
        setting = (str(contestant.threads), str(contestant.verify), f"{contestant.preview:g}")
        key = (*name, contestant.codec, *setting)
        entry = None if key in done else warm_up(contestant, samples, max_error)
        if entry is not None:
            entries.append(entry)
    place: Cells = {
        "file": file, "data_sha256": hashlib.sha256(samples.tobytes()).hexdigest(), "shape": f"{side}x{side}",
        "dtype": str(samples.dtype), "pixels": samples.size,
    }  # fmt: skip
    take_turns(entries, plan.repeats)
    for entry in entries:
        yield place | cells_of(entry, samples, max_error, plan)


def line_of(side: int, cells: Cells) -> str:
    """Describe a row in one line."""
    return (
        f"{side:>5} {cells['track']:9} {cells['codec']:10} {cells['setting']:44} {cells['bits_per_pixel']:>9} bits "
        f"{cells['encode_mpix_s']:>9} / {cells['decode_mpix_s']:>9} Mpix/s, "
        f"memory {cells['encode_memory_arrays'] or '-'} / {cells['decode_memory_arrays'] or '-'} arrays"
    )

"""Codecs side by side on simulated images: speed in one process, memory each in its own, as CSV rows."""

from __future__ import annotations

import datetime
import hashlib
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import machine
from benchmarks.contestants import THREADED, Contestant
from benchmarks.datasets import sigma
from benchmarks.memory import memory_growth
from benchmarks.rivals.base import Array, Track, Unsupported
from benchmarks.rivals.registry import all_rivals
from benchmarks.rows import append_row, rows_done
from benchmarks.run import available

COLUMNS = (
    "machine", "commit", "run", "track", "bound", "set", "file", "data_sha256", "shape", "dtype", "pixels", "codec",
    "codec_version", "setting", "threads", "verify", "status", "bytes", "bits_per_pixel", "encode_mpix_s",
    "decode_mpix_s", "encode_memory_arrays", "decode_memory_arrays", "repeats", "encode_mpix_s_least",
    "encode_mpix_s_most", "decode_mpix_s_least", "decode_mpix_s_most",
)  # fmt: skip
KEY = ("track", "bound", "file", "codec", "threads", "verify")
DEFAULT_CODECS = (
    "radcodec", "jpeg2000", "jpegxl-e7", "jpegls", "rice", "sz3", "sperr", "fpzip", "pcodec", "shuffle+zstd", "gzip",
)  # fmt: skip
SEED = 20


@dataclass(slots=True, kw_only=True)
class Entry:
    """A contestant that did its warm-up: what it is given, its stream, and the times of each repeat in seconds."""

    contestant: Contestant
    given: Array
    bound: str
    data: bytes
    holds: bool
    encode_s: list[float] = field(default_factory=list)
    decode_s: list[float] = field(default_factory=list)


def contestants(codecs: list[str], threads: list[int]) -> Iterator[Contestant]:
    """Every codec on both tracks, with each number of threads if it has some; radcodec verified and not."""
    for track in (Track.BOUNDED, Track.LOSSLESS):
        for codec in codecs:
            for n in threads if codec in THREADED else [1]:
                for verify in (True, False) if codec == "radcodec" else (False,):
                    yield Contestant(codec=codec, track=track, threads=n, verify=verify)


def bound_of(contestant: Contestant, divisor: float) -> str:
    """What rows say of the bound."""
    return f"sigma/{divisor:g}" if contestant.track is Track.BOUNDED else ""


def warm_up(contestant: Contestant, samples: Array, max_error: float, divisor: float) -> Entry | None:
    """The contestant after one call each way that is not timed; None where it has no such mode."""
    try:
        given = contestant.given(samples, max_error)
        data = contestant.encode(given, max_error)
    except Unsupported:
        return None
    holds = contestant.holds(contestant.decode(data, given), given, max_error)
    return Entry(contestant=contestant, given=given, bound=bound_of(contestant, divisor), data=data, holds=holds)


def take_turns(entries: list[Entry], max_error: float, repeats: int) -> None:
    """Time every entry once in each repeat, so that a slow spell of the machine hits all of them."""
    for _ in range(repeats):
        for entry in entries:
            start = time.perf_counter()
            data = entry.contestant.encode(entry.given, max_error)
            middle = time.perf_counter()
            entry.contestant.decode(data, entry.given)
            entry.decode_s.append(time.perf_counter() - middle)
            entry.encode_s.append(middle - start)


def speeds(name: str, pixels: int, seconds: list[float]) -> dict[str, object]:
    """Median speed in Mpix/s, and the least and the most of all repeats."""
    of = {name: statistics.median(seconds), f"{name}_least": max(seconds), f"{name}_most": min(seconds)}
    return {column: f"{pixels / 1e6 / value:.4f}" for column, value in of.items()}


def cells_of(entry: Entry, samples: Array, max_error: float, memory: bool) -> dict[str, object]:
    """The measured cells of an entry's row; memory in units of the float samples."""
    contestant = entry.contestant
    grown: list[str] = []
    for data in (None, entry.data):
        bytes_more = memory_growth(contestant, entry.given, data, max_error) if memory else None
        grown.append("" if bytes_more is None else f"{bytes_more / samples.nbytes:.3f}")
    return {
        "track": contestant.track.value,
        "bound": entry.bound,
        "codec": contestant.codec,
        "setting": contestant.setting,
        "threads": contestant.threads,
        "verify": contestant.verify,
        "status": "ok" if entry.holds else "demand not met",
        "bytes": len(entry.data),
        "bits_per_pixel": f"{8 * len(entry.data) / samples.size:.5f}",
        **speeds("encode_mpix_s", samples.size, entry.encode_s),
        **speeds("decode_mpix_s", samples.size, entry.decode_s),
        "encode_memory_arrays": grown[0],
        "decode_memory_arrays": grown[1],
        "repeats": len(entry.encode_s),
    }


def run_speed(
    codecs: list[str],
    *,
    sides: list[int],
    threads: list[int],
    divisor: float,
    repeats: int,
    memory: bool,
    out: Path,
    commit: str,
) -> list[str]:
    """Add a row for each codec, track, setting and size that ``out`` lacks; gives the new ones as lines of a table.

    Rows of one call share the cell ``run``: only those were measured side by side.
    """
    versions, _ = available([all_rivals()[name] for name in codecs])
    entrants = list(contestants([name for name in codecs if name in versions], threads))
    run = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"
    known: dict[str, object] = {"machine": machine.system(), "commit": commit, "set": "simulated", "run": run}
    lines = []
    for side in sides:
        lines += run_side(side, entrants, versions, known, divisor=divisor, repeats=repeats, memory=memory, out=out)
    return lines


def run_side(
    side: int,
    entrants: list[Contestant],
    versions: dict[str, str],
    known: dict[str, object],
    *,
    divisor: float,
    repeats: int,
    memory: bool,
    out: Path,
) -> list[str]:
    """Add the rows of one image of side x side pixels; gives them as lines."""
    from radcodec.simulate import simulate_image

    samples = simulate_image((side, side), seed=SEED)
    max_error = sigma(samples) / divisor
    file, done = f"simulate_image(({side}, {side}), seed={SEED})", rows_done(out, KEY)
    entries: list[Entry] = []
    for contestant in entrants:
        name = (contestant.track.value, bound_of(contestant, divisor), file)
        key = (*name, contestant.codec, str(contestant.threads), str(contestant.verify))
        entry = None if key in done else warm_up(contestant, samples, max_error, divisor)
        if entry is not None:
            entries.append(entry)
    known = known | {
        "file": file, "data_sha256": hashlib.sha256(samples.tobytes()).hexdigest(), "shape": f"{side}x{side}",
        "dtype": str(samples.dtype), "pixels": samples.size,
    }  # fmt: skip
    take_turns(entries, max_error, repeats)
    lines = []
    for entry in entries:
        cells = cells_of(entry, samples, max_error, memory)
        append_row(out, COLUMNS, known | {"codec_version": versions[entry.contestant.codec]} | cells)
        lines.append(
            f"{side:>5} {cells['track']:9} {cells['codec']:10} {cells['setting']:44} {cells['bits_per_pixel']:>9} bits "
            f"{cells['encode_mpix_s']:>9} / {cells['decode_mpix_s']:>9} Mpix/s, "
            f"memory {cells['encode_memory_arrays'] or '-'} / {cells['decode_memory_arrays'] or '-'} arrays"
        )
    return lines

"""Codecs side by side on one simulated image: speed in one process, memory each in its own, as CSV rows."""

from __future__ import annotations

import datetime
import hashlib
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import machine
from benchmarks.contestants import Contestant
from benchmarks.datasets import sigma
from benchmarks.memory import memory_growth
from benchmarks.rivals import all_rivals
from benchmarks.rivals.base import Array, Track, Unsupported
from benchmarks.rows import append_row, rows_done
from benchmarks.run import installed

COLUMNS = (
    "machine", "commit", "run", "track", "bound", "set", "file", "data_sha256", "shape", "dtype", "pixels", "codec",
    "codec_version", "setting", "threads", "verify", "status", "bytes", "bits_per_pixel", "encode_mpix_s",
    "decode_mpix_s", "encode_memory_arrays", "decode_memory_arrays", "repeats",
)  # fmt: skip
KEY = ("track", "file", "codec", "threads", "verify")
DEFAULT_CODECS = ("radcodec", "jpeg2000", "jpegxl-e7", "rice", "fpzip")
SEED = 20
DIVISOR = 8.0


@dataclass(slots=True, kw_only=True)
class Entry:
    """A contestant that did its warm-up: what it is given, its stream, and the times of each repeat in seconds."""

    contestant: Contestant
    given: Array
    data: bytes
    holds: bool
    encode_s: list[float] = field(default_factory=list)
    decode_s: list[float] = field(default_factory=list)


def contestants(codecs: list[str], threads: list[int]) -> Iterator[Contestant]:
    """Every codec on both tracks: radcodec for each number of threads, with and without verification."""
    for track in (Track.BOUNDED, Track.LOSSLESS):
        for codec in codecs:
            if codec != "radcodec":
                yield Contestant(codec=codec, track=track)
                continue
            for n in threads:
                for verify in (True, False):
                    yield Contestant(codec=codec, track=track, threads=n, verify=verify)


def warm_up(contestant: Contestant, samples: Array, max_error: float) -> Entry | None:
    """The contestant after one call each way that is not timed; None where it has no such mode."""
    try:
        given = contestant.given(samples, max_error)
        data = contestant.encode(given, max_error)
    except Unsupported:
        return None
    holds = contestant.holds(contestant.decode(data, given), given, max_error)
    return Entry(contestant=contestant, given=given, data=data, holds=holds)


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


def cells_of(entry: Entry, samples: Array, max_error: float, memory: bool) -> dict[str, object]:
    """The measured cells of an entry's row; memory in units of the float samples."""
    contestant = entry.contestant
    grown: list[str] = []
    for data in (None, entry.data):
        bytes_more = memory_growth(contestant, entry.given, data, max_error) if memory else None
        grown.append("" if bytes_more is None else f"{bytes_more / samples.nbytes:.3f}")
    return {
        "track": contestant.track.value,
        "bound": f"sigma/{DIVISOR:g}" if contestant.track is Track.BOUNDED else "",
        "codec": contestant.codec,
        "setting": contestant.setting,
        "threads": contestant.threads,
        "verify": contestant.verify,
        "status": "ok" if entry.holds else "demand not met",
        "bytes": len(entry.data),
        "bits_per_pixel": f"{8 * len(entry.data) / samples.size:.5f}",
        "encode_mpix_s": f"{samples.size / 1e6 / statistics.median(entry.encode_s):.4f}",
        "decode_mpix_s": f"{samples.size / 1e6 / statistics.median(entry.decode_s):.4f}",
        "encode_memory_arrays": grown[0],
        "decode_memory_arrays": grown[1],
        "repeats": len(entry.encode_s),
    }


def run_speed(
    codecs: list[str], *, side: int, threads: list[int], repeats: int, memory: bool, out: Path, commit: str
) -> list[str]:
    """Add a row for each codec, track and setting that ``out`` lacks; gives the new ones as lines of a table.

    Rows of one call share the cell ``run``: only those were measured side by side.
    """
    from radcodec.simulate import simulate_image

    samples = simulate_image((side, side), seed=SEED)
    max_error = sigma(samples) / DIVISOR
    versions = installed([all_rivals()[name] for name in codecs])
    file, done = f"simulate_image(({side}, {side}), seed={SEED})", rows_done(out, KEY)
    entries: list[Entry] = []
    for contestant in contestants([name for name in codecs if name in versions], threads):
        key = (contestant.track.value, file, contestant.codec, str(contestant.threads), str(contestant.verify))
        entry = None if key in done else warm_up(contestant, samples, max_error)
        if entry is not None:
            entries.append(entry)
    known: dict[str, object] = {
        "machine": machine.system(), "commit": commit, "set": "simulated", "file": file,
        "run": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}",
        "data_sha256": hashlib.sha256(samples.tobytes()).hexdigest(), "shape": f"{side}x{side}",
        "dtype": str(samples.dtype), "pixels": samples.size,
    }  # fmt: skip
    take_turns(entries, max_error, repeats)
    lines = []
    for entry in entries:
        cells = cells_of(entry, samples, max_error, memory)
        append_row(out, COLUMNS, known | {"codec_version": versions[entry.contestant.codec]} | cells)
        lines.append(
            f"{cells['track']:9} {cells['codec']:10} {cells['setting']:44} {cells['bits_per_pixel']:>9} bits "
            f"{cells['encode_mpix_s']:>9} / {cells['decode_mpix_s']:>9} Mpix/s, "
            f"memory {cells['encode_memory_arrays'] or '-'} / {cells['decode_memory_arrays'] or '-'} arrays"
        )
    return lines

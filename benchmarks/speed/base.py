"""Speed of the lossy mode beside OpenJPEG at equal error, on simulated images, as CSV rows.

At each rate radcodec is timed as it searches the step of a bit-rate, and as it codes once at a step of the same size.
It does not verify. OpenJPEG (9/7) is timed at the quality whose companded error is that of radcodec's bit-rate. Its
mapping to 16 bits counts, as radcodec's does.
"""

from __future__ import annotations

import hashlib
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import machine
from benchmarks.data.datasets import sigma
from benchmarks.rivals.jpeg2000 import MappedJpeg2000
from benchmarks.rivals.lossy import LossyRival, Mapping, compand
from benchmarks.rivals.ours import RadcodecBitRate, RadcodecStep
from benchmarks.rows import append_row, rows_done
from benchmarks.speed.turns import Timed, speed_cells, take_turns
from benchmarks.types import Array, Cells
from radcodec.simulate import simulate_image

COLUMNS = (
    "machine", "commit", "file", "data_sha256", "shape", "dtype", "pixels", "codec", "codec_version", "variant",
    "setting", "knob", "quality", "threads", "bytes", "bits_per_pixel", "encode_mpix_s", "decode_mpix_s",
    "encode_mpix_s_least", "encode_mpix_s_most", "decode_mpix_s_least", "decode_mpix_s_most", "repeats",
    "rate", "rmse_companded", "encode_cpu_s", "decode_cpu_s",
)  # fmt: skip
DONE = ("file", "codec", "variant", "knob", "threads", "rate")
KEY = (*DONE, "quality")
SEED, SOURCES = 20, 60
BIT_RATES = (0.25, 0.5, 1.0)
NEAR, TURNS = 0.01, 8  # of sizes and errors that are to be equal: the share they may differ by, and tries
FIRST_STEP, FIRST_POWER = 1.3, -0.42  # guess of a step: times this power of bits a pixel


@dataclass(slots=True, kw_only=True)
class Entry(Timed):
    """A codec at one setting, its stream, and the bits a pixel it is compared at."""

    rival: LossyRival
    quality: float
    rate: float
    threads: int
    data: bytes
    rmse: float


def entry_of(rival: LossyRival, image: Array, quality: float, rate: float, threads: int) -> Entry:
    """Return a codec at one setting."""
    data = rival.encode(image, quality)
    return Entry(
        rival=rival, quality=quality, rate=rate, threads=threads, data=data, rmse=error_of(rival, image, data),
        encode=partial(rival.encode, image, quality),
        decode=partial(rival.decode, data, shape=image.shape, dtype=image.dtype),
    )  # fmt: skip


def error_of(rival: LossyRival, image: Array, data: bytes) -> float:
    """Return the companded error of a stream of an image without special samples, as ``rd`` measures it."""
    median, noise = float(np.median(image)), sigma(image)
    decoded = rival.decode(data, shape=image.shape, dtype=image.dtype)
    return float(np.sqrt(np.mean((compand(decoded, median, noise) - compand(image, median, noise)) ** 2)))


def size_of(rival: LossyRival, image: Array, quality: float) -> float:
    """Return the bytes of an image at a quality."""
    return float(len(rival.encode(image, quality)))


def error_at(rival: LossyRival, image: Array, quality: float) -> float:
    """Return the companded error of an image at a quality."""
    return error_of(rival, image, rival.encode(image, quality))


def solve(measure: Callable[[float], float], wanted: float, start: float, power: float) -> float:
    """Return an argument where a function gives about what is wanted; it goes about with a power of its argument.

    The power is found on the way.
    """
    tried = [(start, measure(start))]
    while abs(math.log(tried[-1][1] / wanted)) > NEAR and len(tried) < TURNS:
        if len(tried) > 1 and tried[-1][1] != tried[-2][1]:
            power = math.log(tried[-1][1] / tried[-2][1]) / math.log(tried[-1][0] / tried[-2][0]) or power
        at = tried[-1][0] * min(max((wanted / tried[-1][1]) ** (1.0 / power), 0.5), 2.0)
        tried.append((at, measure(at)))
    return min(tried, key=lambda pair: abs(math.log(pair[1] / wanted)))[0]


def all_entries(image: Array, rates: Sequence[float], threads: Sequence[int], model: str | None) -> list[Entry]:
    """Return radcodec at every rate by both ways, and OpenJPEG at equal errors, for each number of threads."""
    entries: list[Entry] = []
    most = max(threads)
    for rate in rates:
        searched = entry_of(RadcodecBitRate(model, threads=most), image, rate, rate, most)
        once, theirs = RadcodecStep(model, threads=most), MappedJpeg2000(Mapping.COMPANDED, threads=most)
        first = FIRST_STEP * rate**FIRST_POWER
        step = solve(partial(size_of, once, image), float(len(searched.data)), first, -1.0)
        quality = solve(partial(error_at, theirs, image), searched.rmse, searched.rmse, 1.0)
        for n in threads:
            entries += [
                searched if n == most else entry_of(RadcodecBitRate(model, threads=n), image, rate, rate, n),
                entry_of(RadcodecStep(model, threads=n), image, step, rate, n),
                entry_of(MappedJpeg2000(Mapping.COMPANDED, threads=n), image, quality, rate, n),
            ]
    return entries


def run_base_speed(
    *, sides: Sequence[int], rates: Sequence[float], threads: Sequence[int], repeats: int, model: str | None,
    out: Path, commit: str,
) -> list[str]:  # fmt: skip
    """Add the rows that ``out`` lacks, one size after the other; return a line on each, and on what searches cost."""
    lines = []
    for side in sides:
        image = simulate_image((side, side), seed=SEED, n_sources=SOURCES)
        file, done = f"simulate_image(({side}, {side}), seed={SEED}, n_sources={SOURCES})", rows_done(out, DONE)
        known: Cells = {
            "machine": machine.system(), "commit": commit, "file": file, "shape": f"{side}x{side}",
            "data_sha256": hashlib.sha256(image.tobytes()).hexdigest(), "dtype": str(image.dtype),
            "pixels": image.size, "repeats": repeats,
        }  # fmt: skip
        wanted = [rate for rate in rates if not _is_done(rate, file, threads, model, done)]
        if not wanted:
            continue
        entries = all_entries(image, wanted, threads, model)
        take_turns(entries, 1)  # the warm-up
        for entry in entries:
            for seconds in (entry.encode_s, entry.decode_s, entry.encode_cpu_s, entry.decode_cpu_s):
                seconds.clear()
        take_turns(entries, repeats)
        for entry in entries:
            cells = known | cells_of(entry, image.size)
            append_row(out, COLUMNS, cells)
            lines.append(line_of(side, cells))
        lines += [line for rate in wanted for n in threads for line in cost_of_search(entries, rate, n)]
    return lines


def _is_done(rate: float, file: str, threads: Sequence[int], model: str | None, done: set[tuple[str, ...]]) -> bool:
    """Say whether there are rows of all codecs at a rate."""
    rivals: list[LossyRival] = [RadcodecBitRate(model), RadcodecStep(model), MappedJpeg2000(Mapping.COMPANDED)]
    return all((file, one.name, one.variant, one.knob, str(n), f"{rate:g}") in done for one in rivals for n in threads)


def cells_of(entry: Entry, pixels: int) -> Cells:
    """Return the cells of what was measured."""
    cells: Cells = {
        "codec": entry.rival.name, "codec_version": entry.rival.version(), "variant": entry.rival.variant,
        "setting": entry.rival.setting, "knob": entry.rival.knob, "quality": f"{entry.quality:.4g}",
        "threads": entry.threads, "bytes": len(entry.data), "bits_per_pixel": f"{8 * len(entry.data) / pixels:.5f}",
        "rate": f"{entry.rate:g}", "rmse_companded": f"{entry.rmse:.6f}",
        "encode_cpu_s": f"{statistics.median(entry.encode_cpu_s):.4f}",
        "decode_cpu_s": f"{statistics.median(entry.decode_cpu_s):.4f}",
    }  # fmt: skip
    return cells | speed_cells(entry, pixels)


def line_of(side: int, cells: Cells) -> str:
    """Write a row for people to read."""
    return (
        f"{side:5} {cells['codec']:9} {cells['knob']:9} {cells['quality']:>7} threads {cells['threads']} "
        f"{cells['bits_per_pixel']:>8} bits, error {cells['rmse_companded']}: "
        f"{cells['encode_mpix_s']:>7} / {cells['decode_mpix_s']:>7} Mpix/s, "
        f"{cells['encode_cpu_s']:>7} / {cells['decode_cpu_s']:>7} CPU s"
    )


def cost_of_search(entries: Sequence[Entry], rate: float, threads: int) -> list[str]:
    """Write how many times the time of a fixed step a search takes, in wall and in CPU seconds."""
    some = [entry for entry in entries if entry.rate == rate and entry.threads == threads]
    searched, once = (next(entry for entry in some if entry.rival.knob == knob) for knob in ("bit-rate", "step"))
    wall, cpu = (
        statistics.median(getattr(searched, name)) / statistics.median(getattr(once, name))
        for name in ("encode_s", "encode_cpu_s")
    )
    return [f"bit-rate {rate:g}, threads {threads}: {wall:.2f} times the time of its step, {cpu:.2f} in CPU seconds"]

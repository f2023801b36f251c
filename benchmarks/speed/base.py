"""Speed of the base layer beside OpenJPEG at about the same rate, on one simulated image, as CSV rows.

radcodec is timed with a number of stages, where it codes once, and with a bit-rate, for which it searches the step; not
verified. OpenJPEG is timed at the rung of its ladder whose size is nearest to radcodec's; mapping to 16 bits is
counted, as radcodec's is. All take one turn in each repeat.
"""

from __future__ import annotations

import hashlib
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import machine
from benchmarks.rivals.jpeg2000 import MappedJpeg2000
from benchmarks.rivals.lossy import LossyRival, Mapping
from benchmarks.rivals.ours import RadcodecBitRate, RadcodecLossy
from benchmarks.rows import append_row, rows_done
from radcodec.simulate import simulate_image

COLUMNS = (
    "machine", "commit", "file", "data_sha256", "shape", "dtype", "pixels", "codec", "codec_version", "variant",
    "setting", "knob", "quality", "threads", "bytes", "bits_per_pixel", "encode_mpix_s", "decode_mpix_s",
    "encode_mpix_s_least", "encode_mpix_s_most", "decode_mpix_s_least", "decode_mpix_s_most", "repeats",
)  # fmt: skip
KEY = ("file", "codec", "variant", "knob", "quality", "threads")
SEED, SOURCES = 20, 60
STAGES = (3, 4, 5, 6)
BIT_RATES = (0.25, 0.5, 1.0)


@dataclass(slots=True, kw_only=True)
class Entry:
    """A codec at one setting: its stream, and the times of each repeat in seconds."""

    rival: LossyRival
    quality: float
    threads: int
    data: bytes = b""
    encode_s: list[float] = field(default_factory=list)
    decode_s: list[float] = field(default_factory=list)


def run_base_speed(
    *, side: int, threads: list[int], repeats: int, model: str | None, out: Path, commit: str
) -> list[str]:
    """Add rows that ``out`` lacks; gives the new ones as lines of a table."""
    image = simulate_image((side, side), seed=SEED, n_sources=SOURCES)
    file = f"simulate_image(({side}, {side}), seed={SEED}, n_sources={SOURCES})"
    entries: list[Entry] = []
    for n in threads:
        entries += [Entry(rival=RadcodecLossy(model, threads=n), quality=stage, threads=n) for stage in STAGES]
        entries += [Entry(rival=RadcodecBitRate(model, threads=n), quality=rate, threads=n) for rate in BIT_RATES]
    for entry in entries:
        entry.data = entry.rival.encode(image, entry.quality)
    jpeg2000 = MappedJpeg2000(Mapping.COMPANDED)
    rungs = [(quality, jpeg2000.encode(image, quality)) for quality in jpeg2000.qualities]
    for size in sorted({len(entry.data) for entry in entries}):
        quality, data = min(rungs, key=lambda rung: abs(len(rung[1]) - size))
        if all(entry.rival is not jpeg2000 or entry.quality != quality for entry in entries):
            entries.append(Entry(rival=jpeg2000, quality=quality, threads=1, data=data))
    done = rows_done(out, KEY)
    entries = [entry for entry in entries if _key(entry, file) not in done]
    for _ in range(repeats + 1):  # the first turn warms up
        for entry in entries:
            start = time.perf_counter()
            entry.rival.encode(image, entry.quality)
            middle = time.perf_counter()
            entry.rival.decode(entry.data, shape=image.shape, dtype=image.dtype)
            entry.decode_s.append(time.perf_counter() - middle)
            entry.encode_s.append(middle - start)
    lines = []
    for entry in entries:
        cells: dict[str, object] = {
            "machine": machine.system(), "commit": commit, "file": file, "shape": f"{side}x{side}",
            "data_sha256": hashlib.sha256(image.tobytes()).hexdigest(), "dtype": str(image.dtype), "pixels": image.size,
            "codec": entry.rival.name, "codec_version": entry.rival.version(),
            "variant": entry.rival.variant, "setting": entry.rival.setting, "knob": entry.rival.knob,
            "quality": f"{entry.quality:g}", "threads": entry.threads, "bytes": len(entry.data),
            "bits_per_pixel": f"{8 * len(entry.data) / image.size:.5f}", "repeats": repeats,
        }  # fmt: skip
        for name, seconds in (("encode_mpix_s", entry.encode_s[1:]), ("decode_mpix_s", entry.decode_s[1:])):
            of = {name: statistics.median(seconds), f"{name}_least": max(seconds), f"{name}_most": min(seconds)}
            cells |= {column: f"{image.size / 1e6 / value:.3f}" for column, value in of.items()}
        append_row(out, COLUMNS, cells)
        lines.append(
            f"{cells['codec']:9} {cells['variant']:10} {cells['knob']:9} {cells['quality']:>5} threads {entry.threads} "
            f"{cells['bits_per_pixel']:>8} bits {cells['encode_mpix_s']:>7} / {cells['decode_mpix_s']:>7} Mpix/s"
        )
    return lines


def _key(entry: Entry, file: str) -> tuple[str, ...]:
    rival = entry.rival
    return file, rival.name, rival.variant, rival.knob, f"{entry.quality:g}", str(entry.threads)

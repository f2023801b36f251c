"""Speed of the base layer beside OpenJPEG at about the same rate, on one simulated image, as CSV rows.

radcodec is timed with a number of stages, where it codes once, and with a bit-rate, for which it searches the step. It
does not verify. OpenJPEG is timed at the rung of its ladder whose size is nearest to radcodec's. Its mapping to 16 bits
counts, as radcodec's does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import machine
from benchmarks.rivals.jpeg2000 import MappedJpeg2000
from benchmarks.rivals.lossy import LossyRival, Mapping
from benchmarks.rivals.ours import RadcodecBitRate, RadcodecLossy
from benchmarks.rows import append_row, rows_done
from benchmarks.speed.turns import Timed, speed_cells, take_turns
from benchmarks.types import Array, Cells
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
class Entry(Timed):
    """A codec at one setting, and its stream."""

    rival: LossyRival
    quality: float
    threads: int
    data: bytes


def entry_of(rival: LossyRival, image: Array, quality: float, threads: int, data: bytes | None = None) -> Entry:
    """Return a codec at one setting; ``data`` is its stream where that is known already."""
    data = rival.encode(image, quality) if data is None else data
    return Entry(
        rival=rival, quality=quality, threads=threads, data=data, encode=partial(rival.encode, image, quality),
        decode=partial(rival.decode, data, shape=image.shape, dtype=image.dtype),
    )  # fmt: skip


def all_entries(image: Array, threads: Sequence[int], model: str | None) -> list[Entry]:
    """Return radcodec at every setting, and OpenJPEG at the rungs of its ladder that are nearest in size."""
    entries: list[Entry] = []
    for n in threads:
        entries += [entry_of(RadcodecLossy(model, threads=n), image, stage, n) for stage in STAGES]
        entries += [entry_of(RadcodecBitRate(model, threads=n), image, rate, n) for rate in BIT_RATES]
    jpeg2000 = MappedJpeg2000(Mapping.COMPANDED)
    rungs = [(quality, jpeg2000.encode(image, quality)) for quality in jpeg2000.qualities]
    nearest = {
        min(rungs, key=lambda rung: abs(len(rung[1]) - size)): None
        for size in sorted({len(entry.data) for entry in entries})
    }
    return entries + [entry_of(jpeg2000, image, quality, 1, data) for quality, data in nearest]


def run_base_speed(
    *, side: int, threads: list[int], repeats: int, model: str | None, out: Path, commit: str
) -> list[str]:
    """Add the rows that ``out`` lacks; return a line on each."""
    image = simulate_image((side, side), seed=SEED, n_sources=SOURCES)
    file, done = f"simulate_image(({side}, {side}), seed={SEED}, n_sources={SOURCES})", rows_done(out, KEY)
    entries = [entry for entry in all_entries(image, threads, model) if _key(entry, file) not in done]
    take_turns(entries, 1)  # the warm-up
    for entry in entries:
        entry.encode_s.clear()
        entry.decode_s.clear()
    take_turns(entries, repeats)
    known: Cells = {
        "machine": machine.system(), "commit": commit, "file": file, "shape": f"{side}x{side}",
        "data_sha256": hashlib.sha256(image.tobytes()).hexdigest(), "dtype": str(image.dtype), "pixels": image.size,
        "repeats": repeats,
    }  # fmt: skip
    lines = []
    for entry in entries:
        cells = known | {
            "codec": entry.rival.name, "codec_version": entry.rival.version(), "variant": entry.rival.variant,
            "setting": entry.rival.setting, "knob": entry.rival.knob, "quality": f"{entry.quality:g}",
            "threads": entry.threads, "bytes": len(entry.data),
            "bits_per_pixel": f"{8 * len(entry.data) / image.size:.5f}",
        }  # fmt: skip
        cells |= speed_cells(entry, image.size)
        append_row(out, COLUMNS, cells)
        lines.append(
            f"{cells['codec']:9} {cells['variant']:10} {cells['knob']:9} {cells['quality']:>5} threads {entry.threads} "
            f"{cells['bits_per_pixel']:>8} bits {cells['encode_mpix_s']:>7} / {cells['decode_mpix_s']:>7} Mpix/s"
        )
    return lines


def _key(entry: Entry, file: str) -> tuple[str, ...]:
    rival = entry.rival
    return file, rival.name, rival.variant, rival.knob, f"{entry.quality:g}", str(entry.threads)

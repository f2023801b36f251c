"""What is run: coders at equal bound and at equal size, and the cells that all rows share."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks import machine
from benchmarks.data.datasets import sigma
from benchmarks.rivals.base import Unsupported
from benchmarks.rows import failure
from benchmarks.science.coders import Coded, Coder, at_size
from benchmarks.types import Array

DIVISORS = (1.0, 2.0, 4.0, 8.0, 16.0)
SIZES = (0.1, 0.25, 0.5, 1.0)
EXACT, BOUND, SIZE = COMPARISONS = "exact", "bound", "size"
COMMON = (
    "machine", "commit", "track", "set", "files", "data_sha256", "pixels", "codec", "codec_version", "variant",
    "setting", "comparison", "level", "status", "knob", "quality", "bits_per_pixel", "max_error_sigma",
)  # fmt: skip
KEY = ("set", "codec", "comparison", "level")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A coder at a level: E = sigma / level at equal bound, bits a pixel at equal size, nothing if exact.

    ``starts`` remembers the knob that gave the size last time.
    """

    coder: Coder
    comparison: str
    level: float
    starts: list[float] = field(default_factory=list)

    def key(self, chosen: str) -> tuple[str, ...]:
        """Return the cells under ``KEY``."""
        return chosen, self.coder.name, self.comparison, f"{self.level:g}"

    def code(self, samples: Array) -> Coded:
        """Code the samples; Unsupported if the coder cannot, or has no stream so small."""
        if self.comparison == EXACT:
            return self.coder.code(samples, 1.0)
        if self.comparison == BOUND:
            return self.coder.code(samples, 1.0 / self.level)
        coded = at_size(self.coder, samples, self.level, self.starts[-1] if self.starts else None)
        if coded is None:
            raise Unsupported("not so small")
        self.starts.append(coded.quality)
        return coded


def all_jobs(
    coders: Iterable[Coder], comparisons: Sequence[str] = COMPARISONS, levels: Sequence[float] = ()
) -> Iterator[Job]:
    """Yield the control, then every coder at each of its levels, of the wanted comparisons and levels (none: all)."""
    divisors, sizes = ([level for level in known if level in (levels or known)] for known in (DIVISORS, SIZES))
    for coder in coders:
        if not coder.knob and EXACT in comparisons:
            yield Job(coder=coder, comparison=EXACT, level=0)
        if coder.bounded and BOUND in comparisons:
            yield from (Job(coder=coder, comparison=BOUND, level=divisor) for divisor in divisors)
        if coder.sized and SIZE in comparisons:
            yield from (Job(coder=coder, comparison=SIZE, level=bits) for bits in sizes)


def code_all(job: Job, images: Sequence[Array]) -> tuple[list[Coded], str]:
    """Return what the job makes of all images, and a status; if that is not "ok", there is nothing."""
    try:
        return [job.code(samples) for samples in images], "ok"
    except Unsupported as err:
        return [], f"none: {err}"[:100]
    except Exception as err:  # whatever a foreign codec throws is its result
        return [], failure(err)


def place_cells(
    *, track: str, chosen: str, commit: str, hashes: Sequence[str], images: Sequence[Array]
) -> dict[str, object]:
    """Return the cells that say what was measured, and where; the hash is of the images' hashes, one a line."""
    return {
        "machine": machine.system(), "commit": commit, "track": track, "set": chosen, "files": len(images),
        "data_sha256": hashlib.sha256("\n".join(hashes).encode()).hexdigest(),
        "pixels": sum(samples.size for samples in images),
    }  # fmt: skip


def job_cells(job: Job, coded: Sequence[Coded], images: Sequence[Array], status: str) -> dict[str, object]:
    """Return the cells on the coder and its streams: bits over all pixels, the median knob, the largest error."""
    coder = job.coder
    cells: dict[str, object] = {
        "codec": coder.name, "codec_version": coder.version, "variant": coder.variant, "setting": coder.setting,
        "comparison": job.comparison, "level": f"{job.level:g}", "status": status, "knob": coder.knob,
    }  # fmt: skip
    if not coded:
        return cells
    bits = 8 * sum(one.n_bytes for one in coded) / sum(samples.size for samples in images)
    errors = [
        float(np.nanmax(np.abs(one.decoded.astype(np.float64) - samples.astype(np.float64)))) / sigma(samples)
        for one, samples in zip(coded, images, strict=True)
    ]
    return cells | {
        "quality": f"{np.median([one.quality for one in coded]):.5g}", "bits_per_pixel": f"{bits:.5f}",
        "max_error_sigma": f"{max(errors):.5g}",
    }  # fmt: skip

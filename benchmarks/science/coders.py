"""Codecs with one knob each, bounded or of a rate, as the science checks run them; their knob at a given file size."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np

from benchmarks.data.datasets import sigma
from benchmarks.rivals.base import Rival, Unsupported
from benchmarks.rivals.lossy import LossyRival
from benchmarks.rivals.ours import Radcodec, RadcodecBitRate
from benchmarks.rivals.registry import all_rivals, lossy_rivals
from benchmarks.science.fpack import FpackSteps
from benchmarks.types import Array

TOLERANCE = 0.03  # of a size, by which a stream may stay below it
MAX_TRIES = 12
CROP = 512  # px; knobs of larger images are first searched on a part of this side, where that saves time
DITHER_AMPLITUDE = 1.0  # sigma; of what is added around the lossy mode


@dataclass(frozen=True, slots=True)
class Coded:
    """A stream's bytes, what it decodes to, and the knob it was made with."""

    n_bytes: int
    decoded: Array
    quality: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Coder:
    """One codec with a knob.

    ``bounded``: the knob is the largest error in sigma; else ``knob`` says what it is. ``sized``: also run at equal
    size, not only at equal bound (of two modes of one codec one is enough). ``rising``: bytes grow with it.
    ``direct``: it is the size itself, in bits a pixel, which the codec keeps to as well as it can. ``limits`` of the
    knob bound the search for a size, which goes by its logarithm if ``logarithmic``.
    """

    name: str
    variant: str
    setting: str
    version: str
    knob: str
    run: Callable[[Array, float], tuple[int, Array]]
    limits: tuple[float, float]
    bounded: bool = False
    sized: bool = True
    rising: bool = False
    direct: bool = False
    logarithmic: bool = True

    def code(self, samples: Array, quality: float) -> Coded:
        """Make a round trip; Unsupported if the codec has no such mode."""
        n_bytes, decoded = self.run(samples, quality)
        return Coded(n_bytes, decoded, quality)


def bounded_coder(name: str, rival: Rival, *, sized: bool) -> Coder:
    """Return a bounded rival with its knob in sigma of the image."""

    def run(samples: Array, quality: float) -> tuple[int, Array]:
        data = rival.encode(samples, max_error=quality * sigma(samples))
        return len(data), rival.decode(data, shape=samples.shape, dtype=samples.dtype)

    return Coder(
        name=name, variant="bounded", setting=rival.setting, version=rival.version(), knob="largest error / sigma",
        run=run, limits=(1 / 64, 24.0), bounded=True, sized=sized,
    )  # fmt: skip


def lossless_coder() -> Coder:
    """Return radcodec lossless, the control: nothing may change."""
    rival = Radcodec(verify=False)

    def run(samples: Array, quality: float) -> tuple[int, Array]:
        data = rival.encode(samples, max_error=None)
        return len(data), rival.decode(data, shape=samples.shape, dtype=samples.dtype)

    return Coder(
        name="radcodec lossless", variant="", setting=rival.setting, version=rival.version(), knob="", run=run,
        limits=(1.0, 1.0), sized=False,
    )  # fmt: skip


def rated_coder(name: str, rival: LossyRival) -> Coder:
    """Return a codec with a ladder of qualities; radcodec keeps to a rate by itself, others are searched."""

    def run(samples: Array, quality: float) -> tuple[int, Array]:
        data = rival.encode(samples, quality)
        return len(data), rival.decode(data, shape=samples.shape, dtype=samples.dtype)

    rising = rival.knob in ("bit-rate", "level")
    low, high = min(rival.qualities), max(rival.qualities)
    # What is no fixed list of levels may go beyond the ladder that the other track measures.
    limits = (low / 4, high * 4) if rival.knob in ("RMSE of y", "largest error of y", "step") else (low, high)
    return Coder(
        name=name, variant=rival.variant, setting=rival.setting, version=rival.version(), knob=rival.knob, run=run,
        limits=limits, rising=rising, direct=isinstance(rival, RadcodecBitRate), logarithmic=rival.knob != "level",
    )  # fmt: skip


def dithered(inner: Coder) -> Coder:
    """Return a coder that adds a known uniform noise before coding and takes it away after decoding."""

    def run(samples: Array, quality: float) -> tuple[int, Array]:
        if samples.dtype.kind != "f":
            raise Unsupported("floats only")
        amplitude = DITHER_AMPLITUDE * sigma(samples)
        noise = np.random.default_rng(1).uniform(-amplitude, amplitude, samples.shape)
        n_bytes, decoded = inner.run((samples + noise).astype(samples.dtype), quality)
        return n_bytes, (decoded - noise).astype(samples.dtype)

    return Coder(
        name=f"{inner.name} + dither", variant=inner.variant, version=inner.version, knob=inner.knob, run=run,
        setting=f"{inner.setting}; uniform noise of +-{DITHER_AMPLITUDE:g} sigma added, subtracted",
        limits=inner.limits, rising=inner.rising, direct=inner.direct,
    )  # fmt: skip


def coder_makers() -> dict[str, Callable[[], Coder]]:
    """Return what makes each coder, by name, the control first; a maker raises if its codec is not installed."""
    rivals = all_rivals()
    steps: dict[str, Rival] = {
        "radcodec": Radcodec(verify=False),
        "radcodec dither": Radcodec(verify=False, dither=True),
        "radcodec smallest": Radcodec(verify=False, smallest=True),
        "fpack": FpackSteps(dither=False),
        "fpack dither": FpackSteps(dither=True),
    }
    # These have a lossy mode of their own for equal sizes.
    others = {name: rivals[name] for name in ("sz3", "sperr", "zfp", "jpeg2000-9/7")}
    makers: dict[str, Callable[[], Coder]] = {"radcodec lossless": lossless_coder}
    makers |= {
        name: partial(bounded_coder, name, rival, sized=name in steps) for name, rival in (steps | others).items()
    }
    ours: dict[str, LossyRival] = {
        "radcodec lossy": RadcodecBitRate(),
        "radcodec general-v0": RadcodecBitRate("general-v0"),
    }
    wanted = ("vae", "ae", "jpeg2000", "jpegxl", "sperr", "sz3", "zfp")
    found: dict[str, LossyRival] = {rival.name: rival for rival in best_variants(lossy_rivals())}
    lossy = ours | {f"{name} lossy": found[name] for name in wanted if name in found}
    makers |= {name: partial(rated_coder, name, rival) for name, rival in lossy.items()}
    makers["radcodec lossy + dither"] = lambda: dithered(makers["radcodec lossy"]())
    return makers


def model_coder(path: str) -> Coder:
    """Return radcodec's lossy mode with the model in a folder."""
    from radcodec.base.store import load_model

    return rated_coder(f"radcodec {load_model(path).name}", RadcodecBitRate(path))


def make_coders(names: Iterable[str]) -> list[Coder]:
    """Make the coders of these names that are installed; name missing ones on standard error."""
    makers, found = coder_makers(), []
    for name in names:
        try:
            found.append(makers[name]() if name in makers or "/" not in name else model_coder(name))
        except (ImportError, OSError) as err:
            print(f"missing: {name} ({err})", file=sys.stderr)
    return found


def best_variants(rivals: Iterable[LossyRival]) -> list[LossyRival]:
    """Keep the companded variant of each rival, and JPEG XL's of half contrast, which has less error mostly."""
    kept: dict[str, LossyRival] = {}
    for rival in rivals:
        if rival.name != "radcodec" and (rival.name not in kept or rival.variant.startswith("companded")):
            kept[rival.name] = rival
    return list(kept.values())


def at_size(coder: Coder, samples: Array, bits: float, start: float | None = None) -> Coded | None:
    """Find the largest stream of at most ``bits`` a pixel; None if no stream is so small.

    ``start``: a knob to try first. The search ends within ``TOLERANCE`` of the size, or after ``MAX_TRIES``.
    """
    if coder.direct:
        coded = _try(coder, samples, bits)
        return coded if coded and 8 * coded.n_bytes <= bits * samples.size else None
    if start is None and coder.knob == "bit-rate":
        start = bits
    if start is None and not coder.bounded and samples.ndim == 2 and samples.size > 2 * CROP**2:
        corner = [(side - min(side, CROP)) // 2 for side in samples.shape]
        crop = np.ascontiguousarray(samples[corner[0] : corner[0] + CROP, corner[1] : corner[1] + CROP])
        near = at_size(coder, crop, bits) if sigma(crop) > 0 else None
        start = near.quality if near else None
    return _search(coder, samples, bits * samples.size / 8, start)


def _search(coder: Coder, samples: Array, target: float, start: float | None) -> Coded | None:
    """Close in on the target from both sides, as ``at_size`` asks."""
    low, high = (math.log(limit) for limit in coder.limits) if coder.logarithmic else coder.limits
    x = 0.5 * (low + high) if start is None else math.log(start) if coder.logarithmic else start
    x = min(max(x, low), high)
    # Knob and log of bytes over target, of the nearest streams below it and above it.
    small: tuple[float, float] | None = None
    large: tuple[float, float] | None = None
    best: Coded | None = None
    for _ in range(MAX_TRIES):
        coded = _try(coder, samples, math.exp(x) if coder.logarithmic else x)
        excess = math.log(coded.n_bytes / target) if coded else 3.0
        if coded and excess <= 0:
            best = coded if best is None or coded.n_bytes > best.n_bytes else best
            small = (x, excess)
            if excess >= math.log(1 - TOLERANCE):
                break
        else:
            large = (x, excess)
        following = min(max(_next(small, large, coder.rising), low), high)
        if following == x:
            break
        x = following
    return best


def _next(small: tuple[float, float] | None, large: tuple[float, float] | None, rising: bool) -> float:
    """Return the next knob: where the line through both ends meets a point below the target, kept off the ends."""
    aim = -TOLERANCE / 2
    if small and large:
        share = (aim - small[1]) / (large[1] - small[1])
        return small[0] + min(max(share, 0.08), 0.92) * (large[0] - small[0])
    known = small or large
    assert known is not None
    # Bytes are taken to go as the knob itself, and a little beyond, so that the target is bracketed.
    return known[0] + (1.2 if rising else -1.2) * (aim - known[1])


def _try(coder: Coder, samples: Array, quality: float) -> Coded | None:
    try:
        return coder.code(samples, quality)
    except Unsupported:
        return None

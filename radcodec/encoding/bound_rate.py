"""Bounded images of a given size: the bound that a file keeps to a bit-rate with, or whether a given one does.

A bit-rate counts the whole file. Bounds are compared by the bytes of their images. The file of the first try says what
else a file holds. The last file is counted again, and smaller images are made where it is too large.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from radcodec.encoding.bound_search import BoundSearch, Point, next_value
from radcodec.encoding.bound_spec import MOST_SIGMA, BoundKind
from radcodec.encoding.coded_image import CodedImage
from radcodec.encoding.coded_set import CodedSet, code_set
from radcodec.encoding.image_plan import SourceImage
from radcodec.encoding.options import Bounded, EncodeOptions, most_bytes
from radcodec.encoding.rate_sample import Sample, take_samples
from radcodec.errors import BoundError

FORCED_SIGMA = 1e6  # largest bound that is tried where one over 10 sigma is allowed
SAMPLE_EFFORT = 1
SAMPLE_TURNS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundRate:
    """Images whose file is to be held against a bit-rate.

    ``search`` is None where the bound is given. ``overhead`` is the bytes of a file beside its images; None before the
    first file is known. ``best`` are the images of bound ``value``: the best so far, or else the one tried last.
    """

    asked: Bounded
    options: EncodeOptions
    sources: Sequence[SourceImage] = field(repr=False)
    seed: int
    best: CodedSet = field(repr=False)
    value: float = 0.0
    search: BoundSearch | None = None
    overhead: int | None = None

    @property
    def n_pixels(self) -> int:
        """Number of pixels of the file."""
        return _count_pixels(self.sources)

    @property
    def target(self) -> int:
        """Bytes that the file may have."""
        return most_bytes(self.asked.bpp or 0.0, self.n_pixels)


def start_rate(sources: Sequence[SourceImage], options: EncodeOptions, seed: int, asked: Bounded) -> BoundRate:
    """Code the images of a file with the given bound, or with the first one to try; errors as `encode_images`."""
    rate = BoundRate(asked=asked, options=options, sources=sources, seed=seed, best=CodedSet(images=()))
    if not asked.is_auto or not rate.n_pixels:
        return replace(rate, best=code_set(sources, options, seed))
    most = FORCED_SIGMA if asked.bound.force else MOST_SIGMA
    search = BoundSearch(room=rate.target, n_pixels=rate.n_pixels, most=most)
    search = _from_sample(search, take_samples(sources), options)
    return _try_next(replace(rate, search=search))


def next_set(rate: BoundRate, size_bytes: int) -> BoundRate | None:
    """Find the images of the smallest bound that fits, by the size of the last file; None where that file stands.

    Raises
    ------
    BoundError
        If the file of a given bound, or of the largest bound, is too large.
    """
    if rate.search is None:
        if rate.n_pixels and size_bytes > rate.target:
            raise _too_large(rate, size_bytes)
        return None
    first = rate.overhead is None
    if not first and size_bytes <= rate.target:
        return None
    overhead = size_bytes - _image_bytes(rate.best) if first else (rate.overhead or 0) + size_bytes - rate.target
    search = replace(rate.search, room=rate.target - overhead)
    rate = replace(rate, overhead=overhead, search=search)
    n_points = len(search.points)
    while next_value(search) is not None:
        rate = _try_next(rate)
        search = rate.search or search
    best = search.best
    if best is None:
        raise _unreachable(rate, search)
    if first and len(search.points) == n_points:
        return None
    return rate if best.value == rate.value else replace(rate, best=_code_at(rate, best.value), value=best.value)


def _try_next(rate: BoundRate) -> BoundRate:
    """Code the images with the next bound, and keep them where they are the best ones."""
    search = rate.search
    value = None if search is None else next_value(search)
    if search is None or value is None:
        return rate
    tried = _code_at(rate, value)
    point = Point(value, _image_bytes(tried), _is_exact(tried.images))
    search = replace(search.with_point(point), unit=search.unit or _unit(tried.images))
    if rate.best.images and search.best is not None and search.best is not point:
        return replace(rate, search=search)
    return replace(rate, search=search, best=tried, value=value)


def _code_at(rate: BoundRate, value: float) -> CodedSet:
    """Code the images with a bound in sigma."""
    is_first = rate.search is None or not rate.search.points
    options = rate.options if is_first else replace(rate.options, progress=None)
    tried = code_set(_with_bound(rate.sources, value), options, rate.seed)
    if not _is_exact(tried.images):
        return tried
    return replace(
        tried, warnings=(f"the exact image fits into {rate.asked.bpp:g} bits a pixel: it is stored exactly",)
    )


def _is_exact(images: Sequence[CodedImage]) -> bool:
    return all(image.record.bound is None for image in images)


def _with_bound(sources: Sequence[SourceImage], value: float) -> list[SourceImage]:
    """Give the images that are not exact a bound in sigma."""
    return [
        replace(source, fidelity=replace(source.fidelity, bound=replace(source.fidelity.bound, value=value)))
        if isinstance(source.fidelity, Bounded)
        else source
        for source in sources
    ]


def _count_pixels(sources: Sequence[SourceImage]) -> int:
    return sum(source.pixels.size for source in sources)


def _image_bytes(coded: CodedSet) -> int:
    return sum(image.size_bytes() for image in coded.images)


def _unit(images: Sequence[CodedImage]) -> float:
    """Compute the bound in sigma that is one unit of integers; 0 for other images."""
    bounded = [image.coding for image in images if image.record.bound is not None]
    if len(bounded) != 1 or bounded[0].record.sample_type.is_float or not bounded[0].bounds.everywhere > 0:
        return 0.0
    record = bounded[0].record
    # A little more, so that the product with the noise is not under it.
    return (1.0 + 2.0**-40) * abs(record.bscale) / record.sigma if record.sigma else 0.0


def _from_sample(search: BoundSearch, samples: Sequence[Sample], options: EncodeOptions) -> BoundSearch:
    """Start a search from what a sample of the images takes: many tries at little effort, then one at all of it."""
    if not samples:
        return search
    quick = replace(options, effort=min(options.effort, SAMPLE_EFFORT), progress=None, verify=False)

    def measure(value: float, options: EncodeOptions) -> Point:
        coded = code_set(_with_bound([sample.source for sample in samples], value), options, 0).images
        size = sum(image.size_bytes() * sample.ratio for image, sample in zip(coded, samples, strict=True))
        return Point(value, round(size), _is_exact(coded))

    found = search
    for _ in range(SAMPLE_TURNS):
        value = next_value(found)
        if value is None:
            break
        found = found.with_point(measure(value, quick))
    best = found.best or found.smallest
    slope = found.slope_here
    if best.is_exact or quick.effort == options.effort:
        return replace(search, first=best.value, slope=slope)
    whole = measure(best.value, replace(options, progress=None, verify=False))
    first = replace(search, slope=slope, points=(whole,)).expected
    return replace(search, first=min(max(first, best.value / 4), best.value * 4, search.most), slope=slope)


def _rate_of(rate: BoundRate, size_bytes: int) -> float:
    return math.ceil(80000 * size_bytes / max(rate.n_pixels, 1)) / 10000


def _too_large(rate: BoundRate, size_bytes: int) -> BoundError:
    """Say what a given bound takes."""
    bound, needed = rate.asked.bound, _rate_of(rate, size_bytes)
    text = bound.text or f"{bound.value:g}{'' if bound.kind is BoundKind.ABSOLUTE else bound.kind.value}"
    return BoundError(
        f"expected a file of at most {rate.asked.bpp:g} bits a pixel, found {needed:g} at a largest error of {text}: "
        "give as many, a larger error, or --max-error auto (max_error='auto') for the smallest one that fits"
    )


def _unreachable(rate: BoundRate, search: BoundSearch) -> BoundError:
    """Say what the largest bound takes."""
    point = search.smallest
    needed = _rate_of(rate, point.size + (rate.overhead or 0))
    what = "exact images take" if point.is_exact else f"a bound of {point.value:g} sigma takes"
    force = "" if rate.asked.bound.force or point.is_exact else "; coarser bounds need --force (force=True)"
    return BoundError(f"expected at least {needed:g} bits a pixel, which {what}, found {rate.asked.bpp:g}{force}")

"""Values that stand for missing pixels: found once for a whole image, whatever shape the missing areas have.

A fill value repeats, bit for bit, far more often than its neighbours in value do. In an image of continuous values that
is enough. In one whose values repeat anyway (counts, scaled integers) it must also lie far outside the rest, or be 0
in areas. A trial then finds whether marking such zeros saves bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import zstandard

from radcodec.arrays import median
from radcodec.limits import MAX_WHOLE_BITMAP
from radcodec.pixels.pieces import pieces

Pixels = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

LEAST_SAMPLES, MOST_SAMPLES, SAMPLED_SHARE = 1 << 16, 1 << 19, 1 / 64
LEAST_COUNT = 4  # samples that a fill value has at least
SPIKE = 6  # times as many as the median of its neighbours in value have
NEIGHBOURS = 8  # values to each side
MOST_VALUES = 8
LEAST_LONE = 8  # samples of an image of zeros alone: fewer are shorter as they are
MOST_INSIDE = 3  # of values within the range of the others, continuous ones
CONTINUOUS = 0.5  # share of the other samples that occur once
FAR = 3.0  # distance from the median, in that of the farthest other value on its side
STEPS_FAR = 8.0  # from the nearest other value, in the median distance between these
LONE_SHARE = 0.01  # of samples beyond the sampled range, up to which they are looked at one by one
MOST_LONE = 1 << 22  # of them in a large image
AREA = 0.5  # bits of a packed bitmap, in those of as many marks scattered at random, from which marks lie in areas
WORTH_TRYING = 0.9  # the same ratio, up to which a lossless image may be smaller with them marked
MOST_ZEROS = (0.5, 0.75)  # share of zeros from which they are worth trying and marking wherever they lie
FREQUENT = 1 / 64  # share of zeros of an image of floats that are looked at in any case
IN_BAND_BITS = 8.0  # about what one more sample of a lossless image takes
STREAM_BITS = 200.0  # of a mask stream beside its marks


@dataclass(frozen=True, slots=True, kw_only=True)
class Fills:
    """Fill values of an image: ``sure`` ones, and ``doubtful`` ones that are worth marking where it saves bits."""

    sure: tuple[Any, ...] = ()
    doubtful: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """Sorted distinct values [n] of an evenly spread sample of the known pixels, and how often each occurs."""

    values: Pixels
    counts: npt.NDArray[np.int64]

    @property
    def spikes(self) -> npt.NDArray[np.int64]:
        """Places of the values that occur far more often than their neighbours, and of zeros, most frequent first."""
        top = np.argsort(-self.counts, kind="stable")[: 4 * MOST_VALUES]
        found = [place for place in top.tolist() if self._is_spike(place) or self._is_frequent_zero(place)]
        return np.array(found[:MOST_VALUES], np.int64)

    def _is_frequent_zero(self, place: int) -> bool:
        frequent = self.counts[place] > FREQUENT * self.counts.sum()
        return bool(self.values.dtype.kind == "f" and self.values[place] == 0 and frequent)

    def _is_spike(self, place: int) -> bool:
        count = int(self.counts[place])
        if count < LEAST_COUNT:
            return False
        around = np.concatenate(
            [self.counts[max(0, place - NEIGHBOURS) : place], self.counts[place + 1 : place + 1 + NEIGHBOURS]]
        )
        return around.size == 0 or bool(count >= SPIKE * median(around))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Usual:
    """The median of an image's other samples, and their sorted distinct values [n]."""

    middle: float
    values: npt.NDArray[np.float64]

    def is_far(self, value: float) -> bool:
        """Say whether a value is far from the rest, as the rest is spread on its side and spaced."""
        low, high = float(self.values[0]), float(self.values[-1])
        if low <= value <= high or self.values.size < 2:
            return False
        edge = low if value < low else high
        spacing = median(np.diff(self.values))
        return abs(value - self.middle) > FAR * abs(edge - self.middle) and abs(value - edge) > STEPS_FAR * spacing


def matches(image: Pixels, value: Any) -> Mask:
    """Say which samples are a value; a zero is +0.0 alone, as -0.0 is special anyway."""
    same: Mask = image == value
    if value == 0 and image.dtype.kind == "f" and same.any():
        same &= ~np.signbit(image)
    return same


def find_fills(image: Pixels, special: Mask | None, *, exact: bool, in_steps: bool) -> Fills:
    """Find the fill values of an image.

    Parameters
    ----------
    image
        Stored samples, native [P, H, W].
    special
        Bool [P, H, W]: which do not count, as they are NaN or special in another way; None for none.
    exact
        Whether the image is coded losslessly, so that nothing but its size matters.
    in_steps
        Whether its other samples become multiples of a whole step, which zeros are anyway.
    """
    if image.size == 0:
        return Fills()
    sample = _take_sample(image, special)
    if sample.values.size < 2:
        return _lone_zero(image, sample)
    spikes = sample.spikes
    rest = np.ones(sample.values.size, np.bool_)
    rest[spikes] = False
    if not rest.any():
        return _lone_zero(image, sample)
    values, counts = sample.values[rest], sample.counts[rest]
    continuous = float(counts[counts == 1].sum()) > CONTINUOUS * float(counts.sum())
    middle = median(np.repeat(values, np.minimum(counts, 64)).astype(np.float64))
    usual = _Usual(middle=middle, values=values.astype(np.float64))
    sure: list[Any] = []
    inside: list[Any] = []
    doubtful: list[Any] = []
    for value in dict.fromkeys([*sample.values[spikes], *_beyond(image, special, sample, rest, middle)]):
        if usual.is_far(float(value)):
            sure.append(value)
            continue
        if continuous:
            if not exact or _saves_bits(_pack(image, value)):
                inside.append(value)
        elif value == 0 and not in_steps:
            share, area = _shares(_pack(image, value), image.size)
            if exact and (area < WORTH_TRYING or share > MOST_ZEROS[0]):
                doubtful.append(value)
            elif not exact and (area < AREA or share > MOST_ZEROS[1]):
                sure.append(value)
    if len(inside) > MOST_INSIDE:  # pieces of one value each, not missing ones
        inside = [value for value in inside if value == 0]
    return Fills(sure=(*sure, *inside), doubtful=tuple(doubtful))


def _lone_zero(image: Pixels, sample: _Sample) -> Fills:
    """Mark the zeros of an image without other values: exact zeros cost nothing as a mask."""
    worth = image.dtype.kind == "f" and image.size >= LEAST_LONE and sample.values.size > 0
    if worth and bool((sample.values == 0).any()):
        return Fills(sure=(image.dtype.type(0),))
    return Fills()


def _take_sample(image: Pixels, special: Mask | None) -> _Sample:
    """Take a sample of the known pixels, whose stride has no factor in common with the rows: all columns are met."""
    wanted = min(max(LEAST_SAMPLES, int(image.size * SAMPLED_SHARE)), MOST_SAMPLES)
    stride = max(1, image.size // wanted)
    while math.gcd(stride, image.shape[2]) > 1:
        stride += 1
    flat = image.reshape(-1)[::stride]
    if special is not None:
        flat = flat[~special.reshape(-1)[::stride]]
    values, counts = np.unique(flat, return_counts=True)
    return _Sample(values=values, counts=counts)


def _beyond(image: Pixels, special: Mask | None, sample: _Sample, rest: Mask, middle: float) -> list[Any]:
    """Find values of a few pixels far outside that the sample misses; each occurs more than once, beyond others."""
    low, high = float(sample.values[rest][0]), float(sample.values[rest][-1])
    low, high = middle - FAR * (middle - low), middle + FAR * (high - middle)
    found: list[Any] = []
    dtype = image.dtype.type
    with np.errstate(all="ignore"):
        limits = np.array([low, high]).astype(image.dtype) if image.dtype.kind == "f" else _whole(low, high, image)
    lone = _outside(image, special, limits, min(int(LONE_SHARE * image.size), MOST_LONE) + LEAST_COUNT)
    if not lone.size:
        return found
    values, counts = np.unique(lone, return_counts=True)
    repeated = counts >= LEAST_COUNT
    others = values[~repeated].astype(np.float64)
    for value in values[repeated][np.argsort(-counts[repeated], kind="stable")][:MOST_VALUES]:
        side = np.abs(others[(others < middle) == (float(value) < middle)] - middle)
        if abs(float(value) - middle) > FAR * float(side.max(initial=0.0)):
            found.append(dtype(value))
    return found


def _outside(image: Pixels, special: Mask | None, limits: Any, most: int) -> Pixels:
    """Collect the known samples [n] outside of limits; none where there are more than ``most``."""
    flat, found, count = image.reshape(-1), [image.reshape(-1)[:0]], 0
    for piece in pieces(flat.size):
        outside = (flat[piece] < limits[0]) | (flat[piece] > limits[1])
        if special is not None:
            outside &= ~special.reshape(-1)[piece]
        found.append(flat[piece][outside])
        count += found[-1].size
        if count > most:
            return found[0]
    return np.concatenate(found)


def _whole(low: float, high: float, image: Pixels) -> list[int]:
    limits = np.iinfo(image.dtype)
    return [max(limits.min, math.floor(max(low, -(2.0**62)))), min(limits.max, math.ceil(min(high, 2.0**62)))]


def _pack(image: Pixels, value: Any) -> tuple[int, int]:
    """Count the samples that are a value, and the bits of a packed bitmap of them."""
    flat, count, bitmap = image.reshape(-1), 0, bytearray()
    packer = zstandard.ZstdCompressor(level=3)
    # Pieces that are packed in turn take hardly other bits than all in one go, but not the same.
    frame = packer.compressobj(size=-(-flat.size // 8)) if flat.size > MAX_WHOLE_BITMAP else None
    size = 0
    for piece in pieces(flat.size):
        marked = matches(flat[piece], value)
        count += int(np.count_nonzero(marked))
        bits = np.packbits(marked).tobytes()
        if frame is None:
            bitmap += bits
        else:
            size += len(frame.compress(bits))
    return count, 8 * (len(packer.compress(bitmap)) if frame is None else size + len(frame.flush()))


def _shares(packed: tuple[int, int], n_samples: int) -> tuple[float, float]:
    """Give the share of samples that are marked, and the bits of their bitmap in those of as many scattered marks.

    The latter is small for marks in areas or lines.
    """
    count, bits = packed
    share = count / n_samples
    if not 0 < share < 1:
        return share, 0.0
    entropy = -share * math.log2(share) - (1 - share) * math.log2(1 - share)
    return share, bits / (n_samples * entropy)


def _saves_bits(packed: tuple[int, int]) -> bool:
    """Say whether marks take fewer bits than the samples would in a lossless image of continuous values."""
    count, bits = packed
    return bits + STREAM_BITS < IN_BAND_BITS * count

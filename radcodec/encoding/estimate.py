"""Estimate the size, noise and time of each mode on a sample of an image."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.coding.samples import native
from radcodec.container.meta import ImageRecord
from radcodec.container.reader import Reader
from radcodec.decoding.image import decode_image, open_image
from radcodec.decoding.tile import Pixels
from radcodec.encoding.array_file import encode_array
from radcodec.encoding.bound_spec import BoundKind, BoundSpec
from radcodec.encoding.inputs import plain_array
from radcodec.encoding.options import Bounded, EncodeOptions, Fidelity, Lossless, Lossy
from radcodec.encoding.plane_noise import measure
from radcodec.encoding.special import all_marks, find_special
from radcodec.errors import ModelError, UnsupportedDataError
from radcodec.fits.arrays import stored_box, stored_samples
from radcodec.fits.parse import FitsBuffer, parse_fits
from radcodec.fits.source import FitsSource
from radcodec.fits.tile_compressed import no_image
from radcodec.pixels.tiles import Box, TileOption, count_tiles, plane_shape, tile_grid, tile_sides
from radcodec.runtime.parallel import ordered_map
from radcodec.types import Hdu, ImageInfo, SampleType

_BOUNDS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)  # largest errors that are tried, in sigma
# Enough for two digits of the rate, a second of work.
_SAMPLE_TILES = 4
_SAMPLE_SIDE = 256
_SMALL_PIXELS = 2 * _SAMPLE_TILES * _SAMPLE_SIDE * _SAMPLE_SIDE
# Exact images and this bound take little less with more effort. Others are measured, as this one is again, on a part of
# the sample with less effort, and their rates are scaled. Coarse bounds have a base layer: effort matters little.
_MAIN_BOUND, _MAIN_EFFORT = 1 / 8, 4
_COARSE, _COARSE_EFFORT = 1 / 2, 1
_AGAIN = ("bounded", -_MAIN_BOUND)  # the main bound on the part
_PART_SIDE = 160
_LEAST_PART_SIDE = 64
_PART_EFFORT = 2


def _sample_boxes(shape: tuple[int, ...]) -> list[Box]:
    """Choose boxes of one size that stand for planes of this shape: all of a small one, else tiles evenly spread."""
    n_planes, height, width = shape
    grid = tile_grid(shape, tile_sides(shape, _SAMPLE_SIDE))
    if n_planes * height * width <= _SMALL_PIXELS or grid.n_tiles <= 1:
        return [(0, n_planes, 0, height, 0, width)]
    chosen = [(2 * place + 1) * grid.n_tiles // (2 * _SAMPLE_TILES) for place in range(_SAMPLE_TILES)]
    boxes = [grid.box(tile) for tile in dict.fromkeys(chosen)]
    p, h, w = (min(box[2 * axis + 1] - box[2 * axis] for box in boxes) for axis in range(3))
    return [(p0, p0 + p, y0, y0 + h, x0, x0 + w) for p0, _, y0, _, x0, _ in boxes]


def _sample(image: Pixels) -> Pixels:
    """Cut out the boxes of an image [P, H, W] that are measured, as planes that follow each other."""
    parts = [image[p0:p1, y0:y1, x0:x1] for p0, p1, y0, y1, x0, x1 in _sample_boxes(image.shape)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _part(sample: Pixels) -> Pixels:
    """Cut out the part of a sample on which most bounds are tried; all of it where that is hardly more.

    It ends in the middle, so that it has a quarter of a source there.
    """
    n_planes, height, width = sample.shape
    h, w = (min(-(-n // 2), _PART_SIDE) for n in (height, width))
    p = max(1, min(n_planes, _PART_SIDE * _PART_SIDE // (h * w)))
    if sample.size < 2 * p * h * w or min(h, w) < _LEAST_PART_SIDE:
        return sample
    p0, y0, x0 = (n_planes - p) // 2, -(-height // 2) - h, -(-width // 2) - w
    return np.ascontiguousarray(sample[p0 : p0 + p, y0 : y0 + h, x0 : x0 + w])


def _read_sample(data: FitsBuffer, hdu: Hdu, info: ImageInfo) -> Pixels:
    """Read the boxes of an image HDU that are measured, native samples; of a file no others are read."""
    n_planes, height, width = plane_shape(info.shape)
    boxes = _sample_boxes((n_planes, height, width))
    if len(boxes) == 1:
        return stored_samples(data, hdu).reshape(n_planes, height, width)
    return np.concatenate([stored_box(data, hdu, box) for box in boxes])


def _sample_tile(tile: TileOption) -> TileOption:
    """Turn sides along each axis of an image into those along the three axes of a sample."""
    if isinstance(tile, int):
        return tile
    x, y, *others = (*tile, 1)[: max(2, len(tile))]
    return x, y, math.prod(others)


def _first_image(source: FitsSource, tile: TileOption) -> tuple[Pixels, ImageRecord, int]:
    """Read a sample of the first image of a FITS file: stored samples [P, H, W], its record, its number of pixels."""
    hdus = parse_fits(source.data)
    hdu = next((hdu for hdu in hdus if hdu.image is not None), None)
    if hdu is None or hdu.image is None:
        raise no_image(hdus, "there is nothing to estimate")
    info = hdu.image
    sample = _read_sample(source.data, hdu, info)
    source.check_unchanged()
    record = ImageRecord(
        sample_type=info.sample_type,
        shape=sample.shape,
        sides=tile_sides(sample.shape, tile),
        bscale=info.bscale,
        bzero=info.bzero,
        blank=info.blank,
        unit=info.unit,
    )
    return sample, record, math.prod(info.shape)


def _array_image(array: npt.NDArray[Any], tile: TileOption) -> tuple[Pixels, ImageRecord, int]:
    """Do as `_first_image` for an array; raises UnsupportedDataError for one without pixels or of an unknown type."""
    if not array.size:
        raise UnsupportedDataError(f"expected an array with pixels, found the axes {array.shape}: nothing to estimate")
    if array.dtype.kind not in "fiu" or array.dtype.str[1:].upper() not in SampleType.__members__:
        raise UnsupportedDataError(
            f"expected an array of integers of 8 to 64 bits, float32 or float64, found {array.dtype}: convert it first"
        )
    sample = _sample(array.reshape(plane_shape(array.shape)))
    samples = native(sample)
    sample_type = SampleType[samples.dtype.str[1:].upper()]
    sides = tile_sides(samples.shape, tile)
    return samples, ImageRecord(sample_type=sample_type, shape=samples.shape, sides=sides), array.size


def _ladder(sigma: float) -> list[tuple[str, float, Fidelity]]:
    """List the modes to try: name, bound in sigma, and fidelity. Without noise no bound in sigma has a meaning."""
    bounds = [(step, BoundSpec(kind=BoundKind.SIGMA, value=step)) for step in _BOUNDS if sigma > 0]
    bounded: list[tuple[str, float, Fidelity]] = [("bounded", step, Bounded(bound=bound)) for step, bound in bounds]
    return [("lossless", 0.0, Lossless()), *bounded, ("lossy", 0.0, Lossy())]


def estimate_ladder(
    src: FitsSource | npt.NDArray[Any], *, tile: TileOption, model: str | None, threads: int
) -> list[dict[str, Any]]:
    """Measure each mode on a sample, one dict a mode, as `radcodec.estimate` describes; errors as there."""
    tile = _sample_tile(tile)
    if isinstance(src, FitsSource):
        sample, record, n_pixels = _first_image(src, tile)
    else:
        sample, record, n_pixels = _array_image(plain_array(src), tile)
    special = all_marks(find_special(sample, record, exact=False))
    sigmas = [measure(sample, special, plane) for plane in range(len(sample))]
    sigma = float(np.median([value for value in sigmas if value > 0] or [0.0]))
    part = _part(sample)
    tries = _tries(sample, part, sigma, EncodeOptions(tile=tile, threads=threads, model=model))
    # Threads share the tiles of a sample, or the tries of a sample of one tile.
    one_tile = tile_grid(sample.shape, tile_sides(sample.shape, tile)).n_tiles == 1
    inner, outer = (1, threads) if one_tile else (threads, 1)

    def measured(one: _Try) -> _Rung | None:
        try:
            return _measure(one.pixels, replace(one.options, threads=inner), sigma)
        except ModelError:
            return None  # without a base layer there is no lossy mode

    rungs = dict(zip([one.key for one in tries], ordered_map(measured, tries, outer), strict=True))
    again = rungs.pop(_AGAIN, None)
    found = {key: rung for key, rung in rungs.items() if rung is not None}
    if again is not None and ("bounded", _MAIN_BOUND) in found:
        _scale(found, again)
    _keep_exact(found)
    return [
        {
            "mode": mode,
            "max_error": step * sigma * abs(record.bscale) if step else None,
            "max_error_sigma": step or None,
            "bits_per_pixel": rung.rate + rung.fixed / sample.size,
            "noise_added_percent": rung.noise,
            "seconds": rung.seconds * n_pixels,
        }
        for (mode, step), rung in found.items()
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Try:
    """Pixels [P, H, W] to encode with some options, for a mode and its bound in sigma."""

    key: tuple[str, float]
    pixels: Pixels
    options: EncodeOptions


def _tries(sample: Pixels, part: Pixels, sigma: float, options: EncodeOptions) -> list[_Try]:
    """List what is encoded: each mode on the sample or on a part, and the main bound on the part as well."""
    out = []
    options = replace(options, rough=True)
    for mode, step, fidelity in _ladder(sigma):
        if isinstance(fidelity, Bounded) and len(sample) == 1:
            fidelity = replace(fidelity, sigma=sigma)  # which is not measured again then
        full = replace(options, fidelity=fidelity, effort=_COARSE_EFFORT if step >= _COARSE else _MAIN_EFFORT)
        whole = part is sample or step in (0.0, _MAIN_BOUND) or step >= _COARSE
        out.append(
            _Try(key=(mode, step), pixels=sample if whole else part, options=full if whole else _on_part(full, sigma))
        )
        if part is not sample and step == _MAIN_BOUND:
            out.append(_Try(key=_AGAIN, pixels=part, options=_on_part(full, sigma)))
    return out


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rung:
    """What a mode takes: percent of noise added (None without noise), seconds a pixel, and bits.

    rate : bits a pixel of the tiles' streams
    fixed : bits of all else in the file
    on_base : whether details are coded on a base layer
    scaled : whether the rate is that of a part with less effort
    """

    rate: float
    fixed: float
    on_base: bool
    noise: float | None
    seconds: float
    scaled: bool


def _on_part(options: EncodeOptions, sigma: float) -> EncodeOptions:
    """Take options for a part: less effort, and the noise of the whole sample."""
    fidelity = options.fidelity
    if isinstance(fidelity, Bounded):
        fidelity = replace(fidelity, sigma=sigma)
    return replace(options, fidelity=fidelity, effort=_PART_EFFORT)


def _measure(sample: Pixels, options: EncodeOptions, sigma: float) -> _Rung:
    """Encode a sample and decode it again."""
    clock = time.thread_time if options.threads == 1 else time.perf_counter
    start = clock()
    encoded = encode_array(sample, options)
    data = encoded.to_bytes()
    restored = decode_image(open_image(Reader(data, count_tiles=count_tiles), 0), options.threads)
    seconds = clock() - start
    kind = SampleType[sample.dtype.str[1:].upper()]
    sides = tile_sides(sample.shape, options.tile)
    record = ImageRecord(sample_type=kind, shape=sample.shape, sides=sides)
    special = all_marks(find_special(sample, record, exact=False))
    streams = sum(len(s) for tiles in encoded.contents.tiles for t in tiles for s in (t.mask, t.detail, *t.stages))
    return _Rung(
        rate=8 * streams / sample.size,
        fixed=8 * (len(data) - streams),
        on_base=any(image.on_base for image in encoded.contents.meta.images),
        noise=_noise_added(sample, restored, special, sigma),
        seconds=seconds / sample.size,
        scaled=options.effort == _PART_EFFORT,
    )


def _scale(found: dict[tuple[str, float], _Rung], main: _Rung) -> None:
    """Scale the rungs of a part by what the main bound takes on all of the sample and, ``main``, on the part.

    What a base layer takes does not depend on the predictor's effort.
    """
    whole = found["bounded", _MAIN_BOUND]
    for key, rung in found.items():
        if rung.scaled:
            rate = rung.rate if rung.on_base or not main.rate > 0.0 else rung.rate * whole.rate / main.rate
            seconds = max(rung.seconds - main.seconds, 0.0) + whole.seconds
            found[key] = replace(rung, rate=rate, seconds=seconds)


def _keep_exact(found: dict[tuple[str, float], _Rung]) -> None:
    """Take the exact rung for bounds that save nothing, as the encoder does. Rough looks do not compare them."""
    exact = found["lossless", 0.0]
    for key, rung in found.items():
        if key[0] == "bounded" and rung.rate >= exact.rate:
            found[key] = replace(exact, seconds=rung.seconds)


def _noise_added(before: Pixels, after: Pixels, special: npt.NDArray[np.bool_] | None, sigma: float) -> float | None:
    """Compute by how many percent the error raises the noise, added in squares; None without noise."""
    if sigma == 0.0:
        return None
    with np.errstate(invalid="ignore"):
        error = after.astype(np.float64) - before.astype(np.float64)
    kept = error if special is None else error[~special]
    power = float(np.mean(kept * kept)) if kept.size else 0.0
    return 100 * (math.sqrt(1 + power / sigma**2) - 1)

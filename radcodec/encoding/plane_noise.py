"""The noise that bounds are planned by: of planes, of several together, or roughly of a part of one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.arrays import list_distinct
from radcodec.encoding.bound_spec import MOST_SIGMA
from radcodec.limits import MAX_PIECE_SAMPLES
from radcodec.pixels import noise
from radcodec.pixels.pieces import pieces
from radcodec.types import EarlierBound

LEAST_PIXELS = 256  # of a plane, under which its noise is no reason to refuse a bound
LOOK_SIDE = 512  # of the part of a large plane that is looked at
MASK_VALUES = 256  # different values up to which integers may be a mask or 8-bit, whose noise is not looked at
SMOOTH = 0.01  # second differences, in the noise, under which a plane is a smooth map without any
NOISELESS = 0.001  # as SMOOTH, but beyond doubt: under a beam of 12 pixels they are 0.06, of coordinates 1e-15
SMOOTH_SHARE = 0.98  # of second differences that are under it; coordinates jump from 360 degrees to 0 somewhere

Image = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundedImage:
    """What bounds are planned for.

    ``pixels`` are stored samples, native [P, H, W]; ``special``, bool [P, H, W], marks those that do not count.
    ``sigma`` is the noise to use instead of the measured one, physical units. ``earlier`` is what the header says of an
    earlier compression. ``shared_tiles``: whether tiles hold several planes.
    ``cell`` is the side of cells of a local bound; chosen by the pixels for None.
    """

    pixels: Image
    special: Mask | None
    bscale: float = 1.0
    unit: str = ""
    sigma: float | None = None
    earlier: EarlierBound | None = None
    shared_tiles: bool = False
    cell: int | None = None

    def plane(self, number: int) -> tuple[Image, Mask | None]:
        """Give the samples [H, W] of a plane, and which are special."""
        return self.pixels[number], None if self.special is None else self.special[number]

    def is_known(self, number: int) -> bool:
        """Say whether a plane has pixels that are neither blank nor special; one that is all fill value is no blank."""
        if self.special is None or not bool(self.special[number].all()):
            return True
        flat = self.pixels[number].reshape(-1)
        return flat.dtype.kind == "f" and any(bool(np.isfinite(flat[piece]).any()) for piece in pieces(flat.size))


def compare_noise(image: BoundedImage, value: float) -> tuple[float, float]:
    """Measure the noise of a plane in the middle and of the noisiest plane looked at, physical units; 0 without any.

    All planes are looked at only where the first few have less than a tenth of ``value``.
    """
    pixels = image.pixels
    if (
        pixels.dtype.kind != "f"
        and list_distinct(pixels.reshape(-1)[:: max(1, pixels.size // 65536)]).size <= MASK_VALUES
    ):
        return 0.0, 0.0
    count = len(pixels)
    typical = noisiest = 0.0
    for number in dict.fromkeys((count // 2, count // 4, count * 3 // 4, *range(count))):
        found = _rough_noise(*image.plane(number)) * abs(image.bscale)
        typical, noisiest = typical or found, max(noisiest, found)
        if noisiest * MOST_SIGMA >= value:
            break
    return typical, noisiest


def _rough_noise(plane: Image, special: Mask | None) -> float:
    """Measure the noise of a plane [H, W], of a large one in its middle; 0 without noise, or of few pixels."""
    if plane.size < LEAST_PIXELS:
        return 0.0
    y, x = (max(0, n - LOOK_SIDE) // 2 for n in plane.shape)
    for part in ((slice(y, y + LOOK_SIDE), slice(x, x + LOOK_SIDE)), (slice(None), slice(None))):
        some, marks = plane[part], None if special is None else special[part]
        sigma = noise.measure_sigma(some, marks)
        if sigma > 0 and math.isfinite(sigma):
            return 0.0 if _is_smooth(some, marks, sigma) else sigma
        if some.size == plane.size:
            break
    return 0.0


def _second_differences(plane: Image, special: Mask | None) -> npt.NDArray[np.float64]:
    """Compute the sizes [n] of the second differences along the rows of a plane [H, W] that have no special sample."""
    with np.errstate(all="ignore"):
        real = plane.astype(np.float64)
        if special is not None:
            real[special] = np.nan
        second = np.abs(real[:, 2:] - 2 * real[:, 1:-1] + real[:, :-2])
    known: npt.NDArray[np.float64] = second[np.isfinite(second)]
    return known


def _is_smooth(plane: Image, special: Mask | None, sigma: float) -> bool:
    """Say whether neighbouring samples [H, W] follow one another so closely that there is no noise.

    The median of the second differences is compared with a limit by how many are below it, as planes may be large.
    """
    least, count, below = SMOOTH * sigma, 0, 0
    under, over = 0.0, np.inf  # the values that are nearest to the limit
    rows = max(1, MAX_PIECE_SAMPLES // plane.shape[1])
    for start in range(0, plane.shape[0], rows):
        part = slice(start, start + rows)
        known = _second_differences(plane[part], None if special is None else special[part])
        is_below = known < least
        count, below = count + known.size, below + int(np.count_nonzero(is_below))
        under = float(known.max(initial=under, where=is_below))
        over = float(known.min(initial=over, where=~is_below))
    if 2 * below == count > 0:
        return 0.5 * (under + over) < least
    return 2 * below > count


def _has_no_noise(plane: Image, special: Mask | None, sigma: float) -> bool:
    """Say whether nearly all samples [H, W] follow their neighbours; those of coarse integers or steps do not."""
    known = _second_differences(plane, special)
    return known.size > 0 and float(np.quantile(known, SMOOTH_SHARE)) < NOISELESS * sigma


def measure(image: Image, special: Mask | None, plane: int) -> float:
    """Measure the noise of one plane of an image [P, H, W] in stored units; 0 where it is undefined."""
    sigma = float(noise.measure_sigma(image[plane], None if special is None else special[plane]))
    return sigma if math.isfinite(sigma) and sigma > 0 else 0.0


def measure_planes(image: BoundedImage) -> tuple[list[float], list[str]]:
    """Measure the noise of each plane, physical units, planes of few pixels together; gives warnings too."""
    pixels, count = image.pixels, len(image.pixels)
    scale = abs(image.bscale)
    if pixels[0].size < noise.MIN_SAMPLES <= pixels.size and count > 1:
        flat = (1, 1, pixels.size)
        together = measure(pixels.reshape(flat), None if image.special is None else image.special.reshape(flat), 0)
        warnings = [
            f"the noise is measured over all {count} planes together, as each has only {pixels[0].size} "
            f"pixel{'s' if pixels[0].size > 1 else ''}"
        ]
        return [together * scale] * count, warnings if together > 0 else []
    return [_noise_of(*image.plane(plane)) * scale for plane in range(count)], []


def _noise_of(plane: Image, special: Mask | None) -> float:
    """Measure the noise of a plane [H, W]; 0 where it is undefined, as in a map of coordinates."""
    sigma = measure(plane[None], None if special is None else special[None], 0)
    if plane.size < LEAST_PIXELS:
        return sigma
    y, x = (max(0, n - LOOK_SIDE) // 2 for n in plane.shape)
    part = (slice(y, y + LOOK_SIDE), slice(x, x + LOOK_SIDE))
    return 0.0 if _has_no_noise(plane[part], None if special is None else special[part], sigma) else sigma

"""The largest error that each pixel may have: from what the user asked for to one number or map a tile.

E is a float64 in physical units (BSCALE applied) and is only ever rounded downwards.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec import detail, noise
from radcodec.container.layout import Cursor
from radcodec.container.meta import ImageRecord
from radcodec.errors import BoundError, CorruptError
from radcodec.leb import pack_leb
from radcodec.limits import MAX_CELL
from radcodec.tiles import Box, plane_shape

# Wide enough for a robust number from correlated noise (some 1000 beams), narrower than a primary beam.
_CELL = 128
_PATTERN = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:inf|nan))\s*(.*?)\s*", re.IGNORECASE)


class BoundKind(Enum):
    """What the number in a bound is a multiple of."""

    ABSOLUTE = "absolute"
    SIGMA = "sigma"
    LOCAL_SIGMA = "localsigma"


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundSpec:
    """A bound as the user gives it; ``text`` is it with its unit where ``unit`` is not empty."""

    kind: BoundKind
    value: float
    unit: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageBounds:
    """E of every pixel of one image, physical units: ``cells`` float32 [P, ceil(H/cell), ceil(W/cell)], else
    ``planes`` float64 [P], else ``everywhere``; 0 means exact.
    """

    everywhere: float = 0.0
    planes: npt.NDArray[np.float64] | None = None
    cell: int = 0
    cells: npt.NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundPlan:
    """The bound of one image and what its record says about it; ``largest`` is 0 where all of it is exact."""

    bounds: ImageBounds
    largest: float
    in_sigma: float
    sigma: float | None


def _checked(value: float, text: object) -> float:
    if not math.isfinite(value) or value <= 0:
        raise BoundError(f"expected a largest error that is finite and above 0, found {text!r}")
    return value


def parse_bound(max_error: float | str) -> BoundSpec:
    """What ``max_error`` asks for: ``2e-5``, ``"2e-5"``, ``"20uJy/beam"``, ``"0.125sigma"`` or ``"0.125localsigma"``.

    Raises
    ------
    BoundError
        If it is none of these, or the number is not finite and above 0.
    """
    if isinstance(max_error, bool):
        raise BoundError(f"expected a number or text for the largest error, found {max_error!r}")
    if not isinstance(max_error, str):
        try:
            value = float(max_error)
        except (TypeError, ValueError, OverflowError) as err:
            raise BoundError(f"expected a number or text for the largest error, found {max_error!r}") from err
        if isinstance(max_error, int) and value > max_error:
            value = math.nextafter(value, 0.0)
        return BoundSpec(kind=BoundKind.ABSOLUTE, value=_checked(value, max_error))
    match = _PATTERN.fullmatch(max_error)
    if match is None:
        raise BoundError(
            f"expected a largest error such as 2e-5, 20uJy/beam, 0.125sigma or 0.125localsigma, found {max_error!r}"
        )
    value, unit = _checked(float(match[1]), max_error), match[2]
    if unit.lower() in ("sigma", "localsigma"):
        return BoundSpec(kind=BoundKind(unit.lower()), value=value)
    return BoundSpec(kind=BoundKind.ABSOLUTE, value=value, unit=unit, text=max_error)


def product_down(first: float, second: float) -> float:
    """The largest float64 that is at most the product of two finite ones that are not negative."""
    product = first * second
    if not math.isfinite(product):
        raise BoundError(f"expected a bound that is finite, found {first} times {second}")
    return math.nextafter(product, 0.0) if Fraction(product) > Fraction(first) * Fraction(second) else product


def _absolute(spec: BoundSpec, unit: str) -> float:
    """E of an absolute bound in the image's unit; a unit that does not convert raises BoundError."""
    if not spec.unit:
        return spec.value
    if not unit:
        raise BoundError(f"expected a bound without a unit, as the image names none (no BUNIT), found {spec.text!r}")
    from radcodec.fits.units import convert_bound

    return _checked(convert_bound(spec.text, unit), spec.text)


def check_unit(spec: BoundSpec, unit: str) -> None:
    """Raise BoundError if a bound does not convert to the unit of an image."""
    if spec.kind is BoundKind.ABSOLUTE:
        _absolute(spec, unit)


def _same_everywhere(value: float, in_sigma: float, sigma: float | None) -> BoundPlan:
    return BoundPlan(bounds=ImageBounds(everywhere=value), largest=value, in_sigma=in_sigma, sigma=sigma)


def plan_bounds(
    image: npt.NDArray[Any],
    special: npt.NDArray[np.bool_] | None,
    spec: BoundSpec,
    *,
    bscale: float,
    unit: str,
    sigma: float | None,
) -> BoundPlan:
    """E of every pixel of an image.

    Parameters
    ----------
    image
        Stored pixels, native [P, H, W]; ``special`` bool [P, H, W] marks those that do not count.
    bscale, unit
        Of the image.
    sigma
        The noise to use instead of the measured one, physical units.

    Raises
    ------
    BoundError
        If the unit does not convert, or ``sigma`` is unsound or given beside a local bound.
    """
    if sigma is not None and not (math.isfinite(sigma) and sigma > 0):
        raise BoundError(f"expected a noise that is finite and above 0, found {sigma}")
    if spec.kind is BoundKind.ABSOLUTE:
        return _same_everywhere(_absolute(spec, unit), 0.0, None)
    if spec.kind is BoundKind.LOCAL_SIGMA:
        if sigma is not None:
            raise BoundError(
                "expected no noise to be given beside a bound in localsigma, which measures it: leave it out"
            )
        return _plan_local(image, special, spec.value, bscale)
    if sigma is not None:
        return _same_everywhere(_checked(product_down(spec.value, sigma), spec.value), spec.value, sigma)
    sigmas = [measure(image, special, plane) * abs(bscale) for plane in range(len(image))]
    planes = np.array([product_down(spec.value, max(s, 0.0)) if math.isfinite(s) else 0.0 for s in sigmas])
    largest = float(planes.max(initial=0.0))
    if largest == 0.0:
        return _same_everywhere(0.0, spec.value, None)
    noisiest = sigmas[int(planes.argmax())]
    if bool((planes == largest).all()):
        return _same_everywhere(largest, spec.value, noisiest)
    return BoundPlan(bounds=ImageBounds(planes=planes), largest=largest, in_sigma=spec.value, sigma=noisiest)


def measure(image: npt.NDArray[Any], special: npt.NDArray[np.bool_] | None, plane: int) -> float:
    """Noise of one plane of an image [P, H, W] in stored units; 0 where it is undefined."""
    sigma = float(noise.measure_sigma(image[plane], None if special is None else special[plane]))
    return sigma if math.isfinite(sigma) and sigma > 0 else 0.0


def _plan_local(
    image: npt.NDArray[Any], special: npt.NDArray[np.bool_] | None, factor: float, bscale: float
) -> BoundPlan:
    """E from a coarse map of the noise."""
    maps: list[npt.NDArray[np.float64]] = []
    for plane in range(len(image)):
        marked = None if special is None else special[plane]
        maps.append(noise.sigma_map(image[plane], marked, _CELL).astype(np.float64) * abs(bscale))
    sigmas = np.stack(maps)
    exact = factor * np.where(np.isfinite(sigmas) & (sigmas > 0), sigmas, 0.0)
    # Two roundings upwards are possible (the product, then float32), so two steps of the coarser type downwards.
    with np.errstate(over="ignore"):
        cells = exact.astype(np.float32)
    for _ in range(2):
        cells = np.where(cells.astype(np.float64) >= exact, np.nextafter(cells, np.float32(0)), cells)
    cells[~np.isfinite(cells)] = 0
    largest = float(cells.max(initial=0.0))
    bounds = ImageBounds(cell=_CELL, cells=cells)
    return BoundPlan(bounds=bounds, largest=largest, in_sigma=factor, sigma=float(sigmas.max(initial=0.0)) or None)


def pack_bounds(bounds: ImageBounds) -> bytes:
    """Bounds block of PARAMS (6.2)."""
    if bounds.cells is not None:
        return pack_leb(bounds.cell) + bounds.cells.astype("<f4").tobytes()
    return b"" if bounds.planes is None else bounds.planes.astype("<f8").tobytes()


def unpack_bounds(block: bytes, record: ImageRecord) -> ImageBounds:
    """E of every pixel of an image from its PARAMS block.

    Raises
    ------
    CorruptError
        If the block is not of the image's size, or holds a number that is negative or not finite.
    """
    if record.bound is None:
        if block:
            raise CorruptError(f"expected no bounds for an image that is not bounded, found {len(block)} bytes")
        return ImageBounds()
    n_planes, height, width = plane_shape(record.shape)
    if not record.has_step_map:
        if not block:
            return ImageBounds(everywhere=record.bound)
        if len(block) != 8 * n_planes:
            raise CorruptError(f"expected {8 * n_planes} bytes of bounds for {n_planes} planes, found {len(block)}")
        return ImageBounds(planes=_sound(np.frombuffer(block, "<f8").astype(np.float64)))
    cursor = Cursor(block, "the bounds")
    cell = cursor.leb_up_to(MAX_CELL, "cell size")
    if cell < 1:
        raise CorruptError("expected a cell size of at least 1 in the bounds, found 0")
    shape = (n_planes, -(-height // cell), -(-width // cell))
    if cursor.left != 4 * math.prod(shape):
        raise CorruptError(f"expected {4 * math.prod(shape)} bytes in a map of bounds, found {cursor.left}")
    cells = np.frombuffer(cursor.take(cursor.left), "<f4").astype(np.float32).reshape(shape)
    return ImageBounds(cell=cell, cells=_sound(cells))


def _sound(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if not np.isfinite(values).all() or (values < 0).any():
        raise CorruptError("expected bounds that are finite and not negative")
    return values


def tile_errors(bounds: ImageBounds, box: Box) -> float | npt.NDArray[np.float64]:
    """E of the samples of a tile, physical units: one number where it is the same for all, else float64 [p, h, w]."""
    p0, p1, y0, y1, x0, x1 = box
    if bounds.cells is not None:
        rows, columns = np.arange(y0, y1) // bounds.cell, np.arange(x0, x1) // bounds.cell
        errors = bounds.cells[p0:p1][:, rows][:, :, columns].astype(np.float64)
    elif bounds.planes is not None:
        errors = np.broadcast_to(bounds.planes[p0:p1, None, None], (p1 - p0, y1 - y0, x1 - x0))
    else:
        return bounds.everywhere
    first = float(errors.flat[0])
    return first if bool((errors == first).all()) else errors


def tile_bound(record: ImageRecord, bounds: ImageBounds, box: Box, tile: int) -> detail.TileBound | None:
    """The bound of a tile in physical units, as the detail layer wants it; None where all of it is exact."""
    # Every physical value is the same where BSCALE is 0: there is no step that a bound could be made of.
    if record.bound is None or record.bscale == 0.0:
        return None
    errors = tile_errors(bounds, box)
    largest, each = (errors, None) if isinstance(errors, float) else (float(errors.max()), errors)
    if largest == 0.0:
        return None
    return detail.TileBound(
        error=largest,
        map=each,
        bscale=record.bscale,
        bzero=record.bzero,
        dither_seed=record.dither_seed,
        tile_number=tile,
    )

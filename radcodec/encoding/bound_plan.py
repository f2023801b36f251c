"""Plan E of every pixel of an image from the bound that a user asks for.

E is a float64 in physical units (BSCALE applied) and is only ever rounded downwards.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.encoding.bound_spec import MOST_SIGMA, BoundKind, BoundSpec
from radcodec.encoding.earlier import kept_steps
from radcodec.encoding.plane_noise import BoundedImage, compare_noise, measure_planes
from radcodec.encoding.spacing import fit_to_spacing
from radcodec.errors import BoundError
from radcodec.pixels import noise
from radcodec.pixels.bounds import ImageBounds
from radcodec.types import EarlierBound

STEPS_AN_OCTAVE = 64  # of the bounds of planes below the largest one, so that they are found again in the pixels
CELL_STEPS_AN_OCTAVE = 16  # of the bounds of cells, which take fewer bytes so
VARIES = 1.5  # ratio of the noise of noisy parts of a plane to that of quiet ones, from which it is said
OCTAVES = 20  # below the bound on record in which those of planes are looked for
SAME_NOISE = 1.25  # ratio of noises up to which they are the same but for the errors
MOST_STEPS = 2.0**40  # of values and bounds, in bounds of planes that are exact

Image = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundPlan:
    """The bound of one image and what its record says about it; ``largest`` is 0 where all of it is exact.

    ``noise`` is that of a plane, physical units, where it was measured beside an absolute bound.
    """

    bounds: ImageBounds
    largest: float
    in_sigma: float
    sigma: float | None
    warnings: tuple[str, ...] = ()
    noise: float | None = None


def product_down(first: float, second: float) -> float:
    """Multiply two finite numbers that are not negative, rounding downwards."""
    product = first * second
    if not math.isfinite(product):
        raise BoundError(f"expected a bound that is finite, found {first} times {second}")
    return math.nextafter(product, 0.0) if Fraction(product) > Fraction(first) * Fraction(second) else product


def plan_bounds(image: BoundedImage, spec: BoundSpec) -> BoundPlan:
    """Plan E of every pixel of an image.

    Raises
    ------
    BoundError
        If the unit does not convert, or the bound is over 10 times the noise and is not forced.
        If the noise given is unsound or stands beside a local bound.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # signalling NaN among the special ones
        return _plan_any(image, spec)


def _plan_any(image: BoundedImage, spec: BoundSpec) -> BoundPlan:
    """Plan E of every pixel for a bound of any kind; errors as `plan_bounds`."""
    sigma = image.sigma
    if sigma is not None and not (math.isfinite(sigma) and sigma > 0):
        raise BoundError(f"expected a noise that is finite and above 0, found {sigma}")
    if spec.kind is not BoundKind.ABSOLUTE and spec.value > MOST_SIGMA and not spec.force:
        raise BoundError(
            f"expected a bound of at most {MOST_SIGMA:g} times the noise, found {spec.value:g}{spec.kind.value}: "
            "little but the brightest sources would be left; to insist, give --force (force=True)"
        )
    if spec.kind is BoundKind.ABSOLUTE:
        plan = _plan_absolute(image, spec)
    elif spec.kind is BoundKind.LOCAL_SIGMA:
        if sigma is not None:
            raise BoundError(
                "expected no noise to be given beside a bound in localsigma, which measures it: leave it out"
            )
        plan = _plan_local(image, spec.value)
    elif sigma is not None:
        plan = _same_everywhere(product_down(spec.value, sigma), spec.value, sigma)
    else:
        plan = _plan_sigma(image, spec.value)
    return _fitted(image, plan)


def _same_everywhere(value: float, in_sigma: float, sigma: float | None, **more: Any) -> BoundPlan:
    if not value > 0:
        raise BoundError(f"expected a bound above 0, found {value} ({in_sigma:g} times {sigma})")
    return BoundPlan(bounds=ImageBounds(everywhere=value), largest=value, in_sigma=in_sigma, sigma=sigma, **more)


def check_unit(spec: BoundSpec, unit: str) -> None:
    """Raise BoundError if a bound does not convert to the unit of an image."""
    if spec.kind is BoundKind.ABSOLUTE:
        _absolute(spec, unit)


def _absolute(spec: BoundSpec, unit: str) -> float:
    """Convert an absolute bound to the image's unit; a unit that does not convert raises BoundError."""
    if not spec.unit:
        return spec.value
    if not unit:
        raise BoundError(f"expected a bound without a unit, as the image names none (no BUNIT), found {spec.text!r}")
    from radcodec.fits.units import convert_bound

    value = convert_bound(spec.text, unit)
    if not (math.isfinite(value) and value > 0):
        raise BoundError(f"expected a largest error that is finite and above 0, found {spec.text!r}")
    return value


def _plan_absolute(image: BoundedImage, spec: BoundSpec) -> BoundPlan:
    value = _absolute(spec, image.unit)
    quietest, noisiest = compare_noise(image, value)
    if noisiest > 0 and value > MOST_SIGMA * noisiest and not spec.force:
        unit = f" {image.unit}" if image.unit else ""
        meant = f"{spec.value:g}" if not spec.unit and spec.value <= MOST_SIGMA else "0.125"
        raise BoundError(
            f"expected a bound of at most {MOST_SIGMA:g} times the noise, which is {noisiest:.4g}{unit}, found "
            f"{spec.text or f'{spec.value:g}'}, {value / noisiest:.4g} times the noise: write {meant}sigma for a "
            "multiple of the noise; to insist, give --force (force=True)",
            too_coarse=True,
        )
    return _same_everywhere(value, 0.0, None, noise=quietest or None)


def _undefined_warning(image: BoundedImage, sigmas: list[float]) -> list[str]:
    """Return a warning about planes without noise, which stay exact."""
    known = [plane for plane in range(len(sigmas)) if image.is_known(plane)]
    exact = sum(not sigmas[plane] > 0 for plane in known)
    if not exact:
        return []
    if len(sigmas) == 1:
        return ["the noise is zero or undefined, so that the bound changes nothing: the image is stored exactly"]
    return [f"the noise of {exact} of {len(sigmas)} planes is zero or undefined: they are stored exactly"]


def _range_warning(image: BoundedImage, factor: float) -> list[str]:
    """Return a warning about an image whose noise differs much over a plane."""
    widest = (0.0, 0.0)
    count = len(image.pixels)
    for plane in dict.fromkeys((count // 2, count // 4)):
        low, high = (value * abs(image.bscale) for value in noise.sigma_range(*image.plane(plane)))
        if low > 0 and high / low > VARIES and high * widest[0] >= low * widest[1]:
            widest = low, high
    if not widest[1] > 0:
        return []
    unit = f" {image.unit}" if image.unit else ""
    return [
        f"the noise varies over a plane from {widest[0]:.3g} to {widest[1]:.3g}{unit}, but the bound is the same for "
        f"all of it: {factor:g}localsigma follows the noise"
    ]


def _plan_sigma(image: BoundedImage, factor: float) -> BoundPlan:
    """Plan E from the noise of each plane, or from the noise on record where pixels still lie on those steps."""
    sigmas, warnings = measure_planes(image)
    warnings += _undefined_warning(image, sigmas)
    steps, said = _kept(image, sigmas)
    warnings += said
    if image.earlier is not None and image.earlier.sigma is not None and any(step is not None for step in steps):
        reference = image.earlier.sigma
    else:
        reference = max(sigmas, default=0.0)
    top = product_down(factor, reference)
    places = [
        _step_below(top, factor, sigma) if step is None else step for step, sigma in zip(steps, sigmas, strict=True)
    ]
    planes = np.array([0.0 if place is None else _on_grid(top, place) for place in places])
    largest = float(planes.max(initial=0.0))
    if not largest > 0:
        return BoundPlan(bounds=ImageBounds(), largest=0.0, in_sigma=factor, sigma=None, warnings=tuple(warnings))
    if image.shared_tiles:
        planes = np.array([value or _under_spacing(image, plane, largest) for plane, value in enumerate(planes)])
    same = bool((planes == largest).all())
    return BoundPlan(
        bounds=ImageBounds(everywhere=largest) if same else ImageBounds(planes=planes),
        largest=largest,
        in_sigma=factor,
        sigma=reference if places[int(planes.argmax())] == 0 else largest / factor,
        warnings=(*warnings, *_range_warning(image, factor)),
    )


def _under_spacing(image: BoundedImage, number: int, largest: float) -> float:
    """Find a bound under the spacing of the values of a plane, which keeps these exact; 0 where there is none.

    A plane whose bound is 0 would make the other ones of its tile exact too.
    """
    pixels, special = image.plane(number)
    known = pixels.reshape(-1) if special is None else pixels[~special]
    if known.size == 0:
        return largest
    if known.dtype.kind != "f":
        return 0.4 * abs(image.bscale)
    nonzero = known[known != 0]
    spacing = float(np.abs(np.spacing(nonzero)).min()) if nonzero.size else 1.0
    bound = 0.25 * spacing * abs(image.bscale) if image.bscale == 1.0 else 0.0
    size = float(np.abs(known.astype(np.float64)).max())
    return bound if bound > 0 and max(size, largest) < bound * MOST_STEPS else 0.0


def _step_below(top: float, factor: float, sigma: float) -> int | None:
    """Number the bound of the grid below ``top`` that is just at most ``factor`` times sigma; None without noise."""
    exact = product_down(factor, sigma) if math.isfinite(sigma) and sigma > 0 else 0.0
    if not exact > 0:
        return None
    place = math.ceil(STEPS_AN_OCTAVE * math.log2(top / exact)) if math.isfinite(top / exact) else None
    while place is not None and _on_grid(top, place) > exact:
        place += 1
    return place


def _on_grid(top: float, place: int) -> float:
    """Compute bound number ``place`` of the grid below ``top``."""
    return top if place == 0 else product_down(top, 2.0 ** (-place / STEPS_AN_OCTAVE))


def _kept(image: BoundedImage, sigmas: list[float]) -> tuple[list[int | None], list[str]]:
    """Number, below the bound on record, the steps that each plane still lies on; gives warnings too."""
    earlier = image.earlier
    if earlier is None:
        return [None] * len(sigmas), []
    if earlier.last is None or earlier.sigma is None:
        return [None] * len(sigmas), [f"{_before(earlier)}, without its noise on record: the noise is measured"]
    ratio = earlier.last / earlier.sigma
    grid = [_on_grid(earlier.last, place) for place in range(OCTAVES * STEPS_AN_OCTAVE if len(sigmas) > 1 else 1)]
    found: list[int | None] = []
    for plane, sigma in enumerate(sigmas):
        if not sigma > 0:
            found.append(None)
            continue
        # Quantisation adds noise of its own, and what follows a prediction has less.
        slack = STEPS_AN_OCTAVE * math.log2(SAME_NOISE + ratio / 2)
        middle = STEPS_AN_OCTAVE * math.log2(earlier.sigma / sigma)
        low, high = max(0, math.ceil(middle - slack)), min(len(grid) - 1, math.floor(middle + slack))
        nearest = sorted(range(low, high + 1), key=partial(_distance, middle))
        found.append(kept_steps(*image.plane(plane), {place: grid[place] for place in nearest}, image.bscale))
    known = [place for place, sigma in zip(found, sigmas, strict=True) if sigma > 0]
    anew = sum(place is None for place in known)
    if not anew:
        return found, [f"{_before(earlier)}: its noise on record and its steps are kept"] if known else []
    which = "" if len(sigmas) == 1 else f" of {anew} of {len(known)} planes"
    return found, [
        f"{_before(earlier)}, but the pixels{which} do not lie on those steps any more, or have another noise: it is "
        "measured anew"
    ]


def _distance(middle: float, place: int) -> float:
    return abs(place - middle)


def _before(earlier: EarlierBound) -> str:
    error = "not known" if earlier.total is None else f"{earlier.total:.6g}"
    return f"the header says that this image was compressed before (largest error {error})"


@np.errstate(all="ignore")  # noise near the ends of the range
def _plan_local(image: BoundedImage, factor: float) -> BoundPlan:
    """Plan E from a map of the noise."""
    middle = len(image.pixels) // 2
    cell = image.cell or noise.local_cell(*image.plane(middle))
    maps = [noise.sigma_map(*image.plane(plane), cell) for plane in range(len(image.pixels))]
    sigmas = np.stack(maps).astype(np.float64) * abs(image.bscale)
    sigmas = np.where(np.isfinite(sigmas) & (sigmas > 0), sigmas, 0.0)
    warnings = _undefined_warning(image, [float(plane.max(initial=0.0)) for plane in sigmas])
    if image.earlier is not None:
        warnings.append(f"{_before(image.earlier)}: the noise is measured anew")
    noisiest = float(sigmas.max(initial=0.0))
    top = product_down(factor, noisiest)
    cells = _cells_down(top, factor * sigmas)
    largest = float(cells.max(initial=0.0))
    if not largest > 0:
        return BoundPlan(bounds=ImageBounds(), largest=0.0, in_sigma=factor, sigma=None, warnings=tuple(warnings))
    if image.shared_tiles:
        for plane in np.flatnonzero(~cells.any(axis=(1, 2))).tolist():
            cells[plane] = np.nextafter(np.float32(_under_spacing(image, plane, largest)), np.float32(0))
    bounds = ImageBounds(cell=cell, cells=cells)
    return BoundPlan(bounds=bounds, largest=largest, in_sigma=factor, sigma=noisiest, warnings=tuple(warnings))


def _cells_down(top: float, exact: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Round bounds of cells down to float32 on a coarse grid below ``top``; 0 stays 0."""
    with np.errstate(all="ignore"):
        places = np.ceil(CELL_STEPS_AN_OCTAVE * np.log2(top / exact))
        on_grid = np.where(exact > 0, top * 2.0 ** (-places / CELL_STEPS_AN_OCTAVE), 0.0)
        cells = np.minimum(on_grid, exact).astype(np.float32)
    # Three roundings upwards are possible, so as many steps of the coarser type downwards.
    for _ in range(3):
        cells = np.where(cells.astype(np.float64) >= exact, np.nextafter(cells, np.float32(0)), cells)
    cells[~np.isfinite(cells)] = 0
    return np.asarray(cells, np.float32)


def _fitted(image: BoundedImage, plan: BoundPlan) -> BoundPlan:
    """Change bounds that are near the spacing of the values so that they suit it."""
    if not plan.largest > 0 or image.pixels.dtype.kind != "f":
        return plan
    share = fit_to_spacing(image.pixels, image.special, plan.bounds, image.bscale)
    if share == 1.0:
        return plan
    bounds = plan.bounds
    if bounds.cells is not None:
        with np.errstate(under="ignore"):
            cells = np.nextafter((bounds.cells * np.float32(share)).astype(np.float32), np.float32(0))
        bounds, largest = replace(bounds, cells=cells), float(cells.max())
    elif bounds.planes is not None:
        planes = np.array([product_down(value, share) for value in bounds.planes])
        bounds, largest = replace(bounds, planes=planes), float(planes.max())
    else:
        largest = product_down(bounds.everywhere, share)
        bounds = replace(bounds, everywhere=largest)
    return replace(plan, bounds=bounds, largest=largest, in_sigma=plan.in_sigma * share) if largest > 0 else plan

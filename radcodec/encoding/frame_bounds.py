"""Bounds of planes that come one after the other, each planned when it comes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from radcodec.container.meta import ImageRecord
from radcodec.decoding.tile import Pixels
from radcodec.encoding.bound_plan import STEPS_AN_OCTAVE, BoundPlan, plan_bounds, product_down
from radcodec.encoding.bound_spec import BoundKind
from radcodec.encoding.options import Bounded
from radcodec.encoding.plane_noise import BoundedImage
from radcodec.pixels import noise
from radcodec.pixels.bounds import ImageBounds
from radcodec.pixels.masks import Mask


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameBounds:
    """Bounds of some planes. ``noise`` is that of the largest one, physical units, 0 where none was measured."""

    bounds: ImageBounds = field(repr=False)
    noise: float = 0.0
    warnings: tuple[str, ...] = ()

    @property
    def largest(self) -> float:
        """The largest E of all pixels; 0 where all of them are exact."""
        if self.bounds.cells is not None:
            return float(self.bounds.cells.max(initial=0.0))
        return float(self.planes(1).max(initial=0.0))

    def planes(self, count: int) -> npt.NDArray[np.float64]:
        """Return E of each of ``count`` planes, where they are no maps."""
        if self.bounds.planes is not None:
            return self.bounds.planes
        return np.full(count, self.bounds.everywhere)


class FrameBoundPlanner:
    """Plan the bounds of planes as they come.

    The noise is that of each plane. Bounds in sigma lie on one grid for all planes, so that they are few different
    numbers and are found again in the pixels. A bound that is too coarse is refused for the first planes alone: what
    comes later must not be lost.
    """

    def __init__(self, fidelity: Bounded) -> None:
        self._fidelity = fidelity
        self._top: float | None = None
        self._cell: int | None = None
        self._is_first = True

    def plan(self, pixels: Pixels, special: Mask | None, record: ImageRecord, *, shared_tiles: bool) -> FrameBounds:
        """Plan E of the samples [P, H, W] of the next planes.

        Raises
        ------
        BoundError
            If the bound does not fit the first planes.
        """
        spec = self._fidelity.bound
        if spec.kind is BoundKind.LOCAL_SIGMA and self._cell is None:
            middle = len(pixels) // 2
            self._cell = noise.local_cell(pixels[middle], None if special is None else special[middle])
        wanted = BoundedImage(
            pixels=pixels,
            special=special,
            bscale=record.bscale,
            unit=record.unit,
            sigma=self._fidelity.sigma,
            shared_tiles=shared_tiles,
            cell=self._cell,
        )
        plan = plan_bounds(wanted, spec if self._is_first else replace(spec, force=True))
        self._is_first = False
        bounds = plan.bounds
        if not plan.largest > 0:
            return self.exact(pixels, plan.warnings)
        if spec.kind is BoundKind.SIGMA and self._fidelity.sigma is None:
            bounds = self._on_grid(plan, len(pixels))
        sigma = plan.sigma if plan.sigma is not None and math.isfinite(plan.sigma) else 0.0
        return FrameBounds(bounds=bounds, noise=sigma, warnings=plan.warnings)

    def exact(self, pixels: Pixels, warnings: tuple[str, ...] = ()) -> FrameBounds:
        """Give the bounds of planes [P, H, W] that stay exact, in the form that other planes of the image have."""
        if self._cell is None:
            return FrameBounds(bounds=ImageBounds(), warnings=warnings)
        rows, columns = (-(-n // self._cell) for n in pixels.shape[1:])
        cells = np.zeros((len(pixels), rows, columns), np.float32)
        return FrameBounds(bounds=ImageBounds(cell=self._cell, cells=cells), warnings=warnings)

    def _on_grid(self, plan: BoundPlan, count: int) -> ImageBounds:
        """Lower the bounds of planes to the grid that starts at the bound of the first plane that had one."""
        planes = plan.bounds.planes if plan.bounds.planes is not None else np.full(count, plan.bounds.everywhere)
        if self._top is None:
            self._top = plan.largest
        found = np.array([_grid_below(self._top, value) for value in planes.tolist()])
        return ImageBounds(planes=found) if count > 1 else ImageBounds(everywhere=float(found[0]))


def _grid_below(top: float, value: float) -> float:
    """Find the largest number of the grid around ``top`` that is at most ``value``; 0 stays 0."""
    if not value > 0:
        return 0.0
    ratio = top / value
    if not (math.isfinite(ratio) and ratio > 0):
        return value
    place = math.ceil(STEPS_AN_OCTAVE * math.log2(ratio) - 1e-9)
    while (found := top if place == 0 else product_down(top, 2.0 ** (-place / STEPS_AN_OCTAVE))) > value:
        place += 1
    return found

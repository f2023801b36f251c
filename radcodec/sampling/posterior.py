"""Draw samples of what a lossy file leaves open: denoise step by step, and keep every coefficient within its cell.

::

    decoded + noise -> estimate of the denoiser -> coefficients: mean within their cells -> pixels
           ^                                                                                  |
           +--------------------- less noise, part of it new <-------------------------------+

The estimate of a denoiser is the mean of what the noisy image may be. Its spread about that mean is taken as white and
Gaussian, as in Song et al. (2023, "Pseudoinverse-guided diffusion models"). So the mean of a coefficient, given that it
lies within its cell, is that of a truncated Gaussian. The last step moves each coefficient into its cell.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from radcodec.arrays import F64
from radcodec.sampling.field import Field, TileCells, canvas_of, coefficients_of, image_part, inner_cells
from radcodec.sampling.network import Denoiser
from radcodec.sampling.spec import ALIGNMENT, MARGIN

#: Standard deviation of the noise at the start and at the end, companded units (one is the image's noise).
START, END = 3.0, 0.03
#: Largest side of a window that the denoiser sees at once, besides its margins.
WINDOW = 512
#: Spread of the levels: that of Karras et al. (2022), equation 5.
RHO = 7.0


def noise_levels(steps: int) -> list[float]:
    """Return the falling standard deviations of the noise, steps of them."""
    ramp = np.linspace(START ** (1 / RHO), END ** (1 / RHO), steps)
    return [float(level) for level in ramp**RHO]


def draw_samples(denoiser: Denoiser, field: Field, *, draws: int, steps: int, seed: int) -> Iterator[F64]:
    """Draw samples of a field, float64 [P, H, W] each, in companded units.

    Draw k depends on the seed and k alone, on one machine. Every coefficient lies within its cell.
    """
    levels = noise_levels(steps)
    for draw in range(draws):
        noise = np.random.default_rng([seed, draw])
        x = field.decoded + levels[0] * noise.standard_normal(field.decoded.shape)
        for level, after in zip(levels, [*levels[1:], 0.0], strict=True):
            mean = within_cells(field, denoise(denoiser, x, level), level)
            if after == 0.0:
                break
            # Ancestral sampling: part of the noise that is left is new.
            new = after * np.sqrt(1.0 - (after / level) ** 2)
            kept = np.sqrt(after**2 - new**2)
            x = mean + (x - mean) * (kept / level) + new * noise.standard_normal(x.shape)
        yield moved_into_cells(field, mean)


@torch.no_grad()
def denoise(denoiser: Denoiser, noisy: F64, level: float) -> F64:
    """Return the denoiser's estimate of planes [P, H, W] with noise of standard deviation ``level``."""
    out = np.empty_like(noisy)
    _, height, width = noisy.shape
    for y in range(0, height, WINDOW):
        for x in range(0, width, WINDOW):
            y1, x1 = min(height, y + WINDOW), min(width, x + WINDOW)
            top, left = max(0, y - MARGIN), max(0, x - MARGIN)
            part = noisy[:, top : y1 + MARGIN, left : x1 + MARGIN]
            odd = [(0, 0), *((0, -n % ALIGNMENT) for n in part.shape[1:])]
            padded = torch.from_numpy(np.pad(part, odd, mode="edge").astype(np.float32))
            levels = torch.full((1,), level)
            for plane, values in enumerate(padded):
                found = denoiser(values[None, None], levels)[0, 0].numpy()
                out[plane, y:y1, x:x1] = found[y - top : y1 - top, x - left : x1 - left]
    return out


def within_cells(field: Field, estimate: F64, level: float) -> F64:
    """Return the mean of pixels [P, H, W] given their cells, around an estimate at a noise level."""
    spread = level / np.sqrt(1.0 + level**2)
    out = estimate.copy()
    for tile in field.tiles:
        c = coefficients_of(tile, _part(estimate, tile))
        lower, upper = inner_cells(tile)
        _put(out, tile, canvas_of(tile, truncated_mean(c, spread, lower, upper)))
    out[field.special] = 0.0
    return out


def moved_into_cells(field: Field, pixels: F64) -> F64:
    """Return pixels [P, H, W] with each coefficient moved to the nearest end of its cell where it is outside."""
    out = pixels.copy()
    for tile in field.tiles:
        lower, upper = inner_cells(tile)
        _put(out, tile, canvas_of(tile, np.clip(coefficients_of(tile, _part(pixels, tile)), lower, upper)))
    return out


def truncated_mean(mean: F64, spread: float, lower: F64, upper: F64) -> F64:
    """Return the mean of Gaussians of a mean and spread that are cut to lower..upper; between these ends always."""
    near = np.clip(mean, lower - 5 * spread, upper + 5 * spread)  # further out it is the end itself
    a, b = (torch.from_numpy((end - near) / spread) for end in (lower, upper))
    # Both ends on the negative side, where probabilities keep their digits.
    flip = (a > 0).numpy()
    a, b = torch.where(a > 0, -b, a), torch.where(a > 0, -a, b)
    weight = torch.special.ndtr(b) - torch.special.ndtr(a)
    slope = (torch.exp(-0.5 * a**2) - torch.exp(-0.5 * b**2)) / np.sqrt(2 * np.pi)
    shift = (slope / torch.clamp(weight, min=1e-300)).numpy() * spread
    return np.asarray(np.clip(near + np.where(flip, -shift, shift), lower, upper), np.float64)


def _part(pixels: F64, tile: TileCells) -> F64:
    p0, p1, y0, y1, x0, x1 = tile.box
    return pixels[p0:p1, y0:y1, x0:x1]


def _put(pixels: F64, tile: TileCells, canvas: F64) -> None:
    _part(pixels, tile)[...] = image_part(tile, canvas)

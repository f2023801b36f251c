"""Images as vectors: features from a model's indices, and plain features to compare with.

An image is first put into one of two ``POSES``:

- ``four turns``: unchanged; the features of it and of its three turns by a right angle are averaged;
- ``aligned``: moved, turned and scaled (linear interpolation) so that the centre of its light is in the middle, the
  long axis level and of one size, the longer tail of the light to the right and on top.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.rivals.lossy import compand
from benchmarks.studies.indices import used_points

Ratio = npt.NDArray[np.float32]
Vector = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.float64]
Describe = Callable[[Ratio], dict[str, Vector]]

SIDE = 150
CUT = 3.0  # sigma over which pixels count as light
EXTENT = 16.0  # pixels of rms extent along the long axis to which images are scaled
MOST_ZOOM = 3.0
STEP = 1.0  # of the trellis model
COARSE_STAGES, FINE_STAGES = 3, 4  # of the convolutional model: up to a stride of 8, and of 4
BLOCK = 1  # block code of the trellis model: 5 x 5 blocks of 30 samples a side
POOL = 5
LEVELS = np.linspace(0.0, 24.0, 33)  # companded units
POSES = ("four turns", "aligned")


def middle(ratio: Ratio, side: int = SIDE) -> Ratio:
    """Cut out the middle [side, side] of an image."""
    y, x = (max(0, n - side) // 2 for n in ratio.shape)
    return ratio[y : y + side, x : x + side]


def light_moments(ratio: Ratio) -> tuple[Vector, Vector]:
    """Return the centre [2] and second moments [2, 2] of the companded light above the cut, (y, x) in pixels."""
    light = np.where(ratio > CUT, compand(ratio, 0.0, 1.0), 0.0)
    if not light.any():
        return (np.array(ratio.shape) - 1) / 2.0, np.eye(2)
    grid = np.stack(np.meshgrid(*map(np.arange, ratio.shape), indexing="ij")).reshape(2, -1)
    weights = light.ravel() / light.sum()
    centre = grid @ weights
    away = grid - centre[:, None]
    return centre, (away * weights) @ away.T


def align(ratio: Ratio) -> Ratio:
    """Move, turn and scale an image: light in the middle, long axis level, one size and handedness."""
    from scipy.ndimage import affine_transform

    centre, spread = light_moments(ratio)
    sizes, axes = np.linalg.eigh(spread)
    along = axes[:, 1]
    zoom = np.clip(np.sqrt(max(sizes[1], 1.0)) / EXTENT, 1 / MOST_ZOOM, MOST_ZOOM)
    matrix = zoom * np.stack([np.array([along[1], -along[0]]), along], axis=1)
    here = (np.array(ratio.shape) - 1) / 2.0
    turned = affine_transform(ratio.astype(np.float64), matrix, offset=centre - matrix @ here, order=1, cval=0.0)
    light = np.where(turned > CUT, compand(turned, 0.0, 1.0), 0.0)
    for axis in (0, 1):
        places = np.arange(turned.shape[axis]) - here[axis]
        if light.sum(axis=1 - axis) @ places**3 < 0:
            turned, light = np.flip(turned, axis), np.flip(light, axis)
    return np.asarray(turned, dtype=np.float32)


def poses(ratio: Ratio, pose: str) -> list[Ratio]:
    """Return the images whose descriptions are averaged."""
    turned = [np.rot90(ratio, k) for k in range(4)] if pose == POSES[0] else [align(ratio)]
    return [np.ascontiguousarray(image) for image in turned]


def embed(ratios: list[Ratio], describe: Describe, pose: str) -> dict[str, Vectors]:
    """Return vectors [N, D] of every embedding of images, each averaged over the poses."""
    found: dict[str, list[Vector]] = {}
    for ratio in ratios:
        parts = [describe(image) for image in poses(ratio, pose)]
        for name in parts[0]:
            found.setdefault(name, []).append(np.mean([part[name] for part in parts], axis=0))
    return {name: np.stack(vectors) for name, vectors in found.items()}


def pooled(values: Vector, size: int) -> Vector:
    """Average over squares of the last two axes, whose lengths are cut to multiples of ``size``."""
    h, w = (n // size * size for n in values.shape[-2:])
    cut = values[..., :h, :w].reshape(*values.shape[:-2], h // size, size, w // size, size)
    return np.asarray(cut.mean(axis=(-3, -1)))


def bands(coefficients: Vector, n_bands: int, n_sectors: int) -> Vector:
    """Average log2(1 + |c|) [.., n, m] over rings, even in log frequency, and sectors."""
    n, m = coefficients.shape[-2:]
    fy, fx = np.meshgrid((np.arange(n) + 0.5) / n, (np.arange(m) + 0.5) / m, indexing="ij")
    lowest = np.log(0.5 / n)
    ring = np.clip(n_bands * (np.log(np.hypot(fy, fx)) - lowest) / (0.5 * np.log(2) - lowest), 0, n_bands - 1)
    sector = np.minimum(n_sectors * np.arctan2(fy, fx) / (np.pi / 2), n_sectors - 1)
    cell = (ring.astype(np.int64) * n_sectors + sector.astype(np.int64)).ravel()
    counts = np.bincount(cell, minlength=n_bands * n_sectors)
    flat = np.log2(1.0 + np.abs(coefficients)).reshape(-1, n * m)
    sums = np.stack([np.bincount(cell, row, minlength=n_bands * n_sectors) for row in flat])
    return np.asarray(sums / np.maximum(counts, 1)).reshape(*coefficients.shape[:-2], -1)


def moments(latent: Vector) -> Vector:
    """Return the means [D] and the upper half of the covariance of latents [D, h, w] over their cells."""
    flat = latent.reshape(len(latent), -1)
    return np.concatenate([flat.mean(axis=1), np.cov(flat)[np.triu_indices(len(flat))]])


def convolutional_features(model: Any) -> Describe:
    """Return what describes an image by the codes of a convolutional model."""
    from radcodec.base.convolutional.prior import latent_sum

    def describe(image: Ratio) -> dict[str, Vector]:
        indices = [stage.astype(np.int64) for stage in model.encode_tile(image.astype(np.float64), 0.0, 1.0).indices]
        histograms = [
            np.bincount(stage.ravel(), minlength=size) / stage.size
            for stage, size in zip(indices[:FINE_STAGES], model.spec.entries, strict=False)
        ]
        coarse, fine = (
            latent_sum(model.spec, model.arrays, indices[:n], (image.shape[0], image.shape[1]), model.strides[n - 1])
            for n in (COARSE_STAGES, FINE_STAGES)
        )
        return {
            "code vectors, map": coarse.astype(np.float64).ravel(),
            "code vectors, moments": moments(fine.astype(np.float64)),
            "index histograms": np.sqrt(np.concatenate(histograms)),
        }

    return describe


def trellis_features(model: Any) -> Describe:
    """Return what describes an image by the indices of a trellis model, in blocks of 30 x 30 samples."""
    from radcodec.base.lapped.model import LappedModel

    blocks = model._head((1, 1), STEP, BLOCK)
    n_entries = model.wide.points.size

    def describe(image: Ratio) -> dict[str, Vector]:
        codes: Any = LappedModel.encode_tile(model, image.astype(np.float64), 0.0, 1.0, step=STEP, like=blocks)
        local = bands(codes.coefficients.astype(np.float64), 4, 2)
        flat = local.reshape(-1, local.shape[-1])
        shares = np.bincount(used_points(model, codes), minlength=n_entries) / codes.coefficients.size
        return {
            "indices, bands of blocks, map": local.ravel(),
            "indices, bands of blocks, moments": np.concatenate([flat.mean(axis=0), flat.std(axis=0)]),
            "codebook entries, histogram": np.sqrt(shares),
        }

    return describe


def plain_features(image: Ratio) -> dict[str, Vector]:
    """Describe an image without any codec."""
    from scipy.fft import dctn

    companded = compand(image, 0.0, 1.0)
    shares = np.histogram(np.clip(companded, LEVELS[0], LEVELS[-1]), LEVELS)[0] / image.size
    return {
        "pixels": pooled(image.astype(np.float64), POOL).ravel(),
        "companded pixels": pooled(companded, POOL).ravel(),
        "companded pixels, histogram": np.sqrt(shares),
        "DCT, bands": bands(np.asarray(dctn(companded, norm="ortho")), 12, 4).ravel(),
    }

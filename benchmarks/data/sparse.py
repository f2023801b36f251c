"""Images that are mostly one value, made in code: thresholded maps, segmentation maps, weights, flags."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.types import Array

F32 = np.float32


def _field(seed: int, shape: tuple[int, int], n_sources: int = 40, max_snr: float = 300.0) -> Array:
    """A simulated image in units of its noise."""
    from radcodec.simulate import simulate_image

    image = simulate_image(shape, seed=seed, n_sources=n_sources, max_snr=max_snr).astype(np.float64)
    image -= np.median(image)
    return np.asarray(image / (1.4826 * np.median(np.abs(image))))


def _picture(seed: int, side: int = 150) -> Array:
    """A cut-out in 8 bits whose pixels under three times the noise are 0, as sets for machine learning have them."""
    image = _field(seed, (side, side), 3, max_snr=150.0)
    image = np.where(image < 3, 0.0, image)
    return np.asarray(np.rint(255 * image / image.max()), np.uint8)


def _thresholded(seed: int, threshold: float = 5.0) -> Array:
    """Floats that were set to 0 under a threshold."""
    image = _field(seed, (512, 512))
    return np.where(image < threshold, 0.0, image * 1.37e-4).astype(F32)


def _segments(seed: int) -> Array:
    """Numbers of islands of emission, 32 bits, 0 outside."""
    from scipy.ndimage import label

    found, _ = label(_field(seed, (512, 512), 150) > 4)
    return np.asarray(found, np.int32)


def _mask(seed: int) -> Array:
    """A mask of clean boxes and islands, 0 and 1."""
    image = _field(seed, (512, 512), 60) > 4.5
    image[100:140, 200:260] = True
    return image.astype(np.uint8)


def _flags(seed: int) -> Array:
    """Flags of a detector: bits for bad pixels, columns, saturated cores with their trails, and cosmic rays."""
    rng = np.random.default_rng(seed)
    flags = np.zeros((512, 512), np.int16)
    flags[rng.random(flags.shape) < 0.002] |= 4
    flags[:, rng.integers(0, 512, 3)] |= 16
    flags[_field(seed, flags.shape, 60) > 60] |= 256
    for _ in range(30):
        y, x = rng.integers(0, 490, 2)
        for step in range(int(rng.integers(3, 18))):
            flags[y + step // 2, x + step] |= 4096
    return flags


def _weights(seed: int) -> Array:
    """Weights of a mosaic: few values, in overlapping fields."""
    rng = np.random.default_rng(seed)
    weights = np.zeros((400, 400), F32)
    y, x = np.indices(weights.shape)
    for _ in range(7):
        cy, cx = rng.uniform(60, 340, 2)
        weights[np.hypot(y - cy, x - cx) < 70] += F32(rng.choice([0.8, 1.0, 1.3]))
    return weights


def _restored_model(seed: int) -> Array:
    """A model of clean components: delta functions and small blobs in an image of zeros, doubles."""
    rng = np.random.default_rng(seed)
    model = np.zeros((512, 512))
    for _ in range(120):
        y, x = rng.integers(2, 509, 2)
        for _ in range(int(rng.integers(1, 12))):
            dy, dx = np.clip(np.rint(rng.normal(0, 1.5, 2)), -2, 2).astype(int)
            model[y + dy, x + dx] += 0.1 * rng.exponential()
    return model


KINDS: dict[str, Callable[[int], Array]] = {
    **{f"picture-{number}": _picture for number in range(6)},
    "thresholded": _thresholded,
    "thresholded-higher": lambda seed: _thresholded(seed, 20.0),
    "segments": _segments,
    "mask": _mask,
    "flags": _flags,
    "weights": _weights,
    "model": _restored_model,
}


def sparse_images() -> Iterator[tuple[str, Array]]:
    """Yield name and samples of every image."""
    for name, make in KINDS.items():
        yield name, np.ascontiguousarray(make(zlib.crc32(name.encode()) % 100_000))

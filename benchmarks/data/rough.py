"""Images whose exact values look rough, made in code: near-lattices, jittering plateaus, tiny ones, wild pixels.

Pipelines scale integers in single precision, in several orders of operations. What comes out lies near a lattice
a + b*k, but is not a + b*k rounded once. Each function makes one kind; seeds are fixed, so that anyone gets the same.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.types import Array

F32 = np.float32


def _counts(seed: int, shape: tuple[int, int] = (300, 300), step: float = 0.05) -> Array:
    """Integers, int64, of a simulated image in steps of a share of its noise."""
    from radcodec.simulate import simulate_image

    image = simulate_image(shape, seed=seed, n_sources=12).astype(np.float64)
    noise = 1.4826 * float(np.median(np.abs(image - np.median(image))))
    return np.rint(image / (step * noise)).astype(np.int64)


def _sum_of_rounded(k: Array, a: float, b: float) -> Array:
    """Round the product, then the sum: what NumPy does with float32 operands."""
    return k.astype(F32) * F32(b) + F32(a)


def _fused(k: Array, a: float, b: float) -> Array:
    """Round once, but with a scale and an offset in single precision, as a fused multiply-add does."""
    return (k.astype(np.float64) * float(F32(b)) + float(F32(a))).astype(F32)


def _shifted_first(k: Array, a: float, b: float) -> Array:
    """Take the offset off before scaling: (k - z) * b."""
    return (k.astype(F32) + F32(a / b)) * F32(b)


def _through_offset(k: Array, a: float, b: float) -> Array:
    """Scale, add an offset and take it off again: all values get the spacing of the offset's size."""
    far = F32(300.0 * b * (1 + np.abs(k).max()) + abs(a))
    return (k.astype(F32) * F32(b) + far) - far


def _converted(k: Array, a: float, b: float) -> Array:
    """Scale, add, then convert the unit, each rounded."""
    return (k.astype(F32) * F32(b) + F32(a)) * F32(1e3 / 7.0)


def _divided(k: Array, a: float, b: float) -> Array:
    """Divide by a number of beams instead of multiplying, and add."""
    return k.astype(F32) / F32(1.0 / b) + F32(a)


def _normalised(k: Array, a: float, b: float) -> Array:
    """Subtract the mean and divide by the rms, in single precision."""
    x = k.astype(F32) * F32(b) + F32(a)
    normalised: Array = (x - x.mean(dtype=F32)) / x.std(dtype=F32)
    return normalised


PIPELINES: dict[str, Callable[[Array, float, float], Array]] = {
    "sum-of-rounded": _sum_of_rounded,
    "fused": _fused,
    "shifted-first": _shifted_first,
    "through-offset": _through_offset,
    "converted": _converted,
    "divided": _divided,
    "normalised": _normalised,
}
#: Offset and scale of each variant; the offset is in scales.
SCALES: dict[str, tuple[float, float]] = {
    "small": (0.0, 3.0517e-5),
    "offset": (1234.56, 1.7345e-4),
    "negative": (-88.3, -0.0312),
    "large": (4.1e4, 7.7e3),
}


def _pipeline(name: str, scale: str, seed: int, step: float = 0.05) -> Array:
    offset, b = SCALES[scale]
    return PIPELINES[name](_counts(seed, step=step), offset * b, b)


def _jitter(seed: int, ulps: int, shape: tuple[int, int] = (300, 300), step: float = 0.05) -> Array:
    """A lattice with errors of up to some units in the last place of the largest value, anew at each pixel."""
    rng = np.random.default_rng(seed)
    values = (_counts(seed, shape, step) * 2.3e-4 + 0.011).astype(F32)
    unit = float(np.spacing(np.abs(values).max()))
    jitter = rng.integers(-ulps, ulps + 1, shape) * unit
    return (np.rint(values.astype(np.float64) / unit) * unit + jitter).astype(F32)


def _masked(seed: int) -> Array:
    image = _pipeline("sum-of-rounded", "offset", seed)
    y, x = np.indices(image.shape)
    image[np.hypot(y - 150, x - 150) > 140] = np.nan
    return image


def _wide(seed: int) -> Array:
    return _sum_of_rounded(_counts(seed, (700, 900), 0.01), 0.021, 1.9e-6)


def _double(seed: int) -> Array:
    """Doubles of integers that were scaled with rounded products."""
    k = _counts(seed).astype(np.float64)
    return (k * 1.1e-4 + 0.37) * 3.3


def _cube(seed: int) -> Array:
    """Planes with a scale of their own each."""
    rng = np.random.default_rng(seed)
    planes = [
        _sum_of_rounded(_counts(seed + i, (96, 128)), 0.5 * rng.normal(), 1e-3 * rng.uniform(0.5, 2)) for i in range(8)
    ]
    return np.stack(planes)


def _rounded_counts(seed: int) -> Array:
    """Integers of 32 bits that were integers of fewer bits, multiplied and rounded."""
    return np.rint(_counts(seed) * 1234.567 + 99.4).astype(np.int32)


def _plateau(seed: int, dtype: Any = F32) -> Array:
    """A disc of noise in a plateau whose values jitter by a few units in the last place."""
    from radcodec.simulate import simulate_image

    rng = np.random.default_rng(seed)
    noise = simulate_image((256, 256), seed=seed, n_sources=6).astype(dtype)
    level = dtype(3.7 * np.abs(noise).max())
    plateau = level + rng.integers(-3, 4, noise.shape) * np.spacing(level)
    y, x = np.indices(noise.shape)
    return np.where(np.hypot(y - 120, x - 140) < 90, noise, plateau).astype(dtype)


def _zero_plateau(seed: int) -> Array:
    """Noise, and beside it what taking an offset off left of zeros: a few units of the offset's last place."""
    from radcodec.simulate import simulate_image

    rng = np.random.default_rng(seed)
    noise = simulate_image((256, 256), seed=seed, n_sources=6)
    rest = rng.integers(-2, 3, noise.shape) * np.spacing(F32(np.abs(noise).max()))
    x = np.indices(noise.shape)[1]
    return np.where(x < 150, noise, rest).astype(F32)


def _flat(seed: int, levels: tuple[float, ...], ulps: int, shape: str, dtype: Any = F32) -> Array:
    """Noise within a shape, and around it plateaus whose values jitter by a few units in the last place."""
    from radcodec.simulate import simulate_image

    rng = np.random.default_rng(seed)
    noise = simulate_image((256, 256), seed=seed, n_sources=6).astype(dtype)
    y, x = np.indices(noise.shape)
    inside = {
        "disc": np.hypot(y - 110, x - 150) < 80,
        "ring": np.abs(np.hypot(y - 128, x - 128) - 80) < 25,
        "stripe": (x + y) % 256 < 100,
        "islands": sum(np.hypot(y - cy, x - cx) < 22 for cy, cx in rng.integers(0, 256, (9, 2))) > 0,
    }[shape]
    which = np.minimum(len(levels) * x // 256, len(levels) - 1)
    level = (np.array(levels) * np.abs(noise).max()).astype(dtype)[which]
    jitter = rng.integers(-ulps, ulps + 1, noise.shape) * np.spacing(np.abs(level))
    return np.where(inside, noise, level + jitter).astype(dtype)


def _tiny(seed: int, shape: tuple[int, ...], step: float | None = None) -> Array:
    from radcodec.simulate import simulate_image

    side = shape[-2:]
    planes = [
        simulate_image((64, 64), seed=seed + i, n_sources=2)[: side[0], : side[1]]
        for i in range(int(np.prod(shape[:-2])))
    ]
    image = np.stack(planes).reshape(shape)
    return image if step is None else (np.rint(image / (step * image.std())) * step).astype(F32)


def _wild(seed: int, value: float, dtype: Any = F32, step: float | None = None) -> Array:
    from radcodec.simulate import simulate_image

    image = simulate_image((256, 256), seed=seed, n_sources=8).astype(np.float64)
    if step is not None:
        image = np.rint(image / (step * image.std()))
    image = image.astype(dtype)
    image[101, 77] = dtype(value)
    return image


KINDS: dict[str, Callable[[int], Array]] = {
    **{
        f"{name}-{scale}": lambda seed, name=name, scale=scale: _pipeline(name, scale, seed)  # type: ignore[misc]
        for name in PIPELINES
        for scale in SCALES
    },
    **{
        f"{name}-fine": lambda seed, name=name: _pipeline(name, "offset", seed, 0.002)  # type: ignore[misc]
        for name in PIPELINES
    },
    "jitter-fine": lambda seed: _jitter(seed, 2, step=0.002),
    "jitter-1": lambda seed: _jitter(seed, 1),
    "jitter-2": lambda seed: _jitter(seed, 2),
    "masked": _masked,
    "wide": _wide,
    "double": _double,
    "cube": _cube,
    "rounded-counts": _rounded_counts,
    "plateau": _plateau,
    "plateau-double": lambda seed: _plateau(seed, np.float64),
    "zero-plateau": _zero_plateau,
    "plateau-1": lambda seed: _flat(seed, (1.0,), 1, "disc"),
    "plateau-negative": lambda seed: _flat(seed, (-6.3,), 4, "ring"),
    "plateau-wide": lambda seed: _flat(seed, (2.2,), 16, "stripe"),
    "plateau-wide-double": lambda seed: _flat(seed, (-0.4,), 16, "disc", np.float64),
    "plateaus": lambda seed: _flat(seed, (0.7, -2.0, 40.0), 2, "islands"),
    "tiny-image": lambda seed: _tiny(seed, (1, 20, 24))[0],
    "tiny-cube": lambda seed: _tiny(seed, (8, 11, 6)),
    "tiny-steps": lambda seed: _tiny(seed, (1, 24, 24), 0.1)[0],
    "tiny-steps-cube": lambda seed: _tiny(seed, (6, 9, 9), 0.2),
    "wild-large": lambda seed: _wild(seed, 1e30),
    "wild-negative": lambda seed: _wild(seed, -999.0),
    "wild-double": lambda seed: _wild(seed, 1e12, np.float64),
    "wild-int16": lambda seed: _wild(seed, 32767, np.int16, 0.2),
    "wild-steps": lambda seed: _wild(seed, 1e6, F32, 0.2),
}


def rough_images() -> Iterator[tuple[str, Array]]:
    """Yield name and samples of every image."""
    for name, make in KINDS.items():
        yield name, np.ascontiguousarray(make(zlib.crc32(name.encode()) % 100_000))

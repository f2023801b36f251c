"""Make noise-normalised training crops from FITS folders, data sets and simulated maps.

Images are held as (value - median) / sigma, float32, non-finite pixels 0. A crop is a random window of one image,
flipped and turned at random, then companded. Its noise scale is jittered, since a real sigma is only an estimate.
"""

from __future__ import annotations

import numpy as np
import torch

from radcodec.base.companding import KNEE, OUTPUT_LIMIT, OUTPUT_UNIT
from radcodec.errors import InputError
from radcodec.simulate import Coverage, ImageKind, simulate_image
from radcodec.training.config import DataConfig, LappedDataConfig
from radcodec.training.datasets import Image, load_planes, measure_noise, normalise
from radcodec.training.emission import simulate_emission
from radcodec.training.sources import load_held_out, load_images

__all__ = [
    "CropStream",
    "Image",
    "compand_ratio",
    "load_planes",
    "measure_noise",
    "normalise",
    "simulate_ratio",
    "validation_images",
    "zoom",
]

#: Side of a simulated image, pixels.
SIMULATED_PX = 192


def compand_ratio(ratio: Image) -> Image:
    """Return 3 asinh(ratio / 3) clamped to the decoder's range, float32."""
    limit = OUTPUT_LIMIT / OUTPUT_UNIT
    return np.asarray(np.clip(KNEE * np.arcsinh(ratio / KNEE), -limit, limit), dtype=np.float32)


def simulate_ratio(rng: np.random.Generator, side: int = SIMULATED_PX) -> Image:
    """Return one simulated image in units of its noise: a random beam, array, noise level and dynamic range.

    Beams have 2 to 8 pixels and axis ratios down to 0.5. There are up to 40 sources of up to 10^4.5 sigma. Half of the
    images have gaps in their uv plane, half of those dirty side lobes. A third is divided by a primary beam.
    """
    major = float(np.exp(rng.uniform(np.log(2.0), np.log(8.0))))
    coverages: tuple[Coverage, ...] = ("gaussian", "gaussian", "tracks", "snapshot")
    coverage = coverages[int(rng.integers(4))]
    kind: ImageKind = "dirty" if coverage != "gaussian" and rng.random() < 0.5 else "clean"
    image = simulate_image(
        (side, side),
        seed=int(rng.integers(2**31)),
        beam_fwhm_px=(major, major * rng.uniform(0.5, 1.0)),
        beam_pa_deg=rng.uniform(0.0, 180.0),
        noise_rms=1.0,
        n_sources=int(rng.integers(0, 40)),
        max_snr=float(10 ** rng.uniform(0.5, 3.5 if kind == "dirty" else 4.5)),
        kind=kind,
        uv_coverage=coverage,
        primary_beam_fwhm_px=rng.uniform(0.7, 3.0) * side if rng.random() < 1 / 3 else None,
    ).astype(np.float64)
    # Mostly the measured sigma, as in use; sometimes the true one, which the side lobes of a dirty map hide.
    return normalise(image, None if rng.random() < 0.7 else 1.0)


class CropStream:
    """An endless stream of batches of companded crops, float32 [N, 1, c, c].

    Batch and simulated image n depend only on the seed and n. So a stream that starts at batch n continues one that has
    given n batches.
    """

    def __init__(self, config: DataConfig, seed: int, *, start: int = 0) -> None:
        self._seed = seed
        self._crop = config.crop_px
        real = load_images(config.folders, every=config.held_out_every, most=config.images)
        self._real = [ratio for ratio in real if min(ratio.shape) >= config.crop_px]
        if real and not self._real:
            raise InputError(f"data: expected images of at least crop_px = {config.crop_px} pixels a side, found none")
        self._share = config.simulated_share if self._real else 1.0
        self._emission = config.emission_share
        self._pool: list[Image] = []
        self._size = config.pool if self._share > 0 else 0
        self._simulated = self.given = start

    def batch(self, size: int) -> torch.Tensor:
        """Return the next `size` crops; one simulated image is replaced each time."""
        number, self.given = self.given, self.given + 1
        self._simulate(number + self._size)
        self._rng = np.random.default_rng([self._seed, 1, number])
        crops = np.stack([self._draw() for _ in range(size)])
        return torch.from_numpy(crops)[:, None]

    def _simulate(self, end: int) -> None:
        """Hold the last simulated images before number `end`."""
        for number in range(self._simulated, end if self._size else 0):
            rng = np.random.default_rng([self._seed, 2, number])
            simulate = simulate_emission if self._emission and rng.random() < self._emission else simulate_ratio
            self._pool.append(simulate(rng, max(SIMULATED_PX, self._crop)))
        self._pool = self._pool[-self._size :]
        self._simulated = end

    def _draw(self) -> Image:
        """Return one companded crop."""
        rng = self._rng
        images = self._pool if rng.random() < self._share else self._real
        image = images[int(rng.integers(len(images)))]
        if images is self._real and rng.random() < 0.3:
            image = zoom(image, float(rng.uniform(0.7, 1.6)), self._crop)
        top = int(rng.integers(image.shape[0] - self._crop + 1))
        left = int(rng.integers(image.shape[1] - self._crop + 1))
        crop = image[top : top + self._crop, left : left + self._crop]
        crop = np.rot90(crop, int(rng.integers(4)))
        crop = crop[::-1] if rng.random() < 0.5 else crop
        return compand_ratio(crop * np.float32(np.exp(rng.normal(0.0, 0.2))))


def zoom(image: Image, factor: float, least: int) -> Image:
    """Return an image resampled by about `factor` by cutting or padding its spectrum (exact for a band limit).

    Sides never drop below `least`; the noise keeps its level.
    """
    spectrum = np.fft.fftshift(np.fft.fft2(image))
    for axis in (0, 1):
        length = spectrum.shape[axis]
        target = max(least, round(length * factor))
        middle = length // 2
        if target <= length:
            start = middle - target // 2
            spectrum = spectrum.take(range(start, start + target), axis=axis)
        else:
            before = target // 2 - middle
            widths = [(0, 0), (0, 0)]
            widths[axis] = (before, target - length - before)
            spectrum = np.pad(spectrum, widths)
    ratio = spectrum.size / image.size
    return np.asarray(np.fft.ifft2(np.fft.ifftshift(spectrum)).real * ratio, dtype=np.float32)


def validation_images(config: DataConfig | LappedDataConfig, seed: int) -> list[Image]:
    """Return the validation images of a configuration in units of their noise.

    They are the validation folders' (pieces of at most 512 pixels a side) and the held-out ones. Without any they are
    eight simulated images.
    """
    folders = (config.validation,) if isinstance(config.validation, str) else config.validation
    images = load_images([folder for folder in folders if folder])
    if config.held_out_every:
        images += load_held_out(config.folders, every=config.held_out_every)
    rng = np.random.default_rng(seed + 1)
    return images or [simulate_ratio(rng) for _ in range(8)]

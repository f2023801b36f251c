"""Convert the pixels of a data set for training: (value - median) / sigma, float32.

Sigma depends on the processing of the images before publication:

- Images with their noise (FITS, and photographs with their texture): 1.4826 times the median absolute deviation.
  Colours become luminance first.
- Images cut off at k sigma and then scaled to 0..255 (MiraBest, Radio Galaxy Zoo): their median and deviation are 0,
  but the cut gives the scale. The faintest level, f, is k sigma rounded down, so sigma = (f + 1/2) / k. Below the cut
  the ratio is 0: no noise is added.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from radcodec.training.datasets.images import LabelledImages, Pixels

Image = npt.NDArray[np.float32]
#: 1 / (normal quantile of 3/4): turns a median absolute deviation into a standard deviation.
MAD_TO_SIGMA = 1.4826022185056018
#: Weights of red, green and blue in luminance (ITU-R BT.601, section 2.5.1).
LUMINANCE = (0.299, 0.587, 0.114)


def measure_noise(plane: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return median and 1.4826 * MAD of the finite pixels of a plane; sigma is 1 where it would be 0."""
    finite = plane[np.isfinite(plane)]
    if finite.size == 0:
        return 0.0, 1.0
    median = float(np.median(finite))
    sigma = MAD_TO_SIGMA * float(np.median(np.abs(finite - median)))
    return median, sigma if sigma > 0 else 1.0


def normalise(plane: npt.NDArray[np.float64], sigma: float | None = None) -> Image:
    """Return (plane - median) / sigma, float32, non-finite pixels 0; sigma is measured unless given."""
    median, measured = measure_noise(plane)
    ratio = (plane - median) / (measured if sigma is None else sigma)
    return np.asarray(np.where(np.isfinite(ratio), ratio, 0.0), dtype=np.float32)


def training_images(data: LabelledImages) -> list[Image]:
    """Return the images of a data set in units of their noise, float32 [H, W]; constant ones are left out."""
    ratios = (_ratio(image, data.cut_sigma) for image in data.images)
    return [ratio for ratio in ratios if ratio.any()]


def luminance(image: Pixels) -> npt.NDArray[np.float64]:
    """Return float64 [H, W]: the weighted mean of the colours, or the image itself where it has none."""
    values = image.astype(np.float64)
    return values if values.ndim == 2 else np.asarray(values @ np.array(LUMINANCE), dtype=np.float64)


def _ratio(image: Pixels, cut_sigma: float | None) -> Image:
    """Return one image in units of its noise."""
    grey = luminance(image)
    if cut_sigma is None:
        return normalise(grey)
    left = grey[grey > 0]
    sigma = (float(left.min()) + 0.5) / cut_sigma if left.size else 1.0
    return np.asarray(grey / sigma, dtype=np.float32)

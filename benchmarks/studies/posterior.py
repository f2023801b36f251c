"""Does the spread of ``radcodec sample`` cover the truth? CSV rows, and a picture of one image's mean and spread.

Images that no model was trained on are compressed to a bit-rate, then DRAWS samples are drawn. In companded units:

- ``rmse_decoded``, ``rmse_mean``, ``rmse_draw``: of the decoded image, of the mean of the draws, of one draw;
- ``spread``: rms of the draws' standard deviation. A spread that is right equals ``rmse_mean`` but for sampling;
- ``within_1``, ``within_2``: share of pixels that are nearer to the mean than one and two standard deviations, each
  times sqrt(1 + 1/DRAWS). Of a Gaussian: 0.67 and 0.94 with 16 draws (Student's t);
- ``outside``: share of pixels below the smallest or above the largest draw. Of a right posterior: 2 / (DRAWS + 1);
- ``bright_*``: the same for pixels above BRIGHT times the noise in the original;
- ``rms_decoded``, ``rms_draw``, ``rms_image``: clipped rms of decoded image, draw and original: draws have their noise.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.data.datasets import Image, images
from benchmarks.figures import save_greys
from benchmarks.rows import append_row, image_cells, rows_done
from benchmarks.types import F64

COLUMNS = (
    "machine", "commit", "set", "file", "hdu", "data_sha256", "shape", "dtype", "pixels", "bits_per_pixel", "draws",
    "steps", "sampler", "rmse_decoded", "rmse_mean", "rmse_draw", "spread", "within_1", "within_2", "outside",
    "bright_pixels", "bright_within_1", "bright_within_2", "rms_decoded", "rms_draw", "rms_image", "seconds",
)  # fmt: skip
KEY = ("file", "hdu", "bits_per_pixel")
SETS = {"first/test": 20, "telescopes": 1}  # and every how many of their images
TELESCOPES = ("atca-scorpio-extended",)
RATES = (0.25, 1.0)
DRAWS = 16
MOST_PIXELS = 1 << 17
BRIGHT = 5.0
FIGURE = "posterior.png"
SHOWN_RATE = 0.25
SIDE = 300
GAP = 6
SPREAD_RANGE = 1.5  # companded units from black to white


def coverage(truth: F64, draws: F64, where: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> dict[str, float]:
    """Return the shares of pixels that the draws [N, H, W] cover; all companded."""
    mean, spread = draws.mean(axis=0), draws.std(axis=0, ddof=1) * np.sqrt(1.0 + 1.0 / len(draws))
    off = np.abs(truth - mean)[where]
    outside = (truth < draws.min(axis=0)) | (truth > draws.max(axis=0))
    return {
        "within_1": float((off <= spread[where]).mean()),
        "within_2": float((off <= 2 * spread[where]).mean()),
        "outside": float(outside[where].mean()),
    }


def clipped_rms(image: F64) -> float:
    """Return 1.4826 times the median absolute deviation."""
    return 1.4826 * float(np.median(np.abs(image - np.median(image))))


def rms(image: F64) -> float:
    """Return the root of the mean square."""
    return float(np.sqrt(np.mean(image**2)))


def posterior_cells(image: Image, rate: float, figure: Path | None) -> dict[str, object]:
    """Measure one image at one rate; draw its picture where a name is given."""
    import time

    import radcodec
    from radcodec.base.companding import compand
    from radcodec.integrations.posterior import STEPS, SampleOptions, draw_posterior

    plane = image.samples.reshape(-1, *image.samples.shape[-2:])[0].astype(np.float32)
    side = int(np.sqrt(MOST_PIXELS))
    plane = np.ascontiguousarray(plane[: min(side, plane.shape[0]), : min(side, plane.shape[1])])
    data = radcodec.encode(plane, lossy_bpp=rate)
    start = time.process_time()
    with radcodec.open(data) as file:
        found = draw_posterior(file, SampleOptions(draws=DRAWS))
        offset, scale = file.images[0].stored.coding.normalisation[0]  # type: ignore[index]
    seconds = time.process_time() - start
    known = np.isfinite(plane)
    truth = compand(plane, offset, scale)
    decoded = compand(radcodec.decode(data), offset, scale)
    draws = np.stack([compand(draw, offset, scale) for draw in found.draws])
    mean, spread = draws.mean(axis=0), draws.std(axis=0, ddof=1)
    bright = known & (plane > offset + BRIGHT * scale)
    cover = coverage(truth, draws, known)
    cells: dict[str, object] = {
        "bits_per_pixel": rate, "draws": DRAWS, "steps": STEPS, "sampler": found.sampler,
        "rmse_decoded": f"{rms((decoded - truth)[known]):.4f}", "rmse_mean": f"{rms((mean - truth)[known]):.4f}",
        "rmse_draw": f"{rms((draws[0] - truth)[known]):.4f}", "spread": f"{rms(spread[known]):.4f}",
        **{name: f"{share:.4f}" for name, share in cover.items()}, "bright_pixels": int(bright.sum()),
        "rms_decoded": f"{clipped_rms(decoded[known]):.4f}", "rms_draw": f"{clipped_rms(draws[0][known]):.4f}",
        "rms_image": f"{clipped_rms(truth[known]):.4f}", "seconds": f"{seconds / DRAWS:.2f}",
    }  # fmt: skip
    if bright.any():
        lit = coverage(truth, draws, bright)
        cells |= {f"bright_{name}": f"{lit[name]:.4f}" for name in ("within_1", "within_2")}
    if figure is not None:
        draw_figure([truth, decoded, draws[0], mean], spread, figure)
    return cells


def draw_figure(pictures: list[F64], spread: F64, figure: Path) -> None:
    """Draw companded images side by side, black at -3 and white at 12; then the spread, black at 0."""
    grey = [np.clip((picture + 3.0) / 15.0, 0.0, 1.0) for picture in pictures]
    grey.append(np.clip(spread / SPREAD_RANGE, 0.0, 1.0))
    gap = np.ones((min(SIDE, grey[0].shape[0]), GAP))
    parts = [part for one in grey for part in (one[:SIDE, :SIDE], gap)][:-1]
    save_greys(np.rint(255 * np.hstack(parts)).astype(np.uint8)[::-1], figure)


def run_posterior(*, data: Path, figures: Path, out: Path, commit: str) -> list[str]:
    """Add the rows that ``out`` lacks; gives a line on each."""
    done, lines = rows_done(out, KEY), []
    for chosen, every in SETS.items():
        found = list(images(data, chosen))
        if chosen == "telescopes":
            found = [image for image in found if any(name in image.file for name in TELESCOPES)]
        for number, image in enumerate(found[::every]):
            if image.samples.dtype.kind != "f":
                continue
            for rate in RATES:
                if (image.file, str(image.hdu), str(rate)) in done:
                    continue
                shown = number == 0 and chosen == "first/test" and rate == SHOWN_RATE
                cells = posterior_cells(image, rate, figures / FIGURE if shown else None)
                append_row(out, COLUMNS, image_cells(image, chosen=chosen, commit=commit) | cells)
                lines.append(
                    f"{image.file} at {rate}: within 1: {cells['within_1']}, outside: {cells['outside']}, rmse of the "
                    f"decoded image {cells['rmse_decoded']}, of the mean {cells['rmse_mean']}, spread {cells['spread']}"
                )
    return lines

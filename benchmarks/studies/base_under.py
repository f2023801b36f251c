"""Does a base layer under the detail layer make exact or bounded images smaller? As CSV rows.

``base_bits`` is what a base layer adds to a file: its streams at the rate of a lossy one, and ``BESIDE_BYTES``.
``bits_per_pixel`` is that plus the stream of the rest. ``plain_bits_per_pixel`` is the stream of the image itself.
Three ways use the base:

- ``difference``: the image less the base is coded.
- ``difference, context``: the same. How much the base changes around a pixel, on all sides of it, moves the table that
  its symbol is coded with. For each of ``N_BUSY`` classes it moves by the best number of steps.
- ``taps``: the base's pixels around and under a pixel are regressors of its predictor, beside the pixels before it. The
  fit is weighted as that of the detail layer. It gives taps c on the image and g on the base. This predictor is the
  predictor c on the image less the base filtered by g / (1 - c). So this difference is coded, and the detail layer fits
  taps of its own to it. ``TAP_BITS`` for each coefficient g are counted.

The rest goes through the whole detail layer in binary64, which stands alone here. (The ablation has a line on what the
library does.) Rows of ``lossless`` (taps alone) are the lossless stream plus the change that the base makes at sigma /
``FINE``. Bins far finer than the noise cost what the noise in them costs, whatever their width, and a difference of
floats has no exact form to code in place of the image. Smooth images have no such rows: there an error of prediction is
a small part of the noise, and of the base's error. Middles of ``SIDE`` pixels a side, finite float images only.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.data.datasets import Image, sigma
from benchmarks.rivals.ours import Radcodec
from benchmarks.rows import append_row, image_cells, rows_done
from benchmarks.studies.ablation import chosen_images
from benchmarks.studies.variants import alone
from benchmarks.types import F64, Row

COLUMNS = (
    "machine", "commit", "set", "file", "hdu", "data_sha256", "shape", "dtype", "pixels", "codec_version", "bound",
    "model", "rate", "way", "base_bits", "bits_per_pixel", "plain_bits_per_pixel",
)  # fmt: skip
KEY = ("file", "hdu", "model", "rate")
RATES = {"general-v0": (0.05, 0.5), "lapped-v2": (0.05, 0.1, 0.2, 0.5, 1.0, 1.5)}
PAIRS = [(model, rate) for model, rates in RATES.items() for rate in rates]
FINE = 4096.0
DIVISORS = {"difference": (8.0, 2.0), "taps": (8.0, FINE)}  # of the noise, by way: the largest errors
SIDE = 300
RADIUS, REACH = 6, 2  # of the window on the image, and of the square on the base
TURNS, WEIGHT_SIDE, LEAST_WEIGHT = 3, 7, 1e-3
TAP_BITS = 12
N_BUSY, BUSY_SIDE, MOST_MOVE = 8, 5, 4  # classes, side of the square, steps of an eighth of an octave
ENOUGH_BITS = 9.0  # a pixel at sigma / FINE, from which on a bin there is far finer than errors of prediction
BESIDE_BYTES = 94  # of a file with a preview of one tile, against one without: its model's name, scale, index entries
MARGIN = 64
Samples = npt.NDArray[np.floating]


def window_offsets(radius: int) -> list[tuple[int, int]]:
    """List (dy, dx) of the pixels before a pixel."""
    rows = [(-dy, dx) for dy in range(radius, 0, -1) for dx in range(-radius, radius + 1)]
    return rows + [(0, dx) for dx in range(-radius, 0)]


def square_offsets(reach: int) -> list[tuple[int, int]]:
    """List (dy, dx) of the pixels around a pixel, and its own."""
    return [(dy, dx) for dy in range(-reach, reach + 1) for dx in range(-reach, reach + 1)]


def joint_fit(image: F64, base: F64) -> tuple[F64, F64]:
    """Fit taps c on the pixels before a pixel, and g on the base around it, that predict an image [H, W] best.

    The mean logarithm of the error is made small by weights: the inverse square of the error nearby, turn by turn.
    """
    from scipy.ndimage import uniform_filter

    h, w = image.shape
    columns = [
        padded[RADIUS + dy : RADIUS + dy + h, RADIUS + dx : RADIUS + dx + w].ravel()
        for padded, offsets in (
            (np.pad(image, RADIUS), window_offsets(RADIUS)), (np.pad(base, RADIUS, mode="edge"), square_offsets(REACH))
        )
        for dy, dx in offsets
    ]  # fmt: skip
    design, target, weight = np.stack(columns), image.ravel(), np.ones(image.size)
    taps: F64 = np.zeros(len(design))
    for _ in range(TURNS):
        gram = (design * weight) @ design.T
        gram[np.diag_indices_from(gram)] *= 1 + 1e-9
        taps = np.asarray(np.linalg.lstsq(gram, design @ (weight * target), rcond=1e-13)[0], np.float64)
        error = np.abs(target - taps @ design).reshape(h, w)
        local = uniform_filter(error, WEIGHT_SIDE)
        weight = 1.0 / np.maximum(local, LEAST_WEIGHT * float(local.max())).ravel() ** 2
    n = len(window_offsets(RADIUS))
    return taps[:n], taps[n:]


def response(taps: F64, offsets: list[tuple[int, int]], shape: tuple[int, int]) -> npt.NDArray[np.complex128]:
    """Return the transfer function [H, W] of taps that sum values at their offsets from a pixel."""
    kernel = np.zeros(shape)
    for tap, (dy, dx) in zip(taps, offsets, strict=True):
        kernel[-dy % shape[0], -dx % shape[1]] += tap
    return np.fft.fft2(kernel)


def base_part(base: F64, c: F64, g: F64) -> F64:
    """Return the base [H, W] filtered by g / (1 - c)."""
    padded = np.pad(base, MARGIN, mode="reflect")
    shape = (padded.shape[0], padded.shape[1])
    whole = response(g, square_offsets(REACH), shape) / (1.0 - response(c, window_offsets(RADIUS), shape))
    found = np.fft.ifft2(np.fft.fft2(padded) * whole).real
    return np.asarray(found[MARGIN:-MARGIN, MARGIN:-MARGIN])


def bits(samples: Samples, max_error: float | None) -> float:
    """Return the bits of the whole stream of an array, whose bound is verified."""
    return 8.0 * len(Radcodec().encode(samples, max_error=max_error))


def left_over(image: F64, base: F64, noise: float) -> dict[str, tuple[F64, float]]:
    """Return what each way leaves of an image to code, and the bits that a reader needs beside it."""
    middle = float(np.median(image))
    part = base_part((base - middle) / noise, *joint_fit((image - middle) / noise, (base - middle) / noise))
    return {"difference": (image - base, 0.0), "taps": (image - noise * part, float(TAP_BITS * (2 * REACH + 1) ** 2))}


def busy_classes(base: F64) -> npt.NDArray[np.int64]:
    """Return the class of each pixel, [H, W], by the rms of the base's differences in a square around it."""
    from scipy.ndimage import uniform_filter

    power = sum(np.diff(base, axis=axis, prepend=np.take(base, [0], axis)) ** 2 for axis in (0, 1))
    local = uniform_filter(np.asarray(power, np.float64), BUSY_SIDE)
    edges = np.quantile(local, np.linspace(0, 1, N_BUSY + 1)[1:-1])
    return np.asarray(np.searchsorted(edges, local), np.int64)


def context_gain(left: F64, base: F64, max_error: float) -> float:
    """Return the bits that the base saves as a context in coding the rest of an image, both [H, W]; moves count."""
    from radcodec.detail import TileBound, fit_image, load_predictors
    from radcodec.detail.kernels import N_PHASES, N_SYMBOLS, N_TABLES
    from radcodec.detail.stream import model_tile
    from radcodec.types import SampleType

    predictors = load_predictors(fit_image(left[None], None, max_error, SampleType.F8))
    if predictors is None:
        return 0.0
    symbols, tables = model_tile(left[None], None, predictors, TileBound(error=max_error))
    if symbols.size != left.size:
        return 0.0
    bits = predictors.tables.bits.reshape(-1, N_TABLES, N_PHASES, N_SYMBOLS)
    scale, phase = np.divmod(tables.astype(np.int64), N_PHASES)
    shape = bits[min(range(len(bits)), key=lambda one: float(bits[one][scale, phase, symbols].sum()))]
    busy = busy_classes(base).ravel()
    gain = 0.0
    for one in range(N_BUSY):
        here = busy == one
        sizes = [
            float(shape[np.clip(scale[here] + move, 0, N_TABLES - 1), phase[here], symbols[here]].sum())
            for move in range(-MOST_MOVE, MOST_MOVE + 1)
        ]
        gain += max(0.0, sizes[MOST_MOVE] - min(sizes) - np.log2(len(sizes)))
    return gain


def image_rows(samples: Samples, rates: set[tuple[str, float]]) -> Iterator[dict[str, object]]:
    """Measure the cells of an image [H, W] with each (model, rate), at all bounds and in all ways."""
    import radcodec

    image, noise, size = samples.astype(np.float64), sigma(samples), samples.size
    # Steps may be finer than the spacing of bright floats: what is compared is in binary64 on both sides then.
    plain = {
        d: bits(image if d == FINE else samples, noise / d)
        for d in sorted({d for some in DIVISORS.values() for d in some})
    }
    lossless = 8.0 * len(radcodec.encode(samples, threads=1, verify=False))
    for model, rate in sorted(rates):
        try:
            stream = radcodec.encode(samples, lossy_bpp=rate, model=model, threads=1, verify=False)
        except radcodec.BoundError:
            continue
        with radcodec.open(stream) as file:
            base_bits = 8.0 * (BESIDE_BYTES + sum(p["bytes"] for p in file.info.layers if p["name"] == "base"))
        ways = left_over(image, radcodec.decode(stream, threads=1).astype(np.float64), noise)
        for way, (left, known) in ways.items():
            for divisor in DIVISORS[way]:
                if divisor == FINE and plain[FINE] < ENOUGH_BITS * size:
                    continue
                total, alone = base_bits + known + bits(left, noise / divisor), plain[divisor]
                totals = {way: total}
                if way == "difference":
                    totals["difference, context"] = total - context_gain(left, image - left, noise / divisor)
                if divisor == FINE:
                    totals, alone = {way: lossless + total - alone}, lossless
                for name, all_bits in totals.items():
                    yield {
                        "bound": "lossless" if divisor == FINE else f"sigma/{divisor:g}", "model": model,
                        "rate": f"{rate:g}", "way": name, "base_bits": f"{base_bits / size:.5f}",
                        "bits_per_pixel": f"{all_bits / size:.5f}", "plain_bits_per_pixel": f"{alone / size:.5f}",
                    }  # fmt: skip


def middle_of(image: Image) -> Samples:
    """Return the middle of the first plane of an image."""
    plane = image.samples.reshape(-1, *image.samples.shape[-2:])[0]
    y, x = (max(0, n - SIDE) // 2 for n in plane.shape)
    return np.ascontiguousarray(plane[y : y + SIDE, x : x + SIDE])


def run_base(*, data: Path, sets: list[str], out: Path, commit: str) -> list[str]:
    """Add the rows that ``out`` lacks; gives a line on each image. Images are those of the ablation without sets."""
    done, version, lines = rows_done(out, KEY), Radcodec().version(), []
    for chosen, image in chosen_images(data, sets):
        samples = middle_of(image)
        if samples.dtype.kind != "f" or not np.isfinite(samples).all() or sigma(samples) == 0:
            continue
        todo = {(m, r) for m, r in PAIRS if (image.file, str(image.hdu), m, f"{r:g}") not in done}
        known = image_cells(image, chosen=chosen, commit=commit) | {
            "codec_version": version, "shape": "x".join(map(str, samples.shape)), "pixels": samples.size
        }  # fmt: skip
        with alone():
            rows = list(image_rows(samples, todo)) if todo else []
        for row in rows:
            append_row(out, COLUMNS, known | row)
        won = sum(float(str(row["bits_per_pixel"])) < float(str(row["plain_bits_per_pixel"])) for row in rows)
        lines.append(f"{image.key}: smaller with a base in {won} of {len(rows)} rows")
    return lines


def base_lines(rows: list[Row]) -> list[str]:
    """Write a Markdown line for each bound, way and set, or image of telescopes: the change against no base.

    The last column is the change where each image takes the best of all these, or no base.
    """
    places = sorted({(row["model"], row["rate"]) for row in rows}, key=lambda place: (place[0], float(place[1])))
    lines = [
        "| bound | images | way | no base | " + " | ".join(f"{model} {rate}" for model, rate in places) + " | best |",
        "|---|---|---|" + "---:|" * (len(places) + 2),
    ]
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        name = Path(row["file"]).stem if row["set"] == "telescopes" else row["set"]
        groups.setdefault((row["bound"], name, row["way"]), []).append(row)
    for (bound, name, way), some in sorted(groups.items()):
        alone = {row["file"]: float(row["plain_bits_per_pixel"]) for row in some}
        best, cells = dict(alone), []
        for place in places:
            here = {row["file"]: float(row["bits_per_pixel"]) for row in some if (row["model"], row["rate"]) == place}
            best |= {file: min(best[file], total) for file, total in here.items()}
            missing = f" ({len(here)})" if 0 < len(here) < len(alone) else ""
            cells.append(f"{_change(here, alone)}{missing}" if here else "-")
        title = name if len(alone) == 1 else f"{name} ({len(alone)})"
        numbers = f"{sum(alone.values()) / len(alone):.3f} | {' | '.join(cells)} | {_change(best, alone)}"
        lines.append(f"| {bound} | {title} | {way} | {numbers} |")
    return lines


def _change(these: dict[str, float], alone: dict[str, float]) -> str:
    """Return the change of the sum of bits over some images, in percent."""
    return f"{100 * (sum(these.values()) / sum(alone[file] for file in these) - 1):+.1f} %"

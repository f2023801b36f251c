"""Curves of bits against error from rows of ``rd``, and how many bits each codec needs for equal error.

The read-out takes radcodec's curve of every image at one rate. It asks at which rate each other codec's curve of that
image has the same error. Curves are interpolated image by image, with the error linear in the logarithm of the rate,
and never extrapolated. Where a codec has nothing between two settings, it cannot reach a point between them.

The tables give the mean over images of the bits, and its ratio to radcodec's rate. That rate is the same for every
image, so this is the ratio of total sizes (of images of one size) and the mean of the images' ratios. A mean curve
would not do: images differ more in error at one rate than codecs do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.rows import read_rows
from benchmarks.run.distortion import ESTIMATE, KEY, MEASURES
from benchmarks.types import F64, Row

RATES = (0.1, 0.25, 0.5, 1.0)
OURS = "radcodec"


@dataclass(frozen=True, slots=True)
class Curve:
    """What one codec can do to one image: ``bits`` rise, ``errors`` fall."""

    bits: F64
    errors: F64

    @classmethod
    def of(cls, points: Iterable[tuple[float, float]]) -> Curve:
        """Keep those (bits, error) that no other point beats in both."""
        kept: list[tuple[float, float]] = []
        for bits, error in sorted(points):
            if bits > 0 and (not kept or error < kept[-1][1]):
                kept.append((bits, error))
        return cls(np.array([b for b, _ in kept]), np.array([e for _, e in kept]))

    def error_at(self, bits: float) -> float | None:
        """Return the error at a rate; None outside the measured rates."""
        if not self.bits.size or not self.bits[0] <= bits <= self.bits[-1]:
            return None
        return float(np.interp(np.log(bits), np.log(self.bits), self.errors))

    def bits_at(self, error: float) -> float | None:
        """Return the rate that an error takes; the lowest rate if that does better, None if no rate does as well."""
        if not self.bits.size or error < self.errors[-1]:
            return None
        return float(np.exp(np.interp(-error, -self.errors, np.log(self.bits))))


def newest_rows(paths: Iterable[Path]) -> list[Row]:
    """Read the rows of all files; of rows for one setting on one image the last one counts."""
    latest: dict[tuple[str, ...], Row] = {}
    for path in paths:
        latest |= {tuple(row[name] for name in KEY): row for row in read_rows(path)}
    return list(latest.values())


Curves = dict[tuple[str, str], dict[str, Curve]]
"""By codec and variant, then by image."""


def curves_of(rows: list[Row], measure: str) -> Curves:
    """Make the curves of a set; all knobs of a variant are on one curve."""
    points: dict[tuple[str, str], dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row["status"] == "ok" and row[measure]:
            at = points[row["codec"], row["variant"]][f"{row['file']}[{row['hdu']}]"]
            at.append((float(row["bits_per_pixel"]), float(row[measure])))
    return {key: {image: Curve.of(given) for image, given in found.items()} for key, found in points.items()}


def bits_needed(curves: dict[str, Curve], errors: dict[str, float]) -> list[float]:
    """Return the rates at which the curves have the errors, for the images that have one."""
    found = (curves[image].bits_at(error) for image, error in errors.items() if image in curves)
    return [bits for bits in found if bits is not None]


def cell(curves: Curves, codec: str, errors: dict[str, float], rate: float) -> str:
    """Write the mean bits of a codec's best variant, among those with most images.

    In brackets: the ratio to radcodec's rate, the variant, and the number of images if not all.
    """
    needed = {key[1]: bits_needed(by_image, errors) for key, by_image in curves.items() if key[0] == codec}
    variant, bits = min(needed.items(), key=lambda item: (-len(item[1]), np.mean(item[1]) if item[1] else 0.0))
    if not bits:
        return "-"
    mean, share = float(np.mean(bits)), "" if len(bits) == len(errors) else f", {len(bits)} of {len(errors)}"
    return f"{mean:.3f} ({mean / rate:.2f}, {variant}{share})"


def title_of(codec: str) -> str:
    """Return what a column of a codec is called: the Gaussian R(D) is an estimate, which real streams are below."""
    return f"{codec}, an estimate" if codec == ESTIMATE else codec


def table(curves: Curves, model: str) -> list[str]:
    """Write a line for each rate of radcodec's: its mean RMSE, and what other codecs need for it, image by image."""
    others = sorted({codec for codec, _ in curves if codec != OURS}, key=lambda codec: (codec == ESTIMATE, codec))
    lines = [
        "| " + " | ".join(["radcodec, bits a pixel", "mean RMSE", *map(title_of, others)]) + " |",
        "|---:|---:|" + "---:|" * len(others),
    ]
    for rate in RATES:
        found = {image: curve.error_at(rate) for image, curve in curves[OURS, model].items()}
        errors = {image: error for image, error in found.items() if error is not None}
        if errors:
            texts = [f"{rate:g}" if len(errors) == len(found) else f"{rate:g} ({len(errors)} of {len(found)} images)"]
            texts += [f"{np.mean(list(errors.values())):.3f}", *(cell(curves, c, errors, rate) for c in others)]
            lines.append("| " + " | ".join(texts) + " |")
    return lines


def single_images(curves: Curves, model: str) -> list[list[str]]:
    """Write a line for each image and rate of radcodec's: others' least bits for its error, over its own."""
    others = sorted({codec for codec, _ in curves if codec not in (OURS, ESTIMATE)})
    lines = [["image", "radcodec, bits a pixel", *others]]
    for image, curve in sorted(curves[OURS, model].items()):
        for rate in RATES:
            error = curve.error_at(rate)
            if error is None:
                continue
            cells = []
            for codec in others:
                mine = [
                    by_image[image] for (name, _), by_image in curves.items() if name == codec and image in by_image
                ]
                bits = [found for one in mine if (found := one.bits_at(error)) is not None]
                cells.append(f"{min(bits) / rate:.2f}" if bits else "-")
            lines.append([Path(image.partition("[")[0]).stem, f"{rate:g}", *cells])
    return lines


def read_out(paths: Iterable[Path]) -> list[str]:
    """Write Markdown for each set, model and error: the bits that each codec needs where radcodec takes ``RATES``."""
    by_set: dict[str, list[Row]] = defaultdict(list)
    for row in newest_rows(paths):
        by_set[row["set"]].append(row)
    lines: list[str] = []
    for chosen, rows in sorted(by_set.items()):
        for measure in MEASURES:
            curves = curves_of(rows, measure)
            for model in sorted(variant for codec, variant in curves if codec == OURS):
                title = f"**{chosen}, {len(curves[OURS, model])} images, {model}: bits a pixel at equal {measure}"
                lines += [f"{title} (ratio to radcodec's; best variant)**", "", *table(curves, model), ""]
    return lines

"""Bits against error of the lossy mode, its rivals and the Gaussian bound, as CSV rows; their bits at equal error.

Errors are RMSEs over the finite samples of an HDU, with m their median and s 1.4826 times their median absolute
deviation:

- ``rmse_companded``: of 3 asinh((v - m) / 3s), where noise counts as it is and sources by their logarithm;
- ``rmse_faint``: of v / s, over samples of the original with abs(v - m) < 5s: the noise and what is in it.

The read-out takes radcodec's curve of every image at one rate and asks at which rate each other codec's curve of that
image has the same error. Curves are interpolated image by image, error linear in the logarithm of the rate, and never
extrapolated; where a codec has nothing between two settings, the point between them is one that it cannot reach. The
mean over images of the bits is given, and its ratio to radcodec's rate: as that rate is the same for every image, this
is the ratio of total sizes (of images of one size) as well as the mean of the images' ratios. A mean curve would not
do: images differ more in error at one rate than codecs do.

The bound, codec "R(D)", is reverse water-filling over the spectrum of the companded image, which counts as a Gaussian
field of known local amplitude (what that leaves out: ``spectrum.py``). It is no bound for sources, and has no row of
``rmse_faint``.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.datasets import Image, images, sigma
from benchmarks.rivals.base import Array, Unsupported
from benchmarks.rivals.lossy import F64, LossyRival, compand, ladder
from benchmarks.rows import append_row, image_cells, rows_done
from benchmarks.spectrum import LocalSpectrum, local_spectrum

COLUMNS = (
    "machine", "commit", "track", "set", "file", "hdu", "data_sha256", "shape", "dtype", "pixels", "codec",
    "codec_version", "variant", "setting", "knob", "quality", "status", "bytes", "bits_per_pixel", "rmse_companded",
    "rmse_faint", "max_error",
)  # fmt: skip
KEY = ("file", "hdu", "codec", "variant", "knob", "quality")
MEASURES = ("rmse_companded", "rmse_faint")
RATES = (0.1, 0.25, 0.5, 1.0)
FAINT = 5.0  # s: evaluation by faint samples leaves out what is above
BOUND = "R(D)"
WATER_LEVELS = ladder(0.003, 3.0, 40)  # of the bound, as deviations of the companded image
Row = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distortion:
    """Errors of a decoded array, over finite samples of the original; ``max_error`` in its unit."""

    rmse_companded: float
    rmse_faint: float
    max_error: float


def distortion(original: Array, decoded: Array) -> Distortion:
    """Errors of an array whose noise is not zero."""
    known = np.isfinite(original)
    before, after = original[known].astype(np.float64), decoded[known].astype(np.float64)
    median, noise = float(np.median(before)), sigma(original)
    faint = np.abs(before - median) < FAINT * noise
    return Distortion(
        rmse_companded=_rms(compand(after, median, noise) - compand(before, median, noise)),
        rmse_faint=_rms((after - before)[faint] / noise),
        max_error=float(np.abs(after - before).max()),
    )


def _rms(values: F64) -> float:
    return float(np.sqrt(np.mean(values**2)))


def water_filling(spectrum: LocalSpectrum, level: float) -> tuple[float, float]:
    """(RMSE, bits a finite sample) of a Gaussian field at one water level, a deviation: power below it is given up."""
    power = np.multiply.outer(spectrum.amplitude**2, spectrum.power)
    kept = np.maximum(power, level**2)
    return float(np.sqrt(np.minimum(power, level**2).mean())), 0.5 * float(np.log2(kept / level**2).mean())


def bound_rows(image: Image) -> list[dict[str, object]]:
    """Rows of the Gaussian R(D) of the companded image, with the spectrum and amplitudes that ``spectrum.py`` finds."""
    median = float(np.median(image.samples[np.isfinite(image.samples)]))
    spectrum = local_spectrum(compand(image.samples, median, sigma(image.samples)))
    rows: list[dict[str, object]] = []
    for level in WATER_LEVELS if spectrum else ():
        assert spectrum is not None
        rmse, bits = water_filling(spectrum, level)
        rows.append({
            "quality": f"{level:g}", "status": "ok", "bits_per_pixel": f"{bits * spectrum.finite:.5f}",
            "rmse_companded": f"{rmse:.6f}",
        })  # fmt: skip
    return rows


def coded_row(rival: LossyRival, samples: Array, quality: float) -> dict[str, object] | None:
    """The measured cells of a row; None where the rival has no such mode."""
    try:
        coded = rival.encode(samples, quality)
        got = distortion(samples, rival.decode(coded, shape=samples.shape, dtype=samples.dtype))
    except Unsupported:
        return None
    except Exception as err:  # whatever a foreign codec throws is its result
        return {"quality": f"{quality:g}", "status": f"failed: {type(err).__name__}: {err}"[:120].replace("\n", " ")}
    return {
        "quality": f"{quality:g}", "status": "ok" if np.isfinite(got.max_error) else "not finite",
        "bytes": len(coded), "bits_per_pixel": f"{8 * len(coded) / samples.size:.5f}",
        "rmse_companded": f"{got.rmse_companded:.6f}", "rmse_faint": f"{got.rmse_faint:.6f}",
        "max_error": f"{got.max_error:.9g}",
    }  # fmt: skip


def run_rd(rivals: Sequence[LossyRival], *, bound: bool, data: Path, sets: list[str], out: Path, commit: str) -> int:
    """Number of rows added to ``out``, with those of the bound if wanted; each is written as soon as it is measured."""
    done, n_rows, versions = rows_done(out, KEY), 0, {}
    for rival in rivals:
        try:
            versions[rival.name] = rival.version()
        except ImportError as err:
            print(f"missing: {rival.name} ({err})", file=sys.stderr)
    for chosen, image in ((name, image) for name in sets for image in images(data, name)):
        if sigma(image.samples) == 0:
            continue
        place = image_cells(image, chosen=chosen, commit=commit) | {"track": "lossy"}
        known: dict[str, object] = {"codec": BOUND, "variant": "companded", "knob": "water level"}
        if bound and _key(place | known | {"quality": f"{WATER_LEVELS[-1]:g}"}) not in done:
            for row in bound_rows(image):
                append_row(out, COLUMNS, place | known | row)
                n_rows += 1
        for rival in rivals:
            if rival.name not in versions:
                continue
            known = {
                "codec": rival.name, "codec_version": versions[rival.name], "variant": rival.variant,
                "setting": rival.setting, "knob": rival.knob,
            }  # fmt: skip
            for quality in rival.qualities:
                if _key(place | known | {"quality": f"{quality:g}"}) in done:
                    continue
                measured = coded_row(rival, image.samples, quality)
                if measured is not None:
                    append_row(out, COLUMNS, place | known | measured)
                    n_rows += 1
    return n_rows


def _key(cells: dict[str, object]) -> tuple[str, ...]:
    return tuple(str(cells[name]) for name in KEY)


@dataclass(frozen=True, slots=True)
class Curve:
    """What one codec can do to one image: ``bits`` rise, ``errors`` fall."""

    bits: F64
    errors: F64

    @classmethod
    def of(cls, points: Iterable[tuple[float, float]]) -> Curve:
        """Those (bits, error) that no other point beats in both."""
        kept: list[tuple[float, float]] = []
        for bits, error in sorted(points):
            if bits > 0 and (not kept or error < kept[-1][1]):
                kept.append((bits, error))
        return cls(np.array([b for b, _ in kept]), np.array([e for _, e in kept]))

    def error_at(self, bits: float) -> float | None:
        """The error at a rate; None outside the measured rates."""
        if not self.bits.size or not self.bits[0] <= bits <= self.bits[-1]:
            return None
        return float(np.interp(np.log(bits), np.log(self.bits), self.errors))

    def bits_at(self, error: float) -> float | None:
        """The rate that an error takes: the lowest there is where that does better; None where none does as well."""
        if not self.bits.size or error < self.errors[-1]:
            return None
        return float(np.exp(np.interp(-error, -self.errors, np.log(self.bits))))


def read_rows(paths: Iterable[Path]) -> list[Row]:
    """Rows of all files; of rows for one setting on one image the last one counts."""
    latest: dict[tuple[str, ...], Row] = {}
    for path in paths:
        with path.open(newline="", encoding="utf-8") as file:
            latest |= {tuple(row[name] for name in KEY): row for row in csv.DictReader(file)}
    return list(latest.values())


Curves = dict[tuple[str, str], dict[str, Curve]]
"""By codec and variant, then by image."""


def curves_of(rows: list[Row], measure: str) -> Curves:
    """The curves of a set; all knobs of a variant are on one curve."""
    points: dict[tuple[str, str], dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row["status"] == "ok" and row[measure]:
            at = points[row["codec"], row["variant"]][f"{row['file']}[{row['hdu']}]"]
            at.append((float(row["bits_per_pixel"]), float(row[measure])))
    return {key: {image: Curve.of(given) for image, given in found.items()} for key, found in points.items()}


def bits_needed(curves: dict[str, Curve], errors: dict[str, float]) -> list[float]:
    """Rates at which the curves have the errors, of the images for which there is one."""
    found = (curves[image].bits_at(error) for image, error in errors.items() if image in curves)
    return [bits for bits in found if bits is not None]


def cell(curves: Curves, codec: str, errors: dict[str, float], rate: float) -> str:
    """Mean bits of a codec's best variant, of those with most images; ratio to radcodec's rate; images, if not all."""
    needed = {key[1]: bits_needed(by_image, errors) for key, by_image in curves.items() if key[0] == codec}
    variant, bits = min(needed.items(), key=lambda item: (-len(item[1]), np.mean(item[1]) if item[1] else 0.0))
    if not bits:
        return "-"
    mean, share = float(np.mean(bits)), "" if len(bits) == len(errors) else f", {len(bits)} of {len(errors)}"
    return f"{mean:.3f} ({mean / rate:.2f}, {variant}{share})"


def table(curves: Curves, model: str) -> list[str]:
    """One line a rate of radcodec's: its mean RMSE, and what the other codecs need for it, image by image."""
    others = sorted({codec for codec, _ in curves if codec != "radcodec"}, key=lambda codec: (codec == BOUND, codec))
    lines = [
        "| " + " | ".join(["radcodec, bits a pixel", "mean RMSE", *others]) + " |",
        "|---:|---:|" + "---:|" * len(others),
    ]
    for rate in RATES:
        found = {image: curve.error_at(rate) for image, curve in curves["radcodec", model].items()}
        errors = {image: error for image, error in found.items() if error is not None}
        if errors:
            texts = [f"{rate:g}" if len(errors) == len(found) else f"{rate:g} ({len(errors)} of {len(found)} images)"]
            texts += [f"{np.mean(list(errors.values())):.3f}", *(cell(curves, c, errors, rate) for c in others)]
            lines.append("| " + " | ".join(texts) + " |")
    return lines


def single_images(curves: Curves, model: str) -> list[list[str]]:
    """A line for each image and rate of radcodec's: the other codecs' least bits for its error, over its own."""
    others = sorted({codec for codec, _ in curves if codec not in ("radcodec", BOUND)})
    lines = [["image", "radcodec, bits a pixel", *others]]
    for image, curve in sorted(curves["radcodec", model].items()):
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
    """Markdown: for each set, model and error, the bits that each codec needs where radcodec takes ``RATES``."""
    by_set: dict[str, list[Row]] = defaultdict(list)
    for row in read_rows(paths):
        by_set[row["set"]].append(row)
    lines: list[str] = []
    for chosen, rows in sorted(by_set.items()):
        for measure in MEASURES:
            curves = curves_of(rows, measure)
            for model in sorted(variant for codec, variant in curves if codec == "radcodec"):
                title = f"**{chosen}, {len(curves['radcodec', model])} images, {model}: bits a pixel at equal {measure}"
                lines += [f"{title} (ratio to radcodec's; best variant)**", "", *table(curves, model), ""]
    return lines

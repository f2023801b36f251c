"""Evaluate an exported model on whole images: coded bits at equal error, and for every number of stages.

python -m radcodec.training.evaluate FITS_FOLDER [MODEL]
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from radcodec.base.convolutional.model import BaseModel, TileCodes
from radcodec.base.convolutional.spec import CELL, OUTPUT_UNIT, ModelSpec
from radcodec.base.store import load_model
from radcodec.training.data import Image, compand_ratio
from radcodec.training.sources import load_images


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One number a stage: `rmse[k]` is of the image from stages 0..k (companded units), the others of stage k alone.

    Bits are per pixel: `coded_bits` of the real streams (whole bytes), `order0_bits` the empirical entropy of the
    indices over all images, `fixed_bits` at ceil(log2 K) bits an index.
    """

    rmse: tuple[float, ...]
    coded_bits: tuple[float, ...]
    order0_bits: tuple[float, ...]
    fixed_bits: tuple[float, ...]


def evaluate(model: BaseModel, images: Iterable[Image]) -> Evaluation:
    """Return the figures of a model over whole images in units of their noise; each image is one tile."""
    stages = range(model.n_stages)
    squares, n_bytes, pixels = np.zeros(model.n_stages), np.zeros(model.n_stages), 0
    histograms = [np.zeros(entries) for entries in model.spec.entries]
    for image in images:
        codes = model.encode_tile(image.astype(np.float64), 0.0, 1.0)
        target = compand_ratio(image)
        n_bytes += [len(stream) for stream in model.stage_streams(codes)]
        for stage in stages:
            part = TileCodes(shape=codes.shape, indices=codes.indices[: stage + 1])
            squares[stage] += np.square(model.companded(part) / OUTPUT_UNIT - target).sum()
            histograms[stage] += np.bincount(codes.indices[stage].ravel(), minlength=histograms[stage].size)
        pixels += image.size
    return Evaluation(
        rmse=tuple(np.sqrt(squares / pixels).tolist()),
        coded_bits=tuple((8 * n_bytes / pixels).tolist()),
        order0_bits=tuple(entropy_bits(counts) / pixels for counts in histograms),
        fixed_bits=tuple(float(counts.sum() * np.ceil(np.log2(counts.size)) / pixels) for counts in histograms),
    )


def entropy_bits(counts: npt.NDArray[np.float64]) -> float:
    """Return the bits that all symbols of a histogram cost at its own entropy."""
    used = counts[counts > 0]
    return float(-(used * np.log2(used / used.sum())).sum())


def macs_per_pixel(spec: ModelSpec) -> dict[str, float]:
    """Return multiply-accumulates a pixel of `encoder`, `search`, `decoder` and `prior` (decoding, all stages)."""
    width, depth, cell = spec.channels, spec.latent_channels, CELL * CELL
    block = 2 * 9 * width * width
    ends = 9 * width * (cell + depth)
    per_cell = 2 * 9 * depth * spec.prior_channels + spec.prior_channels * (spec.prior_channels + spec.prior_tables)
    return {
        "encoder": (ends + spec.encoder_blocks * block) / cell,
        "search": sum(n * depth / stride**2 for n, stride in zip(spec.entries, spec.strides, strict=True)),
        "decoder": (ends + spec.decoder_blocks * block) / cell,
        "prior": sum(per_cell / stride**2 for stride in spec.strides),
    }


def table(model: BaseModel, found: Evaluation) -> str:
    """Return the figures of a model as a Markdown table, with a last line on what its prior saves."""
    lines = ["| stages | stride | RMSE | coded | order 0 | fixed | cumulative coded |", "|---|---|---|---|---|---|---|"]
    for k, stride in enumerate(model.strides):
        numbers = (found.rmse[k], found.coded_bits[k], found.order0_bits[k], found.fixed_bits[k])
        last = sum(found.coded_bits[: k + 1])
        cells = [f"{number:.{3 + (i > 0)}f}" for i, number in enumerate((*numbers, last))]
        lines.append(f"| 1-{k + 1} | {stride} | " + " | ".join(cells) + " |")
    coded, order0, fixed = sum(found.coded_bits), sum(found.order0_bits), sum(found.fixed_bits)
    total = f"All stages: {coded:.4f} coded, {order0:.4f} order 0, {fixed:.4f} fixed"
    gains = (100 * (1 - coded / order0), 100 * (1 - coded / fixed))
    saved = "{:.1f} % against order 0, {:.1f} % against fixed length".format(*gains)
    return "\n".join([*lines, "", f"{total}: {saved}."])


def main() -> int:
    """Print the figures of a model on a folder of FITS files; gives an exit code."""
    from radcodec.training.rate import bits_at_errors, mean_bits

    if len(sys.argv) != 3:
        sys.stderr.write("usage: python -m radcodec.training.evaluate FITS_FOLDER MODEL\n")
        return 2
    model = load_model(sys.argv[2])
    images = load_images([sys.argv[1]])
    if isinstance(model, BaseModel):
        sys.stdout.write(table(model, evaluate(model, images)) + "\n")
        macs = ", ".join(f"{part} {number:.0f}" for part, number in macs_per_pixel(model.spec).items())
        sys.stdout.write(f"multiply-accumulates a pixel: {macs}\n")
    bits = bits_at_errors(model, images)
    rates = ", ".join(f"{value:.4f} at RMSE {error:g}" for error, value in bits.items())
    sys.stdout.write(f"bits a pixel: {rates}; geometric mean {mean_bits(bits):.4f}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

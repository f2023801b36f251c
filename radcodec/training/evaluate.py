"""Evaluate an exported model on whole images: coded bits at equal error, and for every number of stages.

python -m radcodec.training.evaluate FITS_FOLDER MODEL
"""

from __future__ import annotations

import sys

from radcodec.base.convolutional.model import BaseModel
from radcodec.base.convolutional.spec import CELL, ModelSpec
from radcodec.base.store import load_model
from radcodec.training.rate import bits_at_errors, mean_bits
from radcodec.training.sources import load_images
from radcodec.training.stage_rates import Evaluation, evaluate


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


def table(model: BaseModel, result: Evaluation) -> str:
    """Return the figures of a model as a Markdown table, with a last line on what its prior saves."""
    lines = ["| stages | stride | RMSE | coded | order 0 | fixed | cumulative coded |", "|---|---|---|---|---|---|---|"]
    for k, stride in enumerate(model.strides):
        numbers = (result.rmse[k], result.coded_bits[k], result.order0_bits[k], result.fixed_bits[k])
        last = sum(result.coded_bits[: k + 1])
        cells = [f"{number:.{3 + (i > 0)}f}" for i, number in enumerate((*numbers, last))]
        lines.append(f"| 1-{k + 1} | {stride} | " + " | ".join(cells) + " |")
    coded, order0, fixed = sum(result.coded_bits), sum(result.order0_bits), sum(result.fixed_bits)
    total = f"All stages: {coded:.4f} coded, {order0:.4f} order 0, {fixed:.4f} fixed"
    gains = (100 * (1 - coded / order0), 100 * (1 - coded / fixed))
    saved = "{:.1f} % against order 0, {:.1f} % against fixed length".format(*gains)
    return "\n".join([*lines, "", f"{total}: {saved}."])


def main() -> int:
    """Print the figures of a model on a folder of FITS files and return an exit code."""
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

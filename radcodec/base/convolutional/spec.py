"""The parts of a base-layer model, its shape and its arrays, in NumPy without torch.

The arithmetic of every integer layer is

    acc[o, y, x] = bias[o] + sum over c, i, j of weight[o, c, i, j] * input[c, y + i - k//2, x + j - k//2]
    output       = clamp(acc >> shift, low, high)

with zeros outside the input and an arithmetic (floor) shift; the rounding half is part of the bias.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from radcodec.base.companding import KNEE, OUTPUT_LIMIT, OUTPUT_UNIT
from radcodec.errors import ModelMismatchError

#: Latents and codebook vectors are integers in units of 1/32; their sum is clamped to +-LATENT_LIMIT.
LATENT_UNIT = 32
LATENT_LIMIT = 1023
#: Rectified activations are clamped to 0..HIDDEN_LIMIT.
HIDDEN_LIMIT = 511
#: Float32 holds every integer below this exactly. A layer with smaller sums may run in float32.
EXACT_LIMIT = 1 << 24
#: Counts of one probability table sum to 2^24, the precision of the ANS coder.
TABLE_BITS = 24
#: Side of a latent cell in pixels.
CELL = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """Sizes of a model. For each stage, coarse first: `strides` in pixels, codebook sizes `entries`,
    `prior_classes`.
    """

    name: str
    strides: tuple[int, ...]
    entries: tuple[int, ...]
    latent_channels: int
    channels: int
    encoder_blocks: int
    decoder_blocks: int
    prior_channels: int
    prior_tables: int
    prior_classes: tuple[int, ...]

    @property
    def n_stages(self) -> int:
        """Number of quantiser stages."""
        return len(self.strides)

    @property
    def alignment(self) -> int:
        """Pixels that the encoder pads both sides of a tile to a multiple of."""
        return max(self.strides)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegerLayer:
    """One integer convolution: weight int8 [O, I, k, k], bias int32 [O]; |input| <= input_limit."""

    weight: npt.NDArray[np.int8]
    bias: npt.NDArray[np.int32]
    shift: int
    input_limit: int
    low: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelArrays:
    """All trained arrays.

    encoder : float32 weights and biases by name, `input`, `block{i}.{first,second}`, `output`.
    codebooks : one int16 [K, D] a stage, in units of 1/32.
    penalties : one float32 [K] a stage: cost of an entry, added to its squared distance.
    layers : integer layers by name, `decoder.*` and `prior{k}.*`.
    tables : one uint32 [M, K] a stage, rows summing to 2^24, no count below 2.
    class_biases : one int16 [G, M] a stage: added to the scores of the tables for a tile's class.
    class_lengths : one float32 [G, K] a stage: bits of every index in each class, for the encoder's choice.
    sinh : float64 [OUTPUT_LIMIT + 1], KNEE * sinh(n / OUTPUT_UNIT / KNEE).
    """

    encoder: Mapping[str, npt.NDArray[np.float32]]
    codebooks: tuple[npt.NDArray[np.int16], ...]
    penalties: tuple[npt.NDArray[np.float32], ...]
    layers: Mapping[str, IntegerLayer]
    tables: tuple[npt.NDArray[np.uint32], ...]
    class_biases: tuple[npt.NDArray[np.int16], ...]
    class_lengths: tuple[npt.NDArray[np.float32], ...]
    sinh: npt.NDArray[np.float64]


def grid_shape(shape: tuple[int, int], stride: int) -> tuple[int, int]:
    """Return the rows and columns of cells of `stride` pixels that cover an image of `shape`."""
    return -(-shape[0] // stride), -(-shape[1] // stride)


def expansion_table() -> npt.NDArray[np.float64]:
    """Return the inverse of the companding at every output integer from 0, float64 [OUTPUT_LIMIT + 1].

    It is computed when a model is exported, and stored: sinh differs between platforms in its last bit.
    """
    steps = np.arange(OUTPUT_LIMIT + 1, dtype=np.float64) / (OUTPUT_UNIT * KNEE)
    return np.asarray(KNEE * np.sinh(steps), dtype=np.float64)


def decoder_layer_names(spec: ModelSpec) -> list[str]:
    """Return the names of the decoder's integer layers in the order in which they run."""
    blocks = [f"decoder.block{i}.{part}" for i in range(spec.decoder_blocks) for part in ("first", "second")]
    return ["decoder.input", *blocks, "decoder.output"]


def prior_layer_names(stage: int) -> list[str]:
    """Return the names of one stage's prior layers: context, neighbours, hidden, output."""
    return [f"prior{stage}.{part}" for part in ("context", "neighbours", "hidden", "output")]


def check_arrays(spec: ModelSpec, arrays: ModelArrays) -> None:
    """Check that the arrays fit the spec and that every integer layer is exact in float32.

    Raises
    ------
    ModelMismatchError
        A layer is missing or of the wrong shape, sums could reach 2^24, or a table does not sum to 2^24.
    """
    names = decoder_layer_names(spec) + [name for k in range(spec.n_stages) for name in prior_layer_names(k)]
    for name in names:
        layer = arrays.layers.get(name)
        if layer is None:
            raise ModelMismatchError(f"model {spec.name!r}: layer {name!r} is missing; reinstall the model")
        _check_exact(spec.name, name, layer)
    for stage, (entries, codebook, table) in enumerate(zip(spec.entries, arrays.codebooks, arrays.tables, strict=True)):
        if codebook.shape != (entries, spec.latent_channels):
            raise ModelMismatchError(
                f"model {spec.name!r}: codebook {stage} has shape {codebook.shape}, "
                f"expected {(entries, spec.latent_channels)}; reinstall the model"
            )
        sums = table.astype(np.int64).sum(axis=1)
        if table.shape[1] != entries or int(table.min()) < 2 or bool(np.any(sums != 1 << TABLE_BITS)):
            raise ModelMismatchError(
                f"model {spec.name!r}: tables of stage {stage} must be rows of {entries} counts of at least 2 "
                f"summing to 2^{TABLE_BITS}; reinstall the model"
            )
    for stage, (classes, biases) in enumerate(zip(spec.prior_classes, arrays.class_biases, strict=True)):
        if not 1 <= classes <= 256 or biases.shape != (classes, spec.prior_tables):
            raise ModelMismatchError(
                f"model {spec.name!r}: class biases of stage {stage} have shape {biases.shape}, expected "
                f"{(classes, spec.prior_tables)} with 1 to 256 classes; reinstall the model"
            )
    if arrays.sinh.shape != (OUTPUT_LIMIT + 1,):
        raise ModelMismatchError(
            f"model {spec.name!r}: expansion table has {arrays.sinh.shape} entries, expected {OUTPUT_LIMIT + 1}"
        )


def _check_exact(model: str, name: str, layer: IntegerLayer) -> None:
    """Check that no partial sum of a layer can reach 2^24, in whatever order it is summed."""
    weight = np.abs(layer.weight.astype(np.int64)).reshape(layer.weight.shape[0], -1).sum(axis=1)
    reach = int((weight * layer.input_limit + np.abs(layer.bias.astype(np.int64))).max())
    if reach >= EXACT_LIMIT:
        raise ModelMismatchError(
            f"model {model!r}: layer {name!r} can sum to {reach}, expected less than {EXACT_LIMIT} (exact in "
            "float32); train it again with smaller weights"
        )

"""The networks in torch: the float encoder, and the integer arithmetic in float32.

::

    companded tile [h, w] -> 4x4 cells [16, h/4, w/4] -> 3x3 -> [x + 3x3(relu(3x3(x)))] x n -> 3x3 -> latent [D, ...]

The encoder only chooses indices, so it may use floats. Everything that feeds an entropy decoder is `TorchArithmetic`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from radcodec.base.convolutional.spec import CELL, LATENT_UNIT, IntegerLayer, ModelSpec

Ints = npt.NDArray[np.int64]


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch with one intra-op thread in this Python thread, so that sums keep their order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class TorchArithmetic:
    """`radcodec.base.convolutional.integer.Arithmetic` in float32 tensors [1, C, h, w], channels last."""

    def __init__(self, layers: Mapping[str, IntegerLayer]) -> None:
        self._layers = layers
        self._weights = {
            name: torch.from_numpy(layer.weight.astype(np.float32)).contiguous(memory_format=torch.channels_last)
            for name, layer in layers.items()
        }
        self._biases = {name: torch.from_numpy(layer.bias.astype(np.float32)) for name, layer in layers.items()}

    def put(self, values: Ints) -> torch.Tensor:
        """Return the integers as a float32 tensor."""
        tensor = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))[None]
        return tensor.contiguous(memory_format=torch.channels_last)

    def get(self, features: torch.Tensor) -> Ints:
        """Return the tensor's integers."""
        return np.asarray(features[0].numpy(), dtype=np.int64)

    def convolve(self, features: torch.Tensor, name: str) -> torch.Tensor:
        """Return the layer's output; exact, because every partial sum is an integer below 2^24."""
        layer = self._layers[name]
        # NNPACK (ARM builds) would use Winograd or FFT kernels, which round.
        with torch.inference_mode(), torch.backends.nnpack.flags(enabled=False):
            acc = functional.conv2d(
                features, self._weights[name], self._biases[name], padding=layer.weight.shape[2] // 2
            )
            return acc.mul_(2.0**-layer.shift).floor_().clamp_(layer.low, layer.high)

    def add(self, left: torch.Tensor, right: torch.Tensor, low: int, high: int) -> torch.Tensor:
        """Return the clamped sum."""
        with torch.inference_mode():
            return (left + right).clamp_(low, high)

    def clamp(self, features: torch.Tensor, low: int, high: int) -> torch.Tensor:
        """Return the clamped features."""
        with torch.inference_mode():
            return features.clamp(low, high)

    def pick(self, features: torch.Tensor, cells: npt.NDArray[np.int64]) -> torch.Tensor:
        """Return the columns at `cells`."""
        with torch.inference_mode():
            rows = features[0].permute(1, 2, 0).reshape(-1, features.shape[1])  # [h*w, C]
            return rows.index_select(0, torch.from_numpy(cells)).t()[None, :, :, None]  # [1, C, n, 1]


def encode_latent(spec: ModelSpec, encoder: Mapping[str, torch.Tensor], companded: torch.Tensor) -> torch.Tensor:
    """Return latents in integer units, float32 [N, D, h/4, w/4], of companded images float32 [N, 1, h, w].

    It is differentiable; training uses the same function.
    """
    cells = functional.pixel_unshuffle(companded, CELL).contiguous(memory_format=torch.channels_last)
    features = _convolve(cells, encoder, "input")
    for block in range(spec.encoder_blocks):
        inner = functional.relu(_convolve(functional.relu(features), encoder, f"block{block}.first"))
        features = features + _convolve(inner, encoder, f"block{block}.second")
    return _convolve(features, encoder, "output") * LATENT_UNIT


def nearest_codes(pooled: torch.Tensor, codebook: torch.Tensor, penalty: torch.Tensor) -> npt.NDArray[np.int64]:
    """Return the entries of least squared distance plus penalty, int64 [N, h, w].

    `pooled` float32 [N, D, h, w]; `codebook` float32 [K, D]; `penalty` float32 [K], in squared latent units.
    """
    weight = (-2.0 * codebook)[:, :, None, None].contiguous(memory_format=torch.channels_last)
    scores = functional.conv2d(pooled, weight, (codebook * codebook).sum(dim=1) + penalty)
    rows: npt.NDArray[np.float32] = scores.permute(0, 2, 3, 1).contiguous().numpy()
    return np.asarray(np.argmin(rows, axis=-1), dtype=np.int64)


def quantise_latent(
    spec: ModelSpec,
    codebooks: tuple[torch.Tensor, ...],
    penalties: tuple[torch.Tensor, ...],
    latent: torch.Tensor,
) -> list[npt.NDArray[np.int64]]:
    """Return the indices of every stage, int64 [N, h/stride, w/stride], of latents [N, D, h/4, w/4].

    h and w are multiples of the coarsest stride.
    """
    residual = latent
    indices: list[npt.NDArray[np.int64]] = []
    for stride, codebook, penalty in zip(spec.strides, codebooks, penalties, strict=True):
        factor = stride // CELL
        pooled = functional.avg_pool2d(residual, factor) if factor > 1 else residual
        chosen = nearest_codes(pooled, codebook, penalty)
        vectors = codebook[torch.from_numpy(chosen)].permute(0, 3, 1, 2)  # [N, D, h, w]
        residual = residual - functional.interpolate(vectors, scale_factor=factor, mode="nearest")
        indices.append(chosen)
    return indices


def _convolve(features: torch.Tensor, encoder: Mapping[str, torch.Tensor], name: str) -> torch.Tensor:
    """Return a 3x3 convolution with zero padding by the encoder's layer `name`."""
    return functional.conv2d(features, encoder[f"{name}.weight"], encoder[f"{name}.bias"], padding=1)

"""Networks for training: integer layers with fake quantisation, so that the export is exact.

Feature maps already hold the run-time integers (as float32); `floor` and `round` pass gradients straight through.
In evaluation these modules return bit for bit what the exported integer networks return.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from radcodec.base.companding import OUTPUT_LIMIT, OUTPUT_UNIT
from radcodec.base.convolutional.network import encode_latent
from radcodec.base.convolutional.spec import (
    CELL,
    EXACT_LIMIT,
    HIDDEN_LIMIT,
    LATENT_LIMIT,
    LATENT_UNIT,
    IntegerLayer,
    ModelSpec,
)

#: Largest magnitude of an integer weight.
WEIGHT_LIMIT = 127
#: Integer score of a table that stands for a factor e in its weight, and the largest bias of a class.
SCORE_UNIT = 64.0
CLASS_LIMIT = 4096


def straight_through(exact: torch.Tensor, smooth: torch.Tensor) -> torch.Tensor:
    """Return the value of `exact` with the gradient of `smooth`."""
    # Not smooth + (exact - smooth): that sum rounds, and an integer must not be off by one ulp.
    return exact.detach() + (smooth - smooth.detach())


class IntegerConv(nn.Module):
    """A convolution with integer weights, biases and outputs, like `IntegerLayer`."""

    def __init__(self, shape: tuple[int, int, int], *, shift: int, input_limit: int, low: int, high: int) -> None:
        super().__init__()
        inputs, outputs, size = shape
        self.shift, self.input_limit, self.low, self.high = shift, input_limit, low, high
        fan_in = inputs * size * size
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size) * (2.0 / fan_in) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def integers(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the integer weight and bias (rounding half included) as float32, differentiable."""
        scaled = (self.weight * 2.0**self.shift).clamp(-WEIGHT_LIMIT, WEIGHT_LIMIT)
        weight = straight_through(torch.round(scaled), scaled)
        level = self.bias * (LATENT_UNIT * 2.0**self.shift)
        bias = straight_through(torch.round(level), level) + 2.0 ** (self.shift - 1)
        return weight, bias

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the clamped integer output for integer `features` [N, I, h, w]."""
        weight, bias = self.integers()
        acc = functional.conv2d(features, weight, bias, padding=self.weight.shape[2] // 2) * 2.0**-self.shift
        return straight_through(torch.floor(acc), acc - 0.5).clamp(self.low, self.high)

    def limit(self) -> None:
        """Shrink the weights of outputs whose sum could reach 2^24; the biases are left."""
        with torch.no_grad():
            weight, bias = self.integers()
            # Rounding may add a half to each of the scaled weights.
            half = 0.5 * weight[0].numel() * self.input_limit
            room = (EXACT_LIMIT - 1 - half - bias.abs()).clamp(min=EXACT_LIMIT / 4)
            reach = weight.abs().sum(dim=(1, 2, 3)) * self.input_limit
            self.weight.mul_((room / reach.clamp(min=1.0)).clamp(max=1.0)[:, None, None, None])

    def export(self) -> IntegerLayer:
        """Return the layer as it runs."""
        with torch.no_grad():
            weight, bias = self.integers()
        return IntegerLayer(
            weight=weight.numpy().astype(np.int8), bias=bias.numpy().astype(np.int32), shift=self.shift,
            input_limit=self.input_limit, low=self.low, high=self.high,
        )  # fmt: skip


class Encoder(nn.Module):
    """The float encoder, with the parameter names of `radcodec.base.convolutional.network.encode_latent`."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec
        width = spec.channels
        shapes = {"input": (CELL * CELL, width)}
        for block in range(spec.encoder_blocks):
            shapes[f"block{block}.first"] = shapes[f"block{block}.second"] = (width, width)
        shapes["output"] = (width, spec.latent_channels)
        self.layers = nn.ModuleDict(
            {name.replace(".", "/"): nn.Conv2d(i, o, 3, padding=1) for name, (i, o) in shapes.items()}
        )

    def tensors(self) -> Mapping[str, torch.Tensor]:
        """Return the parameters under their run-time names."""
        return {name.replace("/", ".").removeprefix("layers."): value for name, value in self.named_parameters()}

    def forward(self, companded: torch.Tensor) -> torch.Tensor:
        """Return latents in integer units, [N, D, h/4, w/4], of companded crops [N, 1, h, w]."""
        return encode_latent(self.spec, self.tensors(), companded)


class Decoder(nn.Module):
    """The integer decoder."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        width = spec.channels
        signed = {"low": -LATENT_LIMIT, "high": LATENT_LIMIT}
        rectified = {"low": 0, "high": HIDDEN_LIMIT}
        self.input = IntegerConv((spec.latent_channels, width, 3), shift=7, input_limit=LATENT_LIMIT, **signed)
        self.first = nn.ModuleList()
        self.second = nn.ModuleList()
        for _ in range(spec.decoder_blocks):
            self.first.append(IntegerConv((width, width, 3), shift=8, input_limit=LATENT_LIMIT, **rectified))
            second = IntegerConv((width, width, 3), shift=8, input_limit=HIDDEN_LIMIT, **signed)
            second.weight.data *= 0.25
            self.second.append(second)
        self.output = IntegerConv(
            (width, CELL * CELL, 3), shift=7, input_limit=LATENT_LIMIT, low=-OUTPUT_LIMIT, high=OUTPUT_LIMIT
        )

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        """Return companded pixels [N, 1, h, w] of integer latents [N, D, h/4, w/4]."""
        features = self.input(latent.clamp(-LATENT_LIMIT, LATENT_LIMIT))
        for first, second in zip(self.first, self.second, strict=True):
            features = (features + second(first(features))).clamp(-LATENT_LIMIT, LATENT_LIMIT)
        return functional.pixel_shuffle(self.output(features), CELL) / OUTPUT_UNIT

    def named_layers(self) -> dict[str, IntegerConv]:
        """Return the layers under their run-time names."""
        named = {"decoder.input": self.input, "decoder.output": self.output}
        for part, layers in (("first", self.first), ("second", self.second)):
            for block, layer in enumerate(layers):
                assert isinstance(layer, IntegerConv)
                named[f"decoder.block{block}.{part}"] = layer
        return named


class StagePrior(nn.Module):
    """The integer network and the probability tables of one stage's indices."""

    lengths: torch.Tensor

    def __init__(self, spec: ModelSpec, stage: int) -> None:
        super().__init__()
        depth, width, entries = spec.latent_channels, spec.prior_channels, spec.entries[stage]
        signed = {"low": -LATENT_LIMIT, "high": LATENT_LIMIT}
        self.context = IntegerConv((depth, width, 3), shift=7, input_limit=LATENT_LIMIT, **signed)
        self.neighbours = IntegerConv((depth, width, 3), shift=7, input_limit=LATENT_LIMIT, **signed)
        self.hidden = IntegerConv((width, width, 1), shift=7, input_limit=HIDDEN_LIMIT, low=0, high=HIDDEN_LIMIT)
        self.output = IntegerConv(
            (width, spec.prior_tables, 1), shift=7, input_limit=HIDDEN_LIMIT, low=-(1 << 20), high=1 << 20
        )
        self.tables = nn.Parameter(0.5 * torch.randn(spec.prior_tables, entries))
        self.output.weight.data *= 0.1
        self.classes = nn.Parameter(torch.zeros(spec.prior_classes[stage], spec.prior_tables))
        self.register_buffer("lengths", torch.zeros(spec.prior_classes[stage], entries))

    def class_biases(self) -> torch.Tensor:
        """Return what each class adds to the scores, integers as float32 [G, M], differentiable."""
        level = (self.classes * SCORE_UNIT).clamp(-CLASS_LIMIT, CLASS_LIMIT)
        return straight_through(torch.round(level), level)

    def choose_classes(self, indices: torch.Tensor) -> torch.Tensor:
        """Return the class of every crop, int64 [N], by the histogram of its indices [N, h, w]."""
        return (histograms(indices, self.lengths.shape[1]) @ self.lengths.t()).argmin(dim=1)

    def forward(
        self, context: torch.Tensor, vectors: torch.Tensor, odd: torch.Tensor, classes: torch.Tensor
    ) -> torch.Tensor:
        """Return integer scores [N, M, h, w] of the tables.

        `context` [N, D, h, w] is the sum of the earlier stages, `vectors` [N, D, h, w] are this stage's code vectors.
        `odd` bool [h, w] is the second half of the checkerboard, `classes` int64 [N] are those of the crops.
        """
        features = self.context(context.clamp(-LATENT_LIMIT, LATENT_LIMIT))
        extra = self.neighbours(vectors * ~odd)
        features = (features + extra * odd).clamp(0, HIDDEN_LIMIT)
        scores: torch.Tensor = self.output(self.hidden(features))
        return scores + self.class_biases()[classes][:, :, None, None]

    def named_layers(self, stage: int) -> dict[str, IntegerConv]:
        """Return the layers under their run-time names."""
        names = ("context", "neighbours", "hidden", "output")
        return {f"prior{stage}.{name}": getattr(self, name) for name in names}


def histograms(indices: torch.Tensor, entries: int) -> torch.Tensor:
    """Return how often each entry occurs in each crop, float32 [N, K], of indices int64 [N, h, w]."""
    counts = torch.zeros(indices.shape[0], entries)
    return counts.scatter_add_(1, indices.flatten(1), torch.ones(()).expand(indices.flatten(1).shape))

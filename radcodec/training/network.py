"""All trained parts in one module, and their export to run-time arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from radcodec.base.convolutional.spec import TABLE_BITS, ModelArrays, ModelSpec, expansion_table
from radcodec.training.modules import Decoder, Encoder, StagePrior
from radcodec.training.quantiser import Quantised, ResidualQuantiser


class Network(nn.Module):
    """Encoder, quantiser, decoder and one prior a stage."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec
        self.encoder = Encoder(spec)
        self.quantiser = ResidualQuantiser(spec)
        self.decoder = Decoder(spec)
        self.priors = nn.ModuleList(StagePrior(spec, stage) for stage in range(spec.n_stages))

    def prior(self, stage: int) -> StagePrior:
        """Return one stage's prior."""
        found = self.priors[stage]
        assert isinstance(found, StagePrior)
        return found

    def autoencoder_parameters(self) -> list[nn.Parameter]:
        """Return the parameters of encoder and decoder."""
        return [*self.encoder.parameters(), *self.decoder.parameters()]

    def limit(self) -> None:
        """Keep every integer layer exact in float32."""
        for layer in self.decoder.named_layers().values():
            layer.limit()
        for stage in range(self.spec.n_stages):
            for layer in self.prior(stage).named_layers(stage).values():
                layer.limit()


def partial_sum(quantised: Quantised, stages: torch.Tensor) -> torch.Tensor:
    """Return, for each crop, the sum of its first `stages` (int64 [N], at least 1) vectors, [N, D, h/4, w/4]."""
    total = quantised.vectors[0].clone()
    for stage, vectors in enumerate(quantised.vectors[1:], start=1):
        total += vectors * (stages > stage)[:, None, None, None]
    return total


def export_arrays(network: Network, rate_weights: Sequence[float]) -> ModelArrays:
    """Return the run-time arrays of a network."""
    spec = network.spec
    layers = {name: layer.export() for name, layer in network.decoder.named_layers().items()}
    for stage in range(spec.n_stages):
        layers |= {name: layer.export() for name, layer in network.prior(stage).named_layers(stage).items()}
    with torch.no_grad():
        books = [network.quantiser.codebook(stage) for stage in range(spec.n_stages)]
        probabilities = [
            torch.softmax(network.prior(stage).tables.double(), dim=1).numpy() for stage in range(spec.n_stages)
        ]
        return ModelArrays(
            encoder={
                name: value.detach().numpy().astype(np.float32) for name, value in network.encoder.tensors().items()
            },
            codebooks=tuple(book.integers().numpy().astype(np.int16) for book in books),
            penalties=tuple(
                book.penalty(weight).numpy().astype(np.float32)
                for book, weight in zip(books, rate_weights, strict=True)
            ),
            layers=layers,
            tables=tuple(integer_tables(values) for values in probabilities),
            class_biases=tuple(
                network.prior(stage).class_biases().numpy().astype(np.int16) for stage in range(spec.n_stages)
            ),
            class_lengths=tuple(
                network.prior(stage).lengths.numpy().astype(np.float32) for stage in range(spec.n_stages)
            ),
            sinh=expansion_table(),
        )


def integer_tables(probabilities: npt.NDArray[np.float64]) -> npt.NDArray[np.uint32]:
    """Return counts of at least 2 summing to 2^24 in every row, uint32 [M, K], nearest to the probabilities.

    The largest count of the row takes the rounding remainder.
    """
    entries = probabilities.shape[1]
    share = probabilities / probabilities.sum(axis=1, keepdims=True)
    counts = np.floor(share * ((1 << TABLE_BITS) - 2 * entries)).astype(np.int64) + 2
    rows = np.arange(counts.shape[0])
    counts[rows, counts.argmax(axis=1)] += (1 << TABLE_BITS) - counts.sum(axis=1)
    return np.asarray(counts, dtype=np.uint32)

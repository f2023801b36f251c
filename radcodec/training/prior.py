"""Train the index prior on a frozen autoencoder: classes first, then networks and tables, then a recount."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from radcodec.base.convolutional.spec import CELL
from radcodec.training.losses import prior_loss
from radcodec.training.modules import SCORE_UNIT, histograms
from radcodec.training.network import Network

#: Rounds of k-means over the histograms of crops.
CLUSTER_ROUNDS = 15
#: Pseudo-counts, at the shares of all crops, that a class's histogram starts with.
CLASS_PSEUDO_COUNTS = 100.0
#: Pseudo-counts, at its learned shares, that a table's last count starts with.
TABLE_PSEUDO_COUNTS = 200.0


#: Natural logarithm of how much a class prefers the tables that start as its own.
CLASS_PREFERENCE = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCodes:
    """One stage of a batch on its own grid.

    context, vectors : float32 [N, D, h, w], the sum of the earlier stages and this stage's code vectors.
    indices : int64 [N, h, w]. odd : bool [h, w], the second half of the checkerboard.
    """

    context: torch.Tensor
    vectors: torch.Tensor
    indices: torch.Tensor
    odd: torch.Tensor


@torch.no_grad()
def stage_codes(network: Network, batch: torch.Tensor, rate_weights: Sequence[float]) -> list[StageCodes]:
    """Return the codes of a batch of crops [N, 1, c, c], a stage each; the network is in evaluation mode."""
    latent = network.encoder(batch)
    quantised = network.quantiser(latent, rate_weights=rate_weights, decay=1.0, revive_every=0)
    codes = []
    total = torch.zeros_like(latent)
    for stage, vectors in enumerate(quantised.vectors):
        factor = network.spec.strides[stage] // CELL
        rows, columns = quantised.indices[stage].shape[1:]
        codes.append(
            StageCodes(
                # All vectors so far are constant over this stage's cells, so any one of them is exact.
                context=total[:, :, ::factor, ::factor],
                vectors=vectors[:, :, ::factor, ::factor],
                indices=quantised.indices[stage],
                odd=(torch.arange(rows)[:, None] + torch.arange(columns)[None, :]) % 2 == 1,
            )
        )
        total = total + vectors
    return codes


def prior_bits(network: Network, codes: Sequence[StageCodes], *, sharpness: float) -> torch.Tensor:
    """Return the bits a pixel that the prior spends on a batch, differentiable scalar; see `prior_loss`."""
    total = torch.zeros(())
    for stage, part in enumerate(codes):
        prior = network.prior(stage)
        scores = prior(part.context, part.vectors, part.odd, prior.choose_classes(part.indices))
        tables = torch.log_softmax(prior.tables, dim=1) / math.log(2)
        total = total + prior_loss(scores / SCORE_UNIT, tables, part.indices, sharpness) / float(
            network.spec.strides[stage] ** 2
        )
    return total


@torch.no_grad()
def start_prior(network: Network, draw: Callable[[], list[StageCodes]], *, batches: int) -> None:
    """Find every stage's classes from the histograms of crops, and start the tables at those of the classes."""
    drawn = [draw() for _ in range(batches)]
    for stage, entries in enumerate(network.spec.entries):
        prior = network.prior(stage)
        counts = torch.cat([histograms(codes[stage].indices, entries) for codes in drawn])
        prior.lengths.copy_(cluster(counts, prior.lengths.shape[0]))
        owner = torch.arange(prior.tables.shape[0]) % prior.lengths.shape[0]
        prior.tables.copy_(-math.log(2) * prior.lengths[owner] + 0.3 * prior.tables)
        prior.classes.copy_(CLASS_PREFERENCE * torch.nn.functional.one_hot(owner).t())


def cluster(counts: torch.Tensor, classes: int) -> torch.Tensor:
    """Return the code lengths in bits, float32 [G, K], of classes of histograms [n, K] that code them shortest."""
    share = (counts.sum(dim=0) + 0.1) / (counts.sum() + 0.1 * counts.shape[1])
    lengths = _lengths(counts[torch.randperm(counts.shape[0])[:classes]], share)
    if classes == 1:
        return _lengths(counts.sum(dim=0, keepdim=True), share)
    for _ in range(CLUSTER_ROUNDS):
        costs = counts @ lengths.t()
        owner = costs.argmin(dim=1)
        sums = torch.zeros(lengths.shape[0], counts.shape[1]).index_add_(0, owner, counts)
        empty = torch.nonzero(sums.sum(dim=1) == 0).flatten()
        # A class without crops starts again from the worst coded crops.
        worst = costs.min(dim=1).values.argsort(descending=True)[: empty.numel()]
        sums[empty[: worst.numel()]] = counts[worst]
        lengths = _lengths(sums, share)
    return lengths


@torch.no_grad()
def recount_tables(network: Network, draw: Callable[[], list[StageCodes]], *, batches: int) -> None:
    """Set every table to the counts of the indices that really choose it, blended with its old self."""
    counts = [torch.zeros_like(network.prior(stage).tables) for stage in range(network.spec.n_stages)]
    for _ in range(batches):
        for stage, part in enumerate(draw()):
            prior = network.prior(stage)
            scores = prior(part.context, part.vectors, part.odd, prior.choose_classes(part.indices))
            choice = scores.argmax(dim=1).flatten()
            counts[stage].index_put_((choice, part.indices.flatten()), torch.ones(()), accumulate=True)
    for stage, seen in enumerate(counts):
        tables = network.prior(stage).tables
        tables.copy_(torch.log(seen + TABLE_PSEUDO_COUNTS * torch.softmax(tables, dim=1)))


def _lengths(counts: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Return -log2 of the smoothed shares of histograms [G, K]."""
    smooth = counts + CLASS_PSEUDO_COUNTS * share
    return -torch.log2(smooth / smooth.sum(dim=1, keepdim=True))

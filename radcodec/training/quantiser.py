"""The residual quantiser in training: moving-average codebooks, dead-code revival, rate in the choice.

A stage chooses the entry k with the least |r - c_k|^2 + lambda * bits_k. The bits are -log2 of its running share. The
factor lambda is rate_weight * 2 ln 2 * (typical squared error of the stage per dimension). This is the slope -dD/dR of
a Gaussian source. So blank sky, which is most of an image, uses a few cheap entries (Chou, Lookabaugh and Gray 1989).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from radcodec.base.convolutional.network import nearest_codes
from radcodec.base.convolutional.spec import CELL, LATENT_LIMIT, ModelSpec

#: Least share of an unused entry, so that its price stays finite (17 bits).
FLOOR_SHARE = 2.0**-17


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantised:
    """Result of `ResidualQuantiser`: int64 indices [N, h, w] and upsampled vectors [N, D, h/4, w/4], one a stage."""

    indices: tuple[torch.Tensor, ...]
    vectors: tuple[torch.Tensor, ...]


class Codebook(nn.Module):
    """One stage's entries and their statistics, all buffers (no gradient reaches them)."""

    entries: torch.Tensor
    totals: torch.Tensor
    sums: torch.Tensor
    share: torch.Tensor
    error: torch.Tensor
    idle: torch.Tensor
    started: torch.Tensor

    def __init__(self, count: int, depth: int) -> None:
        super().__init__()
        self.register_buffer("entries", torch.randn(count, depth))
        self.register_buffer("totals", torch.ones(count))
        self.register_buffer("sums", torch.zeros(count, depth))
        self.register_buffer("share", torch.full((count,), 1.0 / count))
        self.register_buffer("error", torch.zeros(()))
        self.register_buffer("idle", torch.zeros(count, dtype=torch.int64))
        self.register_buffer("started", torch.zeros((), dtype=torch.bool))

    def integers(self) -> torch.Tensor:
        """Return the entries as they are stored: rounded, within +-1023."""
        return torch.round(self.entries).clamp(-LATENT_LIMIT, LATENT_LIMIT)

    def penalty(self, rate_weight: float) -> torch.Tensor:
        """Return lambda * bits of every entry, float32 [K], in squared latent units."""
        slope = rate_weight * 2 * math.log(2) * self.error / self.entries.shape[1]
        return slope * -torch.log2(self.share.clamp(min=FLOOR_SHARE))

    def perplexity(self) -> float:
        """Return 2^entropy of the running shares: the number of entries that are really used."""
        share = self.share / self.share.sum()
        return float(torch.exp(-(share * torch.log(share.clamp(min=1e-12))).sum()))

    def start(self, vectors: torch.Tensor) -> None:
        """Place the entries on a first batch of vectors [n, D], far ones first (as k-means++ does)."""
        self.entries.copy_(_spread(vectors, self.entries.shape[0]))
        self.sums.copy_(self.entries)
        self.error.copy_(_typical((vectors - vectors.mean(dim=0)).square().sum(dim=1)))
        self.started.fill_(True)

    def update(self, vectors: torch.Tensor, chosen: torch.Tensor, decay: float, revive_every: int) -> None:
        """Move the averages towards the vectors [n, D] that chose each entry; revive entries that nobody chose."""
        count = self.entries.shape[0]
        uses = torch.bincount(chosen, minlength=count).float()
        sums = torch.zeros_like(self.sums).index_add_(0, chosen, vectors)
        self.totals.mul_(decay).add_(uses, alpha=1 - decay)
        self.sums.mul_(decay).add_(sums, alpha=1 - decay)
        self.share.mul_(decay).add_(uses / uses.sum(), alpha=1 - decay)
        errors = (vectors - self.integers()[chosen]).square().sum(dim=1)
        self.error.mul_(decay).add_(_typical(errors), alpha=1 - decay)
        self.entries.copy_(self.sums / self.totals.clamp(min=1e-6)[:, None])
        self.idle.add_(1).masked_fill_(uses > 0, 0)
        dead = torch.nonzero(self.idle > revive_every).flatten()
        if dead.numel():
            self._revive(dead, vectors, errors)

    def _revive(self, dead: torch.Tensor, vectors: torch.Tensor, errors: torch.Tensor) -> None:
        """Move dead entries onto vectors of the batch, drawn in proportion to their squared error."""
        drawn = torch.multinomial(errors + 1e-9, min(dead.numel(), errors.numel()), replacement=False)
        dead = dead[: drawn.numel()]
        self.entries[dead] = vectors[drawn]
        self.totals[dead] = 1.0
        self.sums[dead] = vectors[drawn]
        # The revived entry starts with a quarter of an equal share.
        self.share[dead] = 0.25 / self.entries.shape[0]
        self.idle[dead] = 0


class ResidualQuantiser(nn.Module):
    """All stages, coarse first."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.factors = tuple(stride // CELL for stride in spec.strides)
        self.stages = nn.ModuleList(Codebook(count, spec.latent_channels) for count in spec.entries)

    def codebook(self, stage: int) -> Codebook:
        """Return one stage's codebook."""
        found = self.stages[stage]
        assert isinstance(found, Codebook)
        return found

    @torch.no_grad()
    def forward(
        self, latent: torch.Tensor, *, rate_weights: Sequence[float], decay: float, revive_every: int
    ) -> Quantised:
        """Return the quantised latents [N, D, h/4, w/4]; in training mode the codebooks learn from them."""
        residual = latent.detach()
        indices: list[torch.Tensor] = []
        vectors: list[torch.Tensor] = []
        for stage, factor in enumerate(self.factors):
            codebook = self.codebook(stage)
            pooled = functional.avg_pool2d(residual, factor) if factor > 1 else residual
            flat = pooled.permute(0, 2, 3, 1).reshape(-1, pooled.shape[1])
            if self.training and not bool(codebook.started):
                codebook.start(flat)
            entries = codebook.integers()
            chosen = torch.from_numpy(nearest_codes(pooled, entries, codebook.penalty(rate_weights[stage])))
            upsampled = functional.interpolate(entries[chosen].permute(0, 3, 1, 2), scale_factor=factor)
            residual = residual - upsampled
            indices.append(chosen)
            vectors.append(upsampled)
            if self.training:
                codebook.update(flat, chosen.flatten(), decay, revive_every)
        return Quantised(indices=tuple(indices), vectors=tuple(vectors))


def _typical(errors: torch.Tensor) -> torch.Tensor:
    """Return the geometric mean of squared errors: that of the noise, however bright the sources of a batch are."""
    return torch.exp(torch.log(errors + 1.0).mean())


def _spread(vectors: torch.Tensor, count: int) -> torch.Tensor:
    """Return `count` of the vectors [n, D], drawn one by one in proportion to the distance to those drawn."""
    drawn = [vectors.mean(dim=0)]
    nearest = (vectors - drawn[0]).square().sum(dim=1)
    for _ in range(count - 1):
        pick = int(torch.multinomial(nearest + 1e-9, 1))
        drawn.append(vectors[pick])
        nearest = torch.minimum(nearest, (vectors - vectors[pick]).square().sum(dim=1))
    return torch.stack(drawn)

r"""The denoiser: a small U-Net that sees a companded image with white noise, and estimates the image.

::

    x [N, 1, H, W] --> c24 --> blocks --------------------------------> + --> blocks --> 1 channel
                                 \\-- half size, c48 --> blocks ----> + --/
                                          \\-- quarter size, c96 --> blocks --/

A denoising diffusion model (Ho, Jain and Abbeel 2020, arXiv 2006.11239) with the scaling of inputs and outputs of
Karras et al. (2022, arXiv 2206.00364). Different from the papers, it has no attention and no normalisation. So the
estimate of a pixel depends on ``MARGIN`` pixels around it alone, and large images are taken window by window.
"""

from __future__ import annotations

import itertools

import torch
from torch import nn

from radcodec.sampling.spec import DenoiserSpec

EMBEDDING = 64


class ResidualBlock(nn.Module):
    """Two convolutions whose first output is scaled and shifted by the noise level's embedding."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.level = nn.Linear(EMBEDDING, 2 * channels)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        """Return x plus the block's output, [N, C, H, W]; level [N, EMBEDDING]."""
        scale, shift = self.level(level)[:, :, None, None].chunk(2, dim=1)
        hidden = self.first(nn.functional.silu(x)) * (1 + scale) + shift
        out: torch.Tensor = x + self.second(nn.functional.silu(hidden))
        return out


class Denoiser(nn.Module):
    """Estimate companded images from noisy ones, given the noise's standard deviation."""

    def __init__(self, spec: DenoiserSpec) -> None:
        super().__init__()
        self.spec = spec
        sizes = spec.channels
        self.embed = nn.Sequential(nn.Linear(EMBEDDING, EMBEDDING), nn.SiLU(), nn.Linear(EMBEDDING, EMBEDDING))
        self.start = nn.Conv2d(1, sizes[0], 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in itertools.pairwise(sizes))
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in itertools.pairwise(sizes))
        self.inward = nn.ModuleList(self._blocks(c) for c in sizes)
        self.outward = nn.ModuleList(self._blocks(c) for c in sizes[:-1])
        self.end = nn.Conv2d(sizes[0], 1, 3, padding=1)

    def _blocks(self, channels: int) -> nn.ModuleList:
        return nn.ModuleList(ResidualBlock(channels) for _ in range(self.spec.blocks))

    def forward(self, noisy: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Return the estimate of the images.

        Parameters
        ----------
        noisy : float32 [N, 1, H, W]
            Companded images plus white noise; H and W are multiples of ALIGNMENT.
        noise : float32 [N]
            Standard deviation of the noise, companded units, above 0.
        """
        total = torch.sqrt(noise**2 + self.spec.data_rms**2)[:, None, None, None]
        level = self.embed(_features(torch.log(noise) / 4))
        x = self.start(noisy / total)
        kept: list[torch.Tensor] = []
        for size, blocks in enumerate(self.inward):
            x = _run(blocks, x, level)
            if size < len(self.down):
                kept.append(x)
                x = self.down[size](x)  # [N, C', H/2, W/2]
        for size in reversed(range(len(self.down))):
            x = _run(self.outward[size], self.up[size](x) + kept[size], level)
        skip = (self.spec.data_rms / total) ** 2
        out: torch.Tensor = skip * noisy + noise[:, None, None, None] * self.spec.data_rms / total * self.end(x)
        return out


def _run(blocks: nn.Module, x: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
    for block in blocks.children():
        x = block(x, level)
    return x


def _features(value: torch.Tensor) -> torch.Tensor:
    """Return sines and cosines [N, EMBEDDING] of numbers [N]."""
    frequencies = torch.exp(torch.linspace(0.0, 5.0, EMBEDDING // 2))
    angle = value[:, None] * frequencies
    return torch.cat([torch.sin(angle), torch.cos(angle)], dim=1)

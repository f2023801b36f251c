"""The networks of the neural rivals. Encoder and decoder are the modules that the project's VQ-VAE is trained with.

::

    y = encoder(x)                                  float, [D, h/4, w/4], in units of 1/32 like the VQ-VAE's latents
    z = hyper-encoder(y)                            [8, h/16, w/16]
    z' = round(z g_z) / g_z                         coded with a learned factorised prior
    mean, log-scale = hyper-decoder(z')             integers, in units of 1/32
    q = round((y - mean) g)                         coded with a Gaussian of deviation exp(log-scale) g
    x' = decoder(mean + q i)

Ballé et al. 2018 (arXiv:1802.01436) with the means of Minnen et al. 2018 (arXiv:1809.02736); gains g, g_z and inverse
gains i, one a channel and level, make it one model of many rates (Cui et al. 2021, arXiv:2003.02012). Between levels
their logarithms are interpolated. The hyper-decoder is integer, so scales are derived exactly wherever it runs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from radcodec.base.convolutional.spec import CELL, HIDDEN_LIMIT, LATENT_LIMIT, LATENT_UNIT, ModelSpec
from radcodec.training.modules import Decoder, Encoder, IntegerConv, straight_through

WEIGHTS = Path(__file__).resolve().parent / "weights"
LEVELS = 8
#: Rate against error, bits a pixel for a squared companded error of 1: lowest and highest level; even in logarithm.
LAMBDAS = (0.25, 128.0)
#: Below the first level gains go on as between the first two.
LOWEST = -2.0
HYPER_CHANNELS = 8
HYPER_WIDTH = 32
#: Pixels to a side of one cell of z.
HYPER_CELL = 16
MIXTURE = 3
#: Deviations of the Gaussians that symbols are coded with: from and to, evenly spaced in logarithm.
SCALES = (0.08, 512.0)
N_SCALES = 96
LN2 = math.log(2.0)


def rival_spec(name: str, latent_channels: int) -> ModelSpec:
    """Return the sizes of encoder and decoder: those of general-v0, except for the number of latents."""
    return ModelSpec(
        name=name, strides=(HYPER_CELL,), entries=(2,), latent_channels=latent_channels, channels=32, encoder_blocks=2,
        decoder_blocks=3, prior_channels=1, prior_tables=1, prior_classes=(1,),
    )  # fmt: skip


def level_lambda(level: torch.Tensor) -> torch.Tensor:
    """Return the weight of the squared error at levels LOWEST to LEVELS - 1, which need not be whole."""
    low, high = math.log(LAMBDAS[0]), math.log(LAMBDAS[1])
    return torch.exp(low + (high - low) * level / (LEVELS - 1))


def interpolate(table: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
    """Interpolate rows [N, C] of a table [LEVELS, C] linearly at levels [N] between or below its own."""
    below = level.floor().clamp(0, LEVELS - 2).long()
    share = (level - below)[:, None]
    return table[below] * (1 - share) + table[below + 1] * share


def gaussian_bits(symbols: torch.Tensor, deviation: torch.Tensor) -> torch.Tensor:
    """Return the bits of each symbol: a zero-mean Gaussian over bins of one, at whole numbers or between them."""
    size, scale = symbols.abs(), math.sqrt(0.5) / deviation
    mass = 0.5 * (torch.erf((0.5 - size) * scale) + torch.erf((0.5 + size) * scale))
    # erf differences vanish far out, where the density at the near edge takes over.
    edge = ((size - 0.5).clamp(min=0.0) / deviation).square() * (0.5 / LN2)
    return torch.where(mass > 1e-6, -torch.log2(mass.clamp(min=1e-6)), edge + 4.0)


class FactorisedPrior(nn.Module):
    """Mixtures of logistic distributions, one a channel, over z."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.location = nn.Parameter(torch.randn(channels, MIXTURE))
        self.log_scale = nn.Parameter(torch.zeros(channels, MIXTURE))
        self.logit = nn.Parameter(torch.zeros(channels, MIXTURE))

    def mass(self, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
        """Return the probability between bounds [N, C, ...]."""
        tail = (1,) * (low.dim() - 2)
        total = torch.zeros_like(low)
        weight = torch.softmax(self.logit, dim=1)
        for part in range(MIXTURE):
            location = self.location[:, part].reshape(-1, *tail)
            scale = torch.exp(-self.log_scale[:, part]).reshape(-1, *tail)
            share = weight[:, part].reshape(-1, *tail)
            total = total + share * (torch.sigmoid((high - location) * scale) - torch.sigmoid((low - location) * scale))
        return total


class HyperDecoder(nn.Module):
    """Integer layers from z' (units of 1/32) to means and logarithms of scales, units of 1/32."""

    def __init__(self, latents: int) -> None:
        super().__init__()
        width = HYPER_WIDTH
        hidden = {"low": 0, "high": HIDDEN_LIMIT, "shift": 7}
        self.first = IntegerConv((HYPER_CHANNELS, width, 3), input_limit=LATENT_LIMIT, **hidden)
        self.second = IntegerConv((width, 4 * width, 3), input_limit=HIDDEN_LIMIT, **hidden)
        self.third = IntegerConv((width, 4 * width, 3), input_limit=HIDDEN_LIMIT, **hidden)
        self.last = IntegerConv(
            (width, 2 * latents, 3), shift=7, input_limit=HIDDEN_LIMIT, low=-LATENT_LIMIT, high=LATENT_LIMIT
        )
        self.last.weight.data *= 0.2

    def layers(self) -> list[IntegerConv]:
        """Return all layers."""
        return [self.first, self.second, self.third, self.last]

    def forward(self, hyper: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the means and log-scales, [N, D, 4h, 4w] each, of integers [N, 8, h, w]."""
        features = self.first(hyper.clamp(-LATENT_LIMIT, LATENT_LIMIT))
        features = functional.pixel_shuffle(self.second(features), 2)
        features = functional.pixel_shuffle(self.third(features), 2)
        mean, log_scale = self.last(features).chunk(2, dim=1)
        return mean, log_scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Coded:
    """What a training step needs: pictures [N, 1, h, w], bits a pixel [N] in all and of z."""

    decoded: torch.Tensor
    bits: torch.Tensor
    hyper_bits: torch.Tensor


class Vae(nn.Module):
    """The variational autoencoder."""

    name = "vae"
    latents = 12

    def __init__(self) -> None:
        super().__init__()
        self.spec = rival_spec(self.name, self.latents)
        self.encoder, self.decoder = Encoder(self.spec), Decoder(self.spec)
        self.hyper_encoder = nn.Sequential(
            nn.Conv2d(self.latents, HYPER_WIDTH, 3, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(HYPER_WIDTH, HYPER_WIDTH, 3, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(HYPER_WIDTH, HYPER_CHANNELS, 3, padding=1),
        )  # fmt: skip
        self.hyper_decoder = HyperDecoder(self.latents)
        self.prior = FactorisedPrior(HYPER_CHANNELS)
        steps = 0.5 * torch.log(level_lambda(torch.arange(float(LEVELS))))[:, None]
        self.log_gain = nn.Parameter(steps.repeat(1, self.latents))
        self.log_inverse = nn.Parameter(-steps.repeat(1, self.latents))
        self.log_hyper_gain = nn.Parameter(torch.zeros(LEVELS, HYPER_CHANNELS))
        self.log_correction = nn.Parameter(torch.zeros(LEVELS, self.latents))

    def limit(self) -> None:
        """Keep every integer layer exact in float32."""
        for layer in [*self.decoder.named_layers().values(), *self.hyper_decoder.layers()]:
            layer.limit()

    def hyper(self, latent: torch.Tensor) -> torch.Tensor:
        """Return z [N, 8, h/4, w/4] of latents in units of 1/32."""
        result: torch.Tensor = self.hyper_encoder(latent / LATENT_UNIT)
        return result

    def hyper_bits(self, symbols: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
        """Return the bits of each symbol of z, for gains [N, 8, 1, 1]."""
        mass = self.prior.mass((symbols - 0.5) / gain, (symbols + 0.5) / gain)
        return -torch.log2(mass.clamp(min=1e-7))

    def deviation(self, log_scale: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        """Return the deviations in units of a symbol, within SCALES, of log-scales in units of 1/32."""
        shift = interpolate(self.log_gain + self.log_correction, level)[:, :, None, None]
        return torch.exp((log_scale / LATENT_UNIT + shift).clamp(math.log(SCALES[0]), math.log(SCALES[1])))

    def forward(self, companded: torch.Tensor, level: torch.Tensor, *, rounded: bool) -> Coded:
        """Return the pictures and their bits at levels [N]; rates are those with uniform noise for the rounding.

        With ``rounded`` pictures come from rounded symbols, else from the noisy ones.
        """
        latent = self.encoder(companded)
        hyper_gain = torch.exp(interpolate(self.log_hyper_gain, level))[:, :, None, None]
        scaled = self.hyper(latent) * hyper_gain
        noisy_hyper = scaled + torch.rand_like(scaled) - 0.5
        kept = straight_through(scaled.round(), scaled) if rounded else noisy_hyper
        units = kept / hyper_gain * LATENT_UNIT
        mean, log_scale = self.hyper_decoder(straight_through(units.round(), units))
        gain = torch.exp(interpolate(self.log_gain, level))[:, :, None, None]
        inverse = torch.exp(interpolate(self.log_inverse, level))[:, :, None, None]
        symbols = (latent - mean) / LATENT_UNIT * gain
        noisy = symbols + torch.rand_like(symbols) - 0.5
        chosen = straight_through(symbols.round(), symbols) if rounded else noisy
        restored = mean + chosen * inverse * LATENT_UNIT
        decoded = self.decoder(straight_through(restored.round(), restored))
        pixels = companded[0].numel()
        hyper_bits = self.hyper_bits(noisy_hyper, hyper_gain).flatten(1).sum(dim=1) / pixels
        bits = gaussian_bits(noisy, self.deviation(log_scale, level)).flatten(1).sum(dim=1) / pixels
        return Coded(decoded=decoded, bits=bits + hyper_bits, hyper_bits=hyper_bits)


class Ae(nn.Module):
    """The plain autoencoder: nothing between encoder and decoder in training."""

    name = "ae"
    latents = 8

    def __init__(self) -> None:
        super().__init__()
        self.spec = rival_spec(self.name, self.latents)
        self.encoder, self.decoder = Encoder(self.spec), Decoder(self.spec)

    def limit(self) -> None:
        """Keep every integer layer exact in float32."""
        for layer in self.decoder.named_layers().values():
            layer.limit()

    def forward(self, companded: torch.Tensor) -> torch.Tensor:
        """Return the pictures that come back."""
        result: torch.Tensor = self.decoder(self.encoder(companded))
        return result


def multiply_accumulates(network: Vae | Ae) -> dict[str, int]:
    """Count multiply-accumulates a pixel of each part."""

    def count(layers: list[nn.Module], stride: float) -> float:
        return sum(layer.weight.numel() for layer in layers if isinstance(layer, (nn.Conv2d, IntegerConv))) / stride**2

    found = {
        "encoder": count(list(network.encoder.modules()), CELL),
        "decoder": count(list(network.decoder.modules()), CELL),
    }
    if isinstance(network, Vae):
        first, _, second, _, third = network.hyper_encoder
        found["hyper-encoder"] = count([first], 8) + count([second, third], HYPER_CELL)
        a, b, c, d = network.hyper_decoder.layers()
        found["hyper-decoder"] = count([a, b], HYPER_CELL) + count([c], 8) + count([d], CELL)
    return {name: round(value) for name, value in found.items()}


def load_network(name: str, path: Path | None = None) -> Vae | Ae:
    """Load the trained network "vae" or "ae", from the weights of this folder or those given."""
    from safetensors.torch import load_file

    network: Vae | Ae = Vae() if name == "vae" else Ae()
    network.load_state_dict(load_file(path or WEIGHTS / f"{name}.safetensors"))
    return network.eval()

"""Choose a VAE's symbols by error and bits together: rate-distortion optimised rounding, in the encoder alone.

Rounding takes the symbol next to the latent, whatever it costs. Here symbols go on from there to neighbours that lower

    J = lambda * sum of squared companded errors + bits

in passes. Each pass decodes once and takes the gradient of the error at the symbols that stand. A change of one symbol
by s = -1 or 1 changes the error by about s * gradient + s^2 * energy. The energy of a channel is the squared response
of the decoder to a unit of it, measured on the tile. Bits are those of the symbol's own Gaussian. Symbols nearby share
pixels, so that a pass changes one channel in every other cell of a checkerboard.

Gradient steps on the latents before rounding (Campos et al. 2019, arXiv:1906.01223) gained nothing: docs/comparison.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.rivals.neural.networks import Vae, gaussian_bits, level_lambda
from radcodec.base.convolutional.spec import LATENT_UNIT
from radcodec.training.modules import straight_through

PASSES = 6
#: Passes of a draft, whose fluxes are near those of a whole search.
DRAFT_PASSES = 2
#: Lambda of the search over that of training: symbols are fewer than rounding's at the same error.
WEIGHT = 1.25
#: Cells between two unit symbols, and to a side of the part of a tile, on which energies are measured.
PROBE_SPACING, PROBE_CELLS = 6, 36


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """What the symbols of a tile do not change.

    target : float32 [1, 1, 4h, 4w], companded pixels. mean : float32 [1, D, h, w], units of 1/32.
    deviation : float32 [1, D, h, w], units of a symbol; scales : its indices [D, h, w] in the table of deviations.
    inverse : float32 [1, D, 1, 1], what a symbol is worth.
    """

    target: torch.Tensor
    mean: torch.Tensor
    deviation: torch.Tensor
    inverse: torch.Tensor
    scales: npt.NDArray[np.int64]


def choose_symbols(
    network: Vae, tile: Fixed, rounded: torch.Tensor, level: float, *, energy: torch.Tensor, passes: int = PASSES
) -> torch.Tensor:
    """Return symbols [1, D, h, w] of a lower J than the rounded ones, whole numbers as float32.

    ``energy`` is what ``unit_energies`` gives for the tile.
    """
    weight = WEIGHT * float(level_lambda(torch.tensor(level)))
    symbols = rounded
    for turn in range(passes):
        gradient = error_gradient(network, tile, symbols)
        step, saved = best_steps(symbols, tile.deviation, weight * gradient, weight * energy)
        chosen = (saved > 0) & (saved == saved.amax(dim=1, keepdim=True)) & _checkerboard(symbols, turn % 2)
        symbols = torch.where(chosen, symbols + step, symbols)
    return symbols


def best_steps(
    symbols: torch.Tensor, deviation: torch.Tensor, gradient: torch.Tensor, energy: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the better of the steps -1 and 1 of each symbol, and by how much it lowers J (below 0: raises)."""
    bits = gaussian_bits(symbols, deviation)
    down = gradient - energy + bits - gaussian_bits(symbols - 1, deviation)
    up = bits - gradient - energy - gaussian_bits(symbols + 1, deviation)
    return torch.where(up > down, 1.0, -1.0), torch.maximum(up, down)


def error_gradient(network: Vae, tile: Fixed, symbols: torch.Tensor) -> torch.Tensor:
    """Return the gradient of the sum of squared errors by each symbol."""
    with torch.enable_grad():
        free = symbols.clone().requires_grad_(True)
        error = (_decode(network, tile, free) - tile.target).square().sum()
        (gradient,) = torch.autograd.grad(error, free)
    return gradient


def unit_energies(network: Vae, tile: Fixed, symbols: torch.Tensor) -> torch.Tensor:
    """Return the squared response [1, D, 1, 1] of the decoder to one more of a channel's symbols, a mean of places."""
    rows, columns = (slice(min(PROBE_SPACING // 3, side - 1), None, PROBE_SPACING) for side in symbols.shape[2:])
    part = (slice(None), slice(None), slice(PROBE_CELLS), slice(PROBE_CELLS))
    near = replace(tile, mean=tile.mean[part])
    before = _decode(network, near, symbols[part])
    found = []
    for channel in range(symbols.shape[1]):
        probe = torch.zeros_like(near.mean)
        probe[:, channel, rows, columns] = 1.0
        change = _decode(network, near, symbols[part] + probe) - before
        found.append(change.square().sum() / probe.sum())
    return torch.stack(found)[None, :, None, None]


def _decode(network: Vae, tile: Fixed, symbols: torch.Tensor) -> torch.Tensor:
    latent = tile.mean + symbols * tile.inverse * LATENT_UNIT
    decoded: torch.Tensor = network.decoder(straight_through(torch.round(latent), latent))
    return decoded


def _checkerboard(symbols: torch.Tensor, odd: int) -> torch.Tensor:
    """Mark the cells of one colour, bool [h, w]."""
    rows, columns = (torch.arange(side) for side in symbols.shape[2:])
    return (rows[:, None] + columns[None]) % 2 == odd

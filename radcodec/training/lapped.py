"""Fit a lapped model in rounds: code with the present prior, fit its network, and count its tables.

::

    images -> companded -> blocks of a random size -> coefficients -> search -> magnitudes, plane by plane
                                                                        ^            |
                             integer layers, tables  <- count <- int8 <- Adam <------'

The transform (orthonormal, lapped, sine window; docs/format.md 9.9) and the code vectors are fixed. The probability of
every code is learned. The encoder's search weighs errors against it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from radcodec.training import lapped_contexts as contexts
from radcodec.training.datasets import Image
from radcodec.training.lapped_prior import LappedPrior, quantise

#: Settings for coding the training images, drawn evenly: last planes, rate weights (bits in squared steps).
LAST_PLANES = (6, 10)
RATE_WEIGHTS = (0.05, 0.22)
#: Share of the images in blocks of the encoder's size; the others take any size.
CHOSEN_SHARE = 0.6
#: Inputs and logit of the network are in units of 1/UNIT.
UNIT = 32
#: Share of the steps after which weights are limited to 8 bits at a shift of 6, and that limit.
LIMIT_SHARE = 0.3
WEIGHT_LIMIT = 1.98

#: Nominal lengths of blocks, pixels.
NOMINAL_PX = (16, 32, 64, 128, 256, 512)

Samples = tuple[npt.NDArray[np.int16], npt.NDArray[np.float32], npt.NDArray[np.float32]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coded:
    """One image as coded: quantised coefficients int [A, B, n, m] and the plane of their step."""

    coefficients: contexts.Ints
    last_plane: int


def code_image(image: Image, prior: LappedPrior | None, passes: int, rng: np.random.Generator) -> Coded:
    """Return an image coded with random settings; without a prior, by rounding with a dead zone."""
    last_plane = int(rng.integers(LAST_PLANES[0], LAST_PLANES[1] + 1))
    step = 2.0 ** (8 - last_plane + rng.uniform(0, 1))
    weight = rng.uniform(*RATE_WEIGHTS)
    chosen = rng.random() < CHOSEN_SHARE
    nominal = choose_nominal(image, step) if chosen else int(rng.choice(NOMINAL_PX))
    ratios = analyse(image, nominal, step) / step
    if prior is None:
        return Coded(coefficients=quantise(ratios, 0.62 + 0.4 * weight), last_plane=last_plane)
    return Coded(coefficients=prior.search(ratios, last_plane, weight, passes), last_plane=last_plane)


def gather_samples(coded: list[Coded], most: int, rng: np.random.Generator) -> Samples:
    """Return training samples: inputs [N, 21], shares of zeros that become non-zero [N], weights [N].

    A sample is a pair with a coefficient that is still 0. At most `most` are taken from a phase of a plane, with
    weights for the others. Images count equally, whatever their size.
    """
    inputs, shares, weights = [], [], []
    for one in coded:
        for pairs in (
            pairs for plane in contexts.walk_planes(one.coefficients, one.last_plane) for pairs in plane.phases
        ):
            zero = pairs.before == 0
            found = np.flatnonzero(zero.any(axis=1))
            if not found.size:
                continue
            taken = found if found.size <= most else rng.choice(found, most)
            zeros = zero[taken].sum(axis=1)
            inputs.append(pairs.inputs[taken])
            shares.append((zero[taken] & (pairs.after[taken] > 0)).sum(axis=1) / zeros)
            weights.append(zeros * (found.size / taken.size) / one.coefficients.size)
    weight = np.concatenate(weights)
    return (
        np.concatenate(inputs),
        np.concatenate(shares).astype(np.float32),
        (weight / weight.mean()).astype(np.float32),
    )


def make_network() -> torch.nn.Sequential:
    """Return the network with random weights: 21 inputs, 16, 16, one logit."""
    limit = contexts.ACTIVATION_LIMIT / UNIT
    return torch.nn.Sequential(
        torch.nn.Linear(contexts.INPUTS, contexts.HIDDEN), torch.nn.Hardtanh(0.0, limit),
        torch.nn.Linear(contexts.HIDDEN, contexts.HIDDEN), torch.nn.Hardtanh(0.0, limit),
        torch.nn.Linear(contexts.HIDDEN, 1),
    )  # fmt: skip


def dense_layers(network: torch.nn.Sequential) -> list[torch.nn.Linear]:
    """Return the layers that have weights."""
    return [layer for layer in network if isinstance(layer, torch.nn.Linear)]


def fit_network(
    network: torch.nn.Sequential,
    samples: Samples,
    *,
    steps: int,
    rate: float,
    batch: int,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
) -> float:
    """Fit the network with Adam and a cosine rate; return the bits a coefficient of the last steps.

    `on_step` is called after every step, with its number and its loss in bits.
    """
    inputs, shares, weights = (torch.from_numpy(part) for part in samples)
    adam = torch.optim.Adam(network.parameters(), rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    losses = []
    for step in range(steps):
        chosen = torch.randint(len(shares), (batch,))
        logits = network(inputs[chosen].float() / UNIT)[:, 0]
        loss = binary_cross_entropy_with_logits(logits, shares[chosen], weight=weights[chosen])
        adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        schedule.step()
        losses.append(float(loss.detach()))
        on_step(step + 1, losses[-1] / math.log(2))
        if step >= LIMIT_SHARE * steps:
            with torch.no_grad():
                for layer in dense_layers(network):
                    layer.weight.clamp_(-WEIGHT_LIMIT, WEIGHT_LIMIT)
    return float(np.mean(losses[-100:])) / math.log(2)


def integer_layers(network: torch.nn.Sequential) -> tuple[contexts.DenseLayer, ...]:
    """Return the network as integer layers: 8-bit weights, the largest shift at which sums stay below 2^24."""
    layers = []
    for dense in dense_layers(network):
        weight = dense.weight.detach().numpy().astype(np.float64)
        bias = dense.bias.detach().numpy().astype(np.float64)
        for shift in range(min(24, math.floor(math.log2(127 / max(np.abs(weight).max(), 1e-9)))), -1, -1):
            integer = np.round(weight * 2**shift)
            # The bias includes the half that rounds to nearest instead of down.
            offset = np.round(bias * UNIT * 2**shift + 2.0 ** (shift - 1))
            reach = np.abs(integer).sum(axis=1) * contexts.ACTIVATION_LIMIT + np.abs(offset)
            if reach.max() < contexts.EXACT_LIMIT:
                break
        layers.append(
            contexts.DenseLayer(weight=integer.astype(np.int8), bias=offset.astype(np.int32), shift=shift)
        )  # fmt: skip
    return tuple(layers)


def integer_loss(layers: tuple[contexts.DenseLayer, ...], samples: Samples) -> float:
    """Return the bits a coefficient with the logits that the integer network gives, over at most 300,000 samples."""
    inputs, shares, weights = (torch.from_numpy(part[:: max(1, len(part) // 300_000)]) for part in samples)
    logits = torch.from_numpy(contexts.network_output(layers, inputs.numpy()) / np.float32(UNIT))
    return float(binary_cross_entropy_with_logits(logits, shares, weight=weights)) / math.log(2)


def count_symbols(coded: list[Coded], layers: tuple[contexts.DenseLayer, ...]) -> dict[str, npt.NDArray[np.float64]]:
    """Return how often each symbol is coded with each row of each table, float64 [rows, symbols]."""
    counts = {name: np.zeros((math.prod(shape[:-1]), shape[-1])) for name, shape in contexts.TABLES.items()}
    for one in coded:
        for _, symbols in contexts.walk_symbols(one.coefficients, one.last_plane, layers):
            table = counts[symbols.table]
            flat = np.bincount(symbols.rows * table.shape[1] + symbols.values, minlength=table.size)
            table += flat.reshape(table.shape)
    return counts


def training_bits(prior: LappedPrior, coded: list[Coded]) -> float:
    """Return the mean bits a coefficient of the training images."""
    bits = sum(sum(prior.plane_bits(one.coefficients, one.last_plane).values()) for one in coded)
    return bits / sum(one.coefficients.size for one in coded)


def block_shape(n_px: int, nominal_px: int) -> tuple[int, int]:
    """Return the number of blocks along an axis and their length in samples (9.5)."""
    n_blocks = max(1, (2 * n_px + nominal_px) // (2 * nominal_px))
    return n_blocks, 2 * -(-n_px // (2 * n_blocks))


@lru_cache(maxsize=16)
def analysis_matrix(n_blocks: int, n: int) -> npt.NDArray[np.float32]:
    """Return the transform of one axis as an orthonormal matrix, coefficients by samples (9.9 is its transpose)."""
    k, i = np.arange(n)[:, None], np.arange(n)
    inner = math.sqrt(2 / n) * np.cos(np.pi * (2 * k + 1) * (2 * i + 1) / (4 * n))
    last = math.sqrt(2 / n) * np.cos(np.pi * 2 * k * (2 * i + 1) / (4 * n))
    last[0] /= math.sqrt(2)
    matrix = np.zeros((n_blocks * n, n_blocks * n))
    for block in range(n_blocks):
        at = slice(block * n, (block + 1) * n)
        matrix[at, at] = inner if block < n_blocks - 1 else last
    half = np.arange(n // 2)
    major = np.cos(np.pi * (n - 2 * half - 1) / (4 * n))
    minor = np.cos(np.pi * (n + 2 * half + 1) / (4 * n))
    for border in range(n, n_blocks * n, n):
        low, high = matrix[:, border - 1 - half], matrix[:, border + half]
        matrix[:, border - 1 - half] = major * low + minor * high
        matrix[:, border + half] = major * high - minor * low
    return matrix.astype(np.float32)


def analyse(image: Image, nominal_px: int, step: float, passes: int = 5) -> npt.NDArray[np.float64]:
    """Return the coefficients of a companded image, float64 [A, B, n, m].

    The part beyond the image is filled like a sparse decoder would, in `passes` rounds.
    """
    height, width = image.shape
    (n_a, n), (n_b, m) = block_shape(height, nominal_px), block_shape(width, nominal_px)
    down, across = analysis_matrix(n_a, n), analysis_matrix(n_b, m)
    wide: npt.NDArray[np.floating] = np.pad(image, ((0, n_a * n - height), (0, n_b * m - width)), mode="symmetric")
    for done in range(passes if wide.shape != image.shape else 0):
        flat = down @ wide @ across.T
        flat[np.abs(flat) <= step * (0.6 + (passes - done) / passes)] = 0
        wide = down.T @ flat @ across
        wide[:height, :width] = image
    blocks = (down @ wide @ across.T).reshape(n_a, n, n_b, m).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(blocks, dtype=np.float64)


def choose_nominal(image: Image, step: float) -> int:
    """Return the nominal block length with the least bits, by a stand-in: log2(1 + (coefficient / 0.7 step)^2)."""
    return min(
        NOMINAL_PX,
        key=lambda nominal: float(np.log2(1 + np.square(analyse(image, nominal, step, 0) / (0.7 * step))).sum()),
    )

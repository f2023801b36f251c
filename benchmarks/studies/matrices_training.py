"""Train orthonormal lapped matrices: a fold of both sides of every border, and a matrix for each block.

They start as the lapped DCT-IV of the library (docs/format.md, 9.9), and stay orthonormal: what is trained is the
logarithm of a rotation of each. The loss is a stand-in for the encoder's: bits of a Laplace distribution whose width
follows the magnitudes around a coefficient, plus weighted squared error. Images count equally, whatever their bits.
Training images are simulated emission, simulated maps and cut-outs of ``first/train``; no other telescope's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import avg_pool2d

from benchmarks.data.datasets import images
from benchmarks.types import F64
from radcodec.base.lapped import search, transform
from radcodec.simulate import simulate_image
from radcodec.training.data import compand_ratio
from radcodec.training.datasets import Image, normalise
from radcodec.training.emission import simulate_emission

SIDE = 256  # of training images
N_EMISSION, N_SIMULATED, N_FIRST = 70, 40, 30
TRAIN_SET = "first/train"
STEPS = (0.35, 9.0)  # of the quantiser, companded units; drawn evenly in octaves
BATCH = 6
RATE = 0.128  # of Adam, for blocks of one sample; matrices have more angles the larger they are
BOXES = (3, 5)  # sides of the boxes of blocks, and of frequencies, that give a coefficient's width
LEAST_WIDTH = 0.08  # steps
ROUNDED = 12.0  # one over the squared error, in squared steps, of a coefficient that is coded


@dataclass(frozen=True, slots=True, kw_only=True)
class Lapped:
    """Matrices [n, n] of a lapped transform, orthonormal: of a block, of the last block, and of a border's two sides.

    Rows of the first two are basis functions. The last gives the samples in front of a border, then those behind it.
    """

    block: F64
    last: F64
    fold: F64

    def of_line(self, n_blocks: int) -> F64:
        """Return the whole transform of a line, [coefficient, sample]."""
        n, half = len(self.block), len(self.block) // 2
        matrices: F64 = np.zeros((n_blocks * n, n_blocks * n))
        folds: F64 = np.eye(n_blocks * n)
        for at in range(0, n_blocks * n, n):
            matrices[at : at + n, at : at + n] = self.block if at + n < n_blocks * n else self.last
        for border in range(n, n_blocks * n, n):
            folds[border - half : border + half, border - half : border + half] = self.fold
        return matrices @ folds


def lapped_dct(n: int) -> Lapped:
    """Return the library's transform in blocks of n samples."""
    half, fold = n // 2, np.eye(n)
    keep, swap = (part / transform.ONE for part in transform.window(n))
    for i in range(half):
        low, high = half - 1 - i, half + i
        fold[low, low], fold[low, high], fold[high, high], fold[high, low] = keep[i], -swap[i], keep[i], swap[i]
    block, last = (transform.matrix(n, which) / transform.ONE for which in (False, True))
    return Lapped(block=_orthonormal(block), last=_orthonormal(last), fold=_orthonormal(fold))


def _orthonormal(matrix: F64) -> F64:
    """Return the orthonormal matrix nearest to one."""
    left, _, right = np.linalg.svd(matrix)
    return np.asarray(left @ right, np.float64)


def training_images(data: Path, seed: int) -> list[Image]:
    """Return companded images [SIDE, SIDE] to train on."""
    rng = np.random.default_rng(seed)
    found = [simulate_emission(rng, SIDE) for _ in range(N_EMISSION)]
    for _ in range(N_SIMULATED):
        beam = float(np.exp(rng.uniform(np.log(2.0), np.log(7.0))))
        made = simulate_image(
            (SIDE, SIDE), seed=int(rng.integers(2**31)), beam_fwhm_px=(beam, beam * rng.uniform(0.6, 1.0)),
            noise_rms=1.0, n_sources=int(rng.integers(3, 60)), max_snr=float(10 ** rng.uniform(1.0, 4.0)),
        )  # fmt: skip
        found.append(normalise(made.astype(np.float64), None))
    survey = list(images(data, TRAIN_SET))
    for number in rng.choice(len(survey), N_FIRST, replace=False):
        whole = normalise(np.nan_to_num(survey[number].samples.astype(np.float64)), None)
        top, left = (int(rng.integers(n - SIDE + 1)) for n in whole.shape)
        found.append(whole[top : top + SIDE, left : left + SIDE])
    return [compand_ratio(image) for image in found]


def train(n: int, shown: Sequence[Image], *, turns: int, fold_alone: bool = False, seed: int = 0) -> Lapped:
    """Return matrices for blocks of n samples; with ``fold_alone``, angles of the fold are all that is trained."""
    torch.manual_seed(seed)
    start = lapped_dct(n)
    fixed = [torch.tensor(part, dtype=torch.float32) for part in (start.block, start.last, start.fold)]
    logs = [torch.nn.Parameter(torch.zeros(n, n)) for _ in fixed]
    opposite = torch.eye(n).flip(0)
    samples = torch.tensor(np.stack(shown), dtype=torch.float32)
    adam = torch.optim.Adam(logs[2:] if fold_alone else logs, RATE / n)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, turns)

    def turned() -> list[torch.Tensor]:
        block, last, fold = (_rotation(log * opposite if fold_alone else log) for log in logs)
        return fixed[:2] + [fold @ fixed[2]] if fold_alone else [block @ fixed[0], last @ fixed[1], fold @ fixed[2]]

    for _ in range(turns):
        batch = samples[torch.randint(len(samples), (BATCH,))]
        for axes in ((1,), (2,)):
            batch = batch.flip(axes) if torch.rand(()) < 0.5 else batch
        low, high = (math.log(step) for step in STEPS)
        steps = torch.exp(low + (high - low) * torch.rand(BATCH, 1, 1))
        loss = _cost(n, _whole(turned(), SIDE // n), batch, steps).log().mean()
        adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        schedule.step()
    block, last, fold = (_orthonormal(part.detach().numpy().astype(np.float64)) for part in turned())
    return Lapped(block=block, last=last, fold=fold)


def _rotation(log: torch.Tensor) -> torch.Tensor:
    """Return the rotation of an antisymmetric matrix, given its part above the diagonal."""
    above = log.triu(1)
    return torch.matrix_exp(above - above.T)


def _whole(parts: Sequence[torch.Tensor], n_blocks: int) -> torch.Tensor:
    """Return the transform of a line, as ``Lapped.of_line``."""
    block, last, fold = parts
    half = torch.eye(len(fold) // 2)
    matrices: torch.Tensor = torch.block_diag(*[block] * (n_blocks - 1), last)  # type: ignore[no-untyped-call]
    folds: torch.Tensor = torch.block_diag(half, *[fold] * (n_blocks - 1), half)  # type: ignore[no-untyped-call]
    return matrices @ folds


def _cost(n: int, matrix: torch.Tensor, batch: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
    """Return about the bits and weighted errors of images a pixel in blocks of n samples, [B]."""
    count, n_blocks = len(batch), SIDE // n
    sizes = ((matrix @ batch @ matrix.T) / steps).abs()
    blocks = sizes.reshape(count, n_blocks, n, n_blocks, n).permute(0, 2, 4, 1, 3)
    near = _others(blocks.reshape(-1, 1, n_blocks, n_blocks), BOXES[0]).reshape(blocks.shape).permute(0, 3, 4, 1, 2)
    blocks = blocks.permute(0, 3, 4, 1, 2)
    beside = _others(blocks.reshape(-1, 1, n, n), BOXES[1]).reshape(blocks.shape)
    width = LEAST_WIDTH + 0.5 * (near + beside)
    zero = 1 - torch.exp(-0.5 / width) * torch.cosh(blocks.clamp(max=0.5) / width)
    outer = blocks / width - torch.log(torch.sinh((0.5 / width).clamp(max=60.0)))
    bits = torch.where(blocks < 0.5, -torch.log(zero.clamp(min=1e-9)), outer) / math.log(2)
    errors = blocks.square() / (1 + ROUNDED * blocks.square())
    return (bits + errors / search.CHOICE_RATE).mean(dim=(1, 2, 3, 4))


def _others(values: torch.Tensor, side: int) -> torch.Tensor:
    """Return the mean of the other values in boxes around each value [N, 1, h, w]."""
    n = avg_pool2d(torch.ones_like(values[:1]), side, 1, side // 2, divisor_override=1)
    return (avg_pool2d(values, side, 1, side // 2, divisor_override=1) - values) / (n - 1)

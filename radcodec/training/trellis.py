"""Fit a trellis model in rounds: assign indices with the present model, then fit its network, tables and codebooks.

::

    images -> companded -> lapped transform -> best paths (assignment) -> inputs, symbols, targets
                                                ^                          |
                    networks, tables, codebooks <--- Adam, counts, moving averages

Rounds alternate as in a VQ-VAE. Assignment weighs squared error and bits. The codebooks follow the means of what is
assigned to them, and the prior follows the indices. There is no commitment loss: the transform is orthonormal and
fixed, so that targets never run away from their codebooks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from radcodec.base.lapped import contexts, planes, search, transform
from radcodec.base.lapped.codes import empty_codes
from radcodec.base.lapped.spec import MAX_ACTIVATION, N_BUCKETS
from radcodec.base.trellis.codes import TrellisCodes
from radcodec.base.trellis.model import RATE_SHARE, RATIO, TrellisModel
from radcodec.base.trellis.planes import CODE, TrellisWalk, WideNetwork
from radcodec.base.trellis.spec import (
    CLASSES,
    CODEBOOKS,
    EXACT,
    HIDDEN,
    N_FINE,
    N_INPUTS,
    N_ROWS,
    OUTPUTS,
    PHASES,
    POINT_CLASSES,
    POINT_LIMIT,
    RANKS,
    WIDE_TABLES,
    WideArrays,
    WideLayer,
)
from radcodec.coding.ans import count_symbols
from radcodec.errors import InputError
from radcodec.training.datasets import Image
from radcodec.training.lapped import LIMIT_SHARE, UNIT, WEIGHT_LIMIT

#: Range of the steps of a scalar quantiser that images are coded like, companded units; drawn evenly in octaves.
STEPS = (0.25, 9.0)
#: Range of the factor of the rate's weight.
WEIGHTS = (0.7, 1.3)
#: Share of the images in blocks of the encoder's choice; the others take any.
CHOSEN_SHARE = 0.7
#: Share of a codebook's old points in a round.
DECAY = 0.3
ZN_AT = CLASSES * N_BUCKETS
NN_AT = ZN_AT + CLASSES * 2 * N_BUCKETS * RANKS
FLAGS_AT = NN_AT + CLASSES * N_FINE * RANKS * RANKS
#: What marks the points in values, to find which were used.
MARK = 1 << 20
N_POINTS = CODEBOOKS * POINT_CLASSES * RANKS

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(slots=True, kw_only=True)
class Gathered:
    """What a round learns from.

    inputs : int16 [N, 44]. phases : uint8 [N].
    marks : uint8 [N, 4]: zeros of a pair, how many leave zero; others, how many are odd.
    weights : float32 [N].
    counts : of symbols, int64 [rows, 9]. sums, seen : of distances from unmoved points, float64 [36].
    bits, samples : of all images.
    """

    inputs: npt.NDArray[np.int16]
    phases: npt.NDArray[np.uint8]
    marks: npt.NDArray[np.uint8]
    weights: npt.NDArray[np.float32]
    counts: Ints
    sums: Floats
    seen: Floats
    error: float
    bits: float


def assign(image: Image, model: TrellisModel, rng: np.random.Generator) -> tuple[TrellisCodes, Floats]:
    """Return the codes of a companded image at a random step and weight, and the targets in steps [A, B, n, m]."""
    step = float(np.exp(rng.uniform(*np.log(STEPS))))
    companded = np.asarray(image, np.float64)
    shape = (companded.shape[0], companded.shape[1])
    tried = search.choose_blocks(companded, step)
    code = tried[int(rng.integers(len(tried)))] if rng.random() < CHOSEN_SHARE else int(rng.integers(7))
    head = empty_codes(shape, RATIO * step)
    g = transform.geometry_of(shape, code)
    steps = transform.analyse(companded, g, step) / head.step
    weight = RATE_SHARE * search.rate_weight(step) / RATIO**2 * float(rng.uniform(*WEIGHTS))
    return model.assign(replace(head, code=code), steps, weight), np.abs(steps)


def pair_marks(rows: npt.NDArray[np.uint16], symbols: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return what symbols [N] say of their pairs, uint8 [N, 4] as in Gathered."""
    symbol = symbols.astype(np.int64)
    out = np.zeros((len(rows), 4), np.uint8)
    both = rows < ZN_AT
    one = (rows >= ZN_AT) & (rows < NN_AT)
    none = rows >= NN_AT
    out[both, 0] = 2
    out[both, 1] = (symbol[both] // 3 > 0).astype(np.uint8) + (symbol[both] % 3 > 0)
    out[one, 0], out[one, 1] = 1, symbol[one] // 2 > 0
    out[one, 2], out[one, 3] = 1, symbol[one] % 2
    out[none, 2], out[none, 3] = 2, symbol[none] // 2 + symbol[none] % 2
    return out


class Gatherer:
    """Walks coded images, and keeps what a round learns from."""

    def __init__(self, model: TrellisModel, most: int, rng: np.random.Generator) -> None:
        self._model, self._most, self._rng = model, most, rng
        numbers = np.arange(N_POINTS).reshape(CODEBOOKS, POINT_CLASSES, RANKS)
        self._network = WideNetwork(model.arrays, model.wide, points=MARK * (1 + numbers))
        self._parts: list[tuple[npt.NDArray[np.int16], npt.NDArray[np.uint8], npt.NDArray[np.uint8], Floats]] = []
        self.counts = np.zeros((N_ROWS, planes.PAIR_SYMBOLS), np.int64)
        self.sums, self.seen = np.zeros(N_POINTS), np.zeros(N_POINTS)
        self.error = self.bits = 0.0
        self.n_pixels = 0

    def add(self, codes: TrellisCodes, target: Floats) -> None:
        """Add an image's codes and targets in steps."""
        sizes, sign = np.abs(codes.coefficients), np.sign(codes.coefficients).astype(np.int8)
        g = transform.geometry_of(codes.shape, codes.code)
        count = codes.n_planes
        coder = planes.Coder(self._model.cumulative, room=sizes.size // 2 + contexts.CELLS**2)
        walk = TrellisWalk(self._network, coder, g)
        if codes.cells is not None:
            walk.keep(codes.cells)
        values = np.zeros(sizes.shape, np.int32)
        inputs = np.empty((sizes.size // 2, N_INPUTS), np.int16)
        for after in range(count - 1, -1, -1):
            coder.start()
            magnitudes = (sizes >> (after + 1), sizes >> after, sign)
            walk.walk(CODE, (codes.last - after, after), magnitudes, values=None if after else values, inputs=inputs)
            rows, symbols = coder.rows[: coder.n], coder.symbols[: coder.n]
            count_symbols(symbols, rows, self.counts)
            per_phase = self._phases(walk.active, g)
            first = coder.n - sum(per_phase)
            self._take(inputs, rows[first:], symbols[first:], per_phase, sizes.size)
        marked = values > MARK // 2
        number = values[marked] // MARK - 1
        unmoved = (values[marked] % MARK) / 64.0
        share = 1.0 / sizes.size
        self.sums += share * np.bincount(number, target[marked] - unmoved, N_POINTS)
        self.seen += share * np.bincount(number, minlength=N_POINTS)
        self.n_pixels += sizes.size
        self.bits += 8.0 * sum(map(len, codes.bodies))

    def _phases(self, active: npt.NDArray[np.bool_], g: transform.Geometry) -> list[int]:
        """Return the number of pairs of each phase in active cells."""
        n, m = g.height, g.width // 2
        k, j = np.arange(n), np.arange(m)
        on = active[np.ix_(contexts.CELLS * k // n, contexts.CELLS * j // m)]
        even, odd = ((k[:, None] + parity) & 1 for parity in (0, 1))
        n_odd = sum((a + b) & 1 for a in range(g.rows) for b in range(g.columns))
        out = [0, 0, 0]
        for row, blocks in ((even, g.rows * g.columns - n_odd), (odd, n_odd)):
            phase = np.where(row != (j & 1), 2, row)
            for number in range(PHASES):
                out[number] += blocks * int((on & (phase == number)).sum())
        return out

    def _take(
        self,
        inputs: npt.NDArray[np.int16],
        rows: npt.NDArray[np.uint16],
        symbols: npt.NDArray[np.uint8],
        per_phase: list[int],
        size: int,
    ) -> None:
        """Keep at most so many pairs of each phase, with weights for the others."""
        start = 0
        for phase, n in enumerate(per_phase):
            taken = np.arange(n) if n <= self._most else np.sort(self._rng.choice(n, self._most, replace=False))
            at = start + taken
            weight = np.full(len(at), n / max(len(at), 1) / size)
            self._parts.append(
                (inputs[at], np.full(len(at), phase, np.uint8), pair_marks(rows[at], symbols[at]), weight)
            )
            start += n

    def finish(self) -> Gathered:
        """Return what was kept.

        Raises
        ------
        InputError
            No image had anything to code.
        """
        if not self._parts:
            raise InputError("training: expected images with signal or noise to code, found constant ones only")
        inputs, phases, marks, weights = (np.concatenate(part) for part in zip(*self._parts, strict=True))
        return Gathered(
            inputs=inputs, phases=phases, marks=marks, weights=(weights / weights.mean()).astype(np.float32),
            counts=self.counts, sums=self.sums, seen=self.seen, error=self.error, bits=self.bits / self.n_pixels,
        )  # fmt: skip


def make_wide_networks() -> torch.nn.ModuleList:
    """Return a network for each phase with random weights: 44 inputs, 32, 32, two logits."""
    limit = MAX_ACTIVATION / UNIT
    return torch.nn.ModuleList(
        torch.nn.Sequential(
            torch.nn.Linear(N_INPUTS, HIDDEN), torch.nn.Hardtanh(0.0, limit),
            torch.nn.Linear(HIDDEN, HIDDEN), torch.nn.Hardtanh(0.0, limit),
            torch.nn.Linear(HIDDEN, OUTPUTS),
        )
        for _ in range(PHASES)
    )  # fmt: skip


def load_wide(networks: torch.nn.ModuleList, wide: WideArrays) -> None:
    """Give the networks the weights of integer layers; the inverse of ``integer_wide`` up to rounding."""
    with torch.no_grad():
        for phase, network in enumerate(networks):
            dense = [layer for layer in network.modules() if isinstance(layer, torch.nn.Linear)]
            for layer, ours in zip(dense, (wide.layers[f"wide{k}"] for k in range(3)), strict=True):
                unit = 2.0 ** ours.shifts[phase]
                layer.weight.copy_(torch.from_numpy(ours.weight[phase] / unit))
                layer.bias.copy_(torch.from_numpy((ours.bias[phase] - unit / 2) / (UNIT * unit)))


def fit_wide(
    networks: torch.nn.ModuleList,
    found: Gathered,
    *,
    steps: int,
    rate: float,
    batch: int,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
) -> float:
    """Fit the networks with Adam and a cosine rate; return the bits a pair of the last steps."""
    total = []
    for phase, network in enumerate(networks):
        chosen = np.flatnonzero(found.phases == phase)
        inputs = torch.from_numpy(found.inputs[chosen])
        marks = torch.from_numpy(found.marks[chosen].astype(np.float32))
        weights = torch.from_numpy(found.weights[chosen])
        if not len(chosen):
            continue
        adam = torch.optim.Adam(network.parameters(), rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
        losses = []
        for step in range(steps):
            at = torch.randint(len(chosen), (batch,))
            loss = _loss(network(inputs[at].float() / UNIT), marks[at], weights[at])
            adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()
            schedule.step()
            losses.append(float(loss.detach()))
            on_step(phase * steps + step + 1, losses[-1] / math.log(2))
            if step >= LIMIT_SHARE * steps:
                _limit(network)
        total.append(float(np.mean(losses[-100:])) / math.log(2))
    return float(np.mean(total))


def _loss(logits: torch.Tensor, marks: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the weighted cross-entropy of leaving zero and of odd halves."""
    loss = torch.zeros(())
    for output in range(OUTPUTS):
        n, hits = marks[:, 2 * output], marks[:, 2 * output + 1]
        share = hits / n.clamp(min=1)
        loss = loss + binary_cross_entropy_with_logits(logits[:, output], share, weight=weights * n)
    return loss


def _limit(network: torch.nn.Module) -> None:
    """Keep weights within 8 bits at a shift of 6."""
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, torch.nn.Linear):
                layer.weight.clamp_(-WEIGHT_LIMIT, WEIGHT_LIMIT)


def integer_wide(networks: torch.nn.ModuleList) -> dict[str, WideLayer]:
    """Return the networks as integer layers: 8-bit weights, the largest shift at which sums stay below 2^24."""
    dense = [[layer for layer in net.modules() if isinstance(layer, torch.nn.Linear)] for net in networks]
    layers = {}
    for number in range(3):
        parts = [_integer_layer(net[number]) for net in dense]
        layers[f"wide{number}"] = WideLayer(
            weight=np.stack([part[0] for part in parts]),
            bias=np.stack([part[1] for part in parts]),
            shifts=tuple(part[2] for part in parts),
        )
    return layers


def _integer_layer(dense: torch.nn.Linear) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int32], int]:
    weight = dense.weight.detach().numpy().astype(np.float64)
    bias = dense.bias.detach().numpy().astype(np.float64)
    for shift in range(min(24, math.floor(math.log2(127 / max(np.abs(weight).max(), 1e-9)))), -1, -1):
        integer = np.round(weight * 2**shift)
        # The bias includes the half that rounds to nearest instead of down.
        offset = np.round(bias * UNIT * 2**shift + 2.0 ** (shift - 1))
        if (np.abs(integer).sum(axis=1) * MAX_ACTIVATION + np.abs(offset)).max() < EXACT:
            break
    return integer.astype(np.int8), offset.astype(np.int32), shift


def moved_points(points: npt.NDArray[np.int16], found: Gathered) -> npt.NDArray[np.int16]:
    """Return the codebooks moved towards the means of what was assigned to their points (moving average)."""
    mean = (found.sums / np.maximum(found.seen, 1e-12) * 64).reshape(points.shape)
    trust = (found.seen / (found.seen + 2e-5)).reshape(points.shape) * (1 - DECAY)
    moved = points + trust * (mean - points)
    return np.clip(np.rint(moved), -POINT_LIMIT, POINT_LIMIT).astype(np.int16)


def wide_tables(counts: Floats) -> dict[str, npt.NDArray[np.uint32]]:
    """Make tables from counts float64 [rows, 9]; signs count alike, rows start from what their buckets say."""
    centre = ((np.arange(N_BUCKETS) + 0.5) * 208 / N_BUCKETS - 160) / 16
    fine = (np.arange(N_FINE) - 7.5) / 2
    logistic, halves = 1 / (1 + np.exp(-centre)), 1 / (1 + np.exp(-fine))
    zz = counts[:ZN_AT].reshape(CLASSES, N_BUCKETS, 3, 3)
    zz = zz + zz[:, :, [0, 2, 1]]
    zz = zz + zz[:, :, :, [0, 2, 1]]
    zn = counts[ZN_AT:NN_AT, :6].reshape(CLASSES, 2, N_BUCKETS, RANKS, 3, 2)
    zn = zn + zn[:, :, :, :, [0, 2, 1]]
    nn = counts[NN_AT:FLAGS_AT, :4].reshape(CLASSES, N_FINE, RANKS, RANKS, 2, 2)
    first = _shares(zz[:, :, 1:].sum(axis=(2, 3)), zz.sum(axis=(2, 3)), logistic)
    second = _shares(zz[:, :, :, 1:].sum(axis=(2, 3)), zz.sum(axis=(2, 3)), logistic)
    beside = _shares(zn[..., 1:, :].sum(axis=(1, 3, 4, 5)), zn.sum(axis=(1, 3, 4, 5)), logistic)
    odd = zn.sum(axis=(0, 2, 4)) + 1.0  # [2, ranks, 2]
    odd = odd / odd.sum(axis=-1, keepdims=True)
    up = _shares(nn[:, :, :, :, 1].sum(axis=(2, 3, 4)), nn.sum(axis=(2, 3, 4, 5)), halves)
    pair = np.stack([1 - up, up], axis=-1)
    smooth = {
        "wide_zz": zz + 60 * _thirds(first)[..., :, None] * _thirds(second)[..., None, :],
        "wide_zn": zn + 30 * _thirds(beside)[:, None, :, None, :, None] * odd[None, :, None, :, None, :],
        "wide_nn": nn + 10 * (pair[..., :, None] * pair[..., None, :])[:, :, None, None],
        "wide_flags": counts[FLAGS_AT:, :2] + 0.5,
    }
    return {name: _integer_table(values.reshape(WIDE_TABLES[name])) for name, values in smooth.items()}


def table_counts(tables: Mapping[str, npt.NDArray[np.uint32]], worth: float) -> Floats:
    """Return counts float64 [rows, 9] from which ``wide_tables`` makes about these tables, ``worth`` counts a row."""
    counts = np.zeros((N_ROWS, planes.PAIR_SYMBOLS))
    first = 0
    for name, shape in WIDE_TABLES.items():
        rows = tables[name].reshape(-1, shape[-1]).astype(np.float64)
        counts[first : first + len(rows), : shape[-1]] = worth * rows / 2.0**24
        first += len(rows)
    return counts


def _shares(hits: Floats, n: Floats, guess: Floats) -> Floats:
    """Return shares of hits, pulled to a guess as by 20 counts, and away from 0 and 1."""
    return np.clip((hits + 20 * guess) / (n + 20), 1e-5, 1 - 1e-5)


def _thirds(share: Floats) -> Floats:
    """Return the probabilities of staying zero, and of leaving it with either sign."""
    return np.stack([1 - share, share / 2, share / 2], axis=-1)


def _integer_table(counts: Floats) -> npt.NDArray[np.uint32]:
    """Scale counts along the last axis to integers of at least 2 that sum to 2^24; the largest takes the rest."""
    shares = counts / counts.sum(axis=-1, keepdims=True)
    table = np.maximum(np.floor(shares * ((1 << 24) - 64)), 2).astype(np.int64)
    largest = table.argmax(axis=-1)[..., None]
    rest = (1 << 24) - table.sum(axis=-1, keepdims=True)
    np.put_along_axis(table, largest, np.take_along_axis(table, largest, -1) + rest, -1)
    return np.asarray(table, dtype=np.uint32)


def start_arrays(networks: torch.nn.ModuleList) -> WideArrays:
    """Return the arrays of a model that has learned nothing."""
    return WideArrays(
        layers=integer_wide(networks),
        tables=wide_tables(np.zeros((N_ROWS, planes.PAIR_SYMBOLS))),
        points=np.zeros((CODEBOOKS, POINT_CLASSES, RANKS), np.int16),
    )

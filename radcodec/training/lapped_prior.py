"""Learned prior of a lapped model: bits and search of coefficients, and its tables from counts (docs/format.md 9.7)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from radcodec.training.lapped_contexts import (
    BUCKETS,
    LOWEST,
    SPAN,
    TABLE_BITS,
    TABLES,
    DenseLayer,
    Ints,
    choose_buckets,
    walk_planes,
    walk_symbols,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LappedPrior:
    """The learned prior: integer layers, and tables uint32 of the shapes in TABLES, last axes summing to 2^24."""

    layers: tuple[DenseLayer, ...]
    tables: dict[str, npt.NDArray[np.uint32]]

    def plane_bits(self, coefficients: Ints, last_plane: int) -> dict[int, float]:
        """Return the ideal code length in bits of every plane of quantised coefficients, by plane number."""
        bits: dict[int, float] = {}
        for number, symbols in walk_symbols(coefficients, last_plane, self.layers):
            table = self.tables[symbols.table].reshape(-1, TABLES[symbols.table][-1])
            cost = float((TABLE_BITS - np.log2(table[symbols.rows, symbols.values])).sum())
            bits[number] = bits.get(number, 0.0) + cost
        return bits

    def search(self, ratios: npt.NDArray[np.float64], last_plane: int, weight: float, passes: int) -> Ints:
        """Search coefficients int [A, B, n, m] for ratios to the step: rounded towards zero where that saves enough.

        Each pass keeps a magnitude or lowers it by one. The choice has the smaller squared error in steps plus `weight`
        times its bits, with contexts from the present magnitudes.
        """
        chosen = quantise(ratios, 0.55 + 0.3 * weight)
        costs = self._costs()
        target = np.abs(ratios).reshape(-1)
        for _ in range(passes):
            high = np.abs(chosen).reshape(-1)
            candidates = (high, np.maximum(high - 1, 0))
            bits = [np.zeros(target.size), np.zeros(target.size)]
            for plane in walk_planes(chosen, last_plane):
                for pairs in plane.phases:
                    at = 2 * pairs.positions[:, None] + np.arange(2)
                    h = 0 if plane.last else 1
                    buckets = choose_buckets(self.layers, pairs.inputs)[:, None]
                    other = pairs.before[:, ::-1]
                    r = np.clip(other, 1, 5) - 1
                    zero = np.where((other > 0)[..., None], costs["zn"][buckets, h, r], costs["zz"][buckets])
                    for magnitudes, total in zip(candidates, bits, strict=True):
                        after = magnitudes[at] >> (last_plane - plane.number)
                        before = after >> 1
                        refine = costs["nn"][h, np.clip(before, 1, 5) - 1, after & 1]
                        total[at] += np.where(before == 0, np.where(after > 0, zero[..., 1], zero[..., 0]), refine)
            prices = [
                np.square(target - magnitudes) + weight * total
                for magnitudes, total in zip(candidates, bits, strict=True)
            ]
            magnitudes = np.where(prices[1] < prices[0], candidates[1], candidates[0])
            chosen = np.sign(chosen) * magnitudes.reshape(chosen.shape)
        return chosen

    def _costs(self) -> dict[str, npt.NDArray[np.float64]]:
        """Return the bits of each outcome of a pair under the tables, by table name."""
        share = {name: table / 2.0**TABLE_BITS for name, table in self.tables.items()}
        zz = share["zz"].reshape(BUCKETS, 3, 3).sum(axis=2)
        zn = share["zn"].reshape(BUCKETS, 2, 5, 3, 2).sum(axis=4)
        # The other coefficient of a pair hardly affects the bits.
        nn = share["nn"].reshape(2, 5, 5, 2, 2)
        both = (nn.sum(axis=4).mean(axis=2) + nn.sum(axis=3).mean(axis=1)) / 2
        bits = {"zz": np.stack([zz[..., 0], zz[..., 1:].mean(axis=-1)], axis=-1),
                "zn": np.stack([zn[..., 0], zn[..., 1:].mean(axis=-1)], axis=-1), "nn": both}  # fmt: skip
        return {name: -np.log2(values) for name, values in bits.items()}


def quantise(ratios: npt.NDArray[np.float64], dead_zone: float) -> Ints:
    """Quantise ratios to the step as integers: magnitudes below n + dead_zone become n at most."""
    return (np.sign(ratios) * np.floor(np.abs(ratios) + 1 - dead_zone)).astype(np.int64)


def finish_tables(counts: dict[str, npt.NDArray[np.float64]]) -> dict[str, npt.NDArray[np.uint32]]:
    """Make tables from counts float64 [rows, symbols]; signs and the coefficients of a zero pair count alike.

    Every row starts from 50 counts at its bucket's shares, or evenly.
    """
    centre = ((np.arange(BUCKETS) + 0.5) * SPAN / BUCKETS + LOWEST) / 16
    logistic = 1 / (1 + np.exp(-centre))
    zz = counts["zz"].reshape(BUCKETS, 3, 3)
    zz = zz + zz[:, [0, 2, 1]]
    zz = zz + zz[:, :, [0, 2, 1]]
    zz = zz + zz.transpose(0, 2, 1)
    share = (zz[:, 1:].sum(axis=(1, 2)) + 20 * logistic) / (zz.sum(axis=(1, 2)) + 20)
    alone = np.stack([1 - share, share / 2, share / 2], axis=1)
    zn = counts["zn"].reshape(BUCKETS, 2, 5, 3, 2)
    zn = zn + zn[:, :, :, [0, 2, 1]]
    share = (zn[..., 1:, :].sum(axis=(1, 2, 3, 4)) + 20 * share) / (zn.sum(axis=(1, 2, 3, 4)) + 20)
    beside = np.stack([1 - share, share / 2, share / 2], axis=1)
    nn = counts["nn"].reshape(2, 5, 5, 2, 2)
    refine = nn.sum(axis=(2, 4)) + nn.sum(axis=(1, 3)) + 1
    refine /= refine.sum(axis=-1, keepdims=True)
    smooth = {
        "zz": zz + 50 * alone[:, :, None] * alone[:, None, :],
        "zn": zn + 50 * beside[:, None, None, :, None] * refine[None, :, :, None, :],
        "nn": nn + 1,
        "flags": counts["flags"] + 0.5,
    }
    return {name: _integer_table(values.reshape(TABLES[name])) for name, values in smooth.items()}


def _integer_table(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.uint32]:
    """Scale counts along the last axis to integers of at least 2 that sum to 2^24; the largest takes the rest."""
    shares = counts / counts.sum(axis=-1, keepdims=True)
    table = np.maximum(np.floor(shares * ((1 << TABLE_BITS) - 64)), 2).astype(np.int64)
    largest = table.argmax(axis=-1)[..., None]
    rest = (1 << TABLE_BITS) - table.sum(axis=-1, keepdims=True)
    np.put_along_axis(table, largest, np.take_along_axis(table, largest, -1) + rest, -1)
    return np.asarray(table, dtype=np.uint32)

"""The reference decoder's lapped models, written from docs/format.md 9.5 to 9.10 alone; as slow and simple as the rest.

Section numbers are those of docs/format.md. Pairs are kept in plain dictionaries by (a, b, k, j).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from itertools import product
from typing import Any

import numpy as np
from reference_decoder import Ans, Samples, need

Pair = tuple[int, int, int, int]


class LappedTile:
    """Blocks, planes and coefficients of one tile of H by W pixels."""

    def __init__(
        self, tensors: dict[str, Samples], layers: dict[str, dict[str, int]], stages: int, head: bytes
    ) -> None:
        self.tensors, self.layers, self.stages = tensors, layers, stages
        need(len(head) >= 6, "header of a tile")
        self.start = 6
        self.code, self.S, self.g, self.P, self.o1, self.o2 = struct.unpack_from("<BBBBbb", head)
        need(self.code <= 6 and 1 <= self.S <= 14 and self.P <= 24, "block code, last plane or planes")
        need(-32 <= self.o1 <= 31 and -32 <= self.o2 <= 31, "offsets")

    def set_shape(self, height: int, width: int) -> None:
        """Blocks (9.5), and every pair at zero."""
        self.H, self.W = height, width
        (self.A, self.n), (self.B, self.m) = (self.blocks(px) for px in (height, width))
        self.J = self.m // 2
        self.K = self.A * self.B
        places = product(range(self.A), range(self.B), range(self.n), range(self.J))
        self.p: dict[Pair, tuple[int, int]] = dict.fromkeys(places, (0, 0))
        self.sign: dict[tuple[Pair, int], int] = {}
        self.active: set[tuple[int, int]] = set()
        self.exists = {self.cell(k, j) for k in range(self.n) for j in range(self.J)}
        self.n_symbols = 0

    def blocks(self, px: int) -> tuple[int, int]:
        """Number of blocks and samples of each."""
        if self.code == 6:
            return 1, 2 * math.ceil(px / 2)
        N = 16 << self.code
        nb = max(1, (2 * px + N) // (2 * N))
        return nb, 2 * math.ceil(px / (2 * nb))

    def cell(self, k: int, j: int) -> tuple[int, int]:
        return 16 * k // self.n, 16 * j // self.J

    def planes_of(self, stage: int) -> int:
        """How many planes a stage (0 is the first) holds."""
        first = min(self.P, max(1, self.P - self.stages + 1))
        return first if stage == 0 else int(stage <= self.P - first)

    def read(self, streams: list[bytes]) -> int:
        """Read the stages' streams; gives the number of planes."""
        done = 0
        for stage, stream in enumerate(streams):
            body = stream[self.start :] if stage == 0 else b"" if stream == b"\0" else stream
            need(not body or body[-1] != 0, "zero at the end of a stage")
            words = body + bytes(-len(body) % 4)
            self.ans, self.n_symbols = Ans(list(struct.unpack(f"<{len(words) // 4}I", words))), 0
            for _ in range(self.planes_of(stage)):
                done += 1
                self.read_plane(self.S - self.P + done)
            self.ans.end()
            need(len(body) <= 3 * self.n_symbols + 8, "length of a stage")
        return done

    def symbol(self, table: str, *place: int) -> int:
        counts = self.tensors[table][place]
        self.n_symbols += 1
        return self.ans.symbol([0, *np.cumsum(counts, dtype="i8").tolist()])

    def read_plane(self, s: int) -> None:
        """One plane (9.6)."""
        before = set(self.active)
        for u, v in sorted(self.exists - before):
            around = [(u, v - 1) in self.active, (u - 1, v) in self.active, (u, v + 1) in before, (u + 1, v) in before]
            if self.symbol("flags", min(max(s, 0), 10), sum(around)):
                self.active.add((u, v))
        self.G = {
            at: min(4 * p1 + (p1 > 0) + 4 * p2 + (p2 > 0), 16384) for at, (p1, p2) in self.p.items()
        }  # fmt: skip
        q = dict.fromkeys(self.p, (0, 0))
        for phase in range(3):
            known = {at: self.level(at, q[at]) for at in self.p if self.phase(at) < phase}
            found = {}
            for at in self.p:
                if self.phase(at) == phase and self.cell(at[2], at[3]) in self.active:
                    inputs = self.inputs(at, s, phase, known, self.cell(at[2], at[3]) not in before)
                    found[at] = self.read_pair(at, self.bucket(inputs), int(s != self.S))
            q.update(found)
        self.p = q

    def level(self, at: Pair, q: tuple[int, int]) -> int:
        """Q of a pair (9.7)."""
        return min(sum(q), 16384)

    def phase(self, at: Pair) -> int:
        a, b, k, j = at
        e, f = (k + a + b) & 1, j & 1
        return 0 if e == f == 0 else 1 if e == f == 1 else 2

    def read_pair(self, at: Pair, z: int, h: int) -> tuple[int, int]:
        p1, p2 = self.p[at]
        r1, r2 = min(p1, 5) - 1, min(p2, 5) - 1
        if p1 == p2 == 0:
            y1, y2 = divmod(self.symbol("zz", z), 3)
        elif p1 == 0:
            y1, y2 = divmod(self.symbol("zn", z, h, r2), 2)
        elif p2 == 0:
            y2, y1 = divmod(self.symbol("zn", z, h, r1), 2)
        else:
            y1, y2 = divmod(self.symbol("nn", h, r1, r2), 2)
        out = []
        for i, (p, y) in enumerate(((p1, y1), (p2, y2))):
            out.append(2 * p + y if p else int(y > 0))
            if p == 0 and y:
                self.sign[at, i] = 1 if y == 1 else -1
        return out[0], out[1]

    def box(self, at: Pair, r: int, t: int) -> list[Pair]:
        a, b, k, j = at
        rows, columns = range(max(0, k - r), min(self.n, k + r + 1)), range(max(0, j - t), min(self.J, j + t + 1))
        return [(a, b, row, column) for row in rows for column in columns]

    def neighbours(self, at: Pair, diagonal: bool) -> list[Pair]:
        a, b, k, j = at
        moves = product((-1, 1), (-1, 1)) if diagonal else ((-1, 0), (1, 0), (0, -1), (0, 1))
        places = [(a + da, b + db, k, j) for da, db in moves]
        return [place for place in places if 0 <= place[0] < self.A and 0 <= place[1] < self.B]

    def inputs(self, at: Pair, s: int, phase: int, known: dict[Pair, int], fresh: bool) -> list[int]:
        """The 21 inputs of the network (9.7)."""
        G, table = self.G, self.tensors["log_table"].tolist()
        sides = self.neighbours(at, False)
        all_blocks = [(a, b, at[2], at[3]) for a in range(self.A) for b in range(self.B)]

        def mean(factor: int, values: dict[Pair, int], places: Iterable[Pair]) -> int:
            chosen = [values[place] for place in places]
            return factor * sum(chosen) // len(chosen) if chosen else 0

        v = [4 * G[at]]
        v += [mean(4, G, [o for o in self.box(at, r, t) if o != at]) for r, t in ((1, 1), (2, 1), (5, 2))]
        v += [mean(4, G, sides), mean(4, G, self.neighbours(at, True))]
        v.append(mean(4, G, [o for side in sides for o in self.box(side, 1, 1)]))
        v.append(mean(4, G, all_blocks))
        v.append(mean(4, G, [o for block in all_blocks for o in self.box(block, 1, 1)]))
        own = sum(value for place, value in G.items() if place[:2] == at[:2])
        total = sum(G.values())
        v.append(16 * self.K * own // total if total else 0)
        for r, t in ((1, 1), (2, 1), (4, 2)):
            v.append(mean(8, known, [o for o in self.box(at, r, t) if o in known]))
        v.append(mean(8, known, [o for o in sides if o in known]))
        x = [table[min(value, 4095)] for value in v]
        x += [16 * (s - 6), 32 * (s == self.S), 32 * (phase == 1), 32 * (phase == 2), 32 * fresh]
        return [*x, table[min(8 * self.m, 4095)] - 64, table[min(16 * self.K, 4095)] >> 2]

    def bucket(self, x: list[int]) -> int:
        for k in range(3):
            weight, bias = self.tensors[f"layer{k}.weight"].tolist(), self.tensors[f"layer{k}.bias"].tolist()
            shift = self.layers[f"layer{k}"]["shift"]
            sums = [b + sum(w * i for w, i in zip(row, x, strict=True)) for row, b in zip(weight, bias, strict=True)]
            x = [total >> shift if k == 2 else min(max(total >> shift, 0), 1023) for total in sums]
        return min(max((((x[0] >> 1) + 160) * 48) // 208, 0), 47)

    def magnitude(self, at: Pair, i: int, q: int, d: int) -> int:
        """X of coefficient i of a pair, which is not 0 (9.8)."""
        o = 28 if d else self.o1 if q == 1 else self.o2
        return (64 * q + o) * (256 + self.g) << d

    def coefficients(self, done: int) -> Samples:
        """Integers [A, n, B, m] in 2^-10 (9.8)."""
        d = self.P - done
        out = np.zeros((self.A, self.n, self.B, self.m), "i8")
        for (a, b, k, j), pair in self.p.items():
            for i, q in enumerate(pair):
                if q:
                    X = self.magnitude((a, b, k, j), i, q, d)
                    x = X << 4 - self.S if self.S <= 4 else (X + (1 << self.S - 5)) >> self.S - 4
                    out[a, k, b, 2 * j + i] = self.sign[(a, b, k, j), i] * min(x, 1 << 25)
        return out

    def units(self, done: int) -> Samples:
        """q of every pixel [H, W] (9.9, 9.10)."""
        if self.code == 6:
            samples = inverse_wavelets(self.coefficients(done).reshape(self.n, self.m))
            return np.clip((samples + 8) >> 4, -3071, 3071)[: self.H, : self.W]
        c = self.coefficients(done).reshape(self.A, self.n, -1)
        x = np.clip(inverse_lines(c), -(1 << 28), 1 << 28).reshape(self.A * self.n, self.B, self.m)
        x = inverse_lines(x.transpose(1, 2, 0))
        samples = x.reshape(self.B * self.m, -1).T
        return np.clip((samples + 8) >> 4, -3071, 3071)[: self.H, : self.W]


def inverse_wavelets(c: Samples) -> Samples:
    """Samples [n, m] of the coefficients of block code 6."""
    areas = [c.shape]
    for _ in range(min(max(math.floor(math.log2(min(c.shape))) - 3, 0), 6)):
        areas.append((math.ceil(areas[-1][0] / 2), math.ceil(areas[-1][1] / 2)))
    for height, width in reversed(areas[:-1]):
        for y in range(height):
            c[y, :width] = inverse_wavelet_line(c[y, :width].tolist())
        for x in range(width):
            c[:height, x] = inverse_wavelet_line(c[:height, x].tolist())
    return c


def inverse_wavelet_line(line: list[int]) -> list[int]:
    def scaled(a: int, x: int) -> int:
        return (a * x + (1 << 15)) >> 16

    n_low = math.ceil(len(line) / 2)
    s, d = [scaled(57007, x) for x in line[:n_low]], [scaled(75340, x) for x in line[n_low:]]
    for a, b in ((29066, 57862), (-3472, -103949)):
        for i in range(len(s)):
            s[i] -= scaled(a, d[max(i - 1, 0)] + d[min(i, len(d) - 1)])
        for i in range(len(d)):
            d[i] -= scaled(b, s[i] + s[min(i + 1, len(s) - 1)])
    return [(s, d)[i % 2][i // 2] for i in range(len(line))]


def inverse_lines(c: Samples) -> Samples:
    """Samples [nb, n, w] of lines of blocks of coefficients."""
    nb, n, _ = c.shape
    x = np.empty_like(c)
    for a in range(nb):
        x[a] = ((1 << 14) + matrix(n, a == nb - 1).T @ c[a]) >> 15
    for a in range(nb - 1):
        for i in range(n // 2):
            W, V = rounded(cosine(n - 2 * i - 1, n)), rounded(cosine(n + 2 * i + 1, n))
            low, high = x[a, n - 1 - i].copy(), x[a + 1, i].copy()
            x[a, n - 1 - i] = ((1 << 14) + W * low + V * high) >> 15
            x[a + 1, i] = ((1 << 14) + W * high - V * low) >> 15
    return x


def matrix(n: int, last: bool) -> Samples:
    """T[k][i]."""
    T = np.empty((n, n), "i8")
    size = math.sqrt(2.0 / n)
    for k, i in product(range(n), range(n)):
        if not last:
            T[k, i] = rounded(size * cosine((2 * k + 1) * (2 * i + 1), n))
        else:
            T[k, i] = rounded(size * cosine(2 * k * (2 * i + 1), n) if k else math.sqrt(1.0 / n))
    return T


def rounded(x: float) -> int:
    return math.floor(2.0**15 * x + 0.5)


def cosine(r: int, n: int) -> float:
    """C(r, n)."""
    r %= 8 * n
    if r > 4 * n:
        r = 8 * n - r
    if r > 2 * n:
        return -cosine(4 * n - r, n)
    if r <= n:
        x = (math.pi * r) / (4 * n)
        t = x * x
        return 1 + t * (
            -1 / 2 + t * (1 / 24 + t * (-1 / 720 + t * (1 / 40320 + t * (-1 / 3628800 + t * (1 / 479001600)))))
        )
    x = (math.pi * (2 * n - r)) / (4 * n)
    t = x * x
    inner = -1 / 5040 + t * (1 / 362880 + t * (-1 / 39916800 + t * (1 / 6227020800)))
    return x * (1 + t * (-1 / 6 + t * (1 / 120 + t * inner)))


def lapped_units(
    tensors: dict[str, Samples], layers: dict[str, Any], stages: int, streams: list[bytes], height: int, width: int
) -> Samples:
    """q [height, width] of a tile's streams."""
    from reference_atoms import atom_units, read_atoms
    from reference_trellis import TrellisTile

    is_trellis = "points" in tensors and len(streams[0]) > 0 and streams[0][0] & 8
    tile = (TrellisTile if is_trellis else LappedTile)(tensors, layers, stages, streams[0])
    tile.set_shape(height, width)
    if not (is_trellis and "atoms" in tensors and streams[0][0] & 16):
        return tile.units(tile.read(streams))
    atoms, n_bytes = read_atoms(tensors, streams[0][6:], height, width)
    tile.start += n_bytes
    q = tile.units(tile.read(streams)) + atom_units(tensors, atoms, height, width)
    return np.clip(q, -3071, 3071)

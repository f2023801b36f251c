"""The reference decoder's models of kind vqvae, written from docs/format.md 9.11 alone; slow and simple."""

from __future__ import annotations

from typing import Any

from reference_decoder import Samples, need
from reference_lapped import LappedTile, Pair

NEXT = ((0, 1), (3, 2), (5, 4), (6, 7), (1, 0), (2, 3), (4, 5), (7, 6))


class TrellisTile(LappedTile):
    """A tile whose codebooks a trellis chooses."""

    def __init__(self, tensors: dict[str, Samples], layers: dict[str, Any], stages: int, head: bytes) -> None:
        need(len(head) >= 6 and head[0] & 8, "header of a tile")
        flags = 24 if "atoms" in tensors else 8
        super().__init__(tensors, layers, stages, bytes([head[0] & ~flags]) + head[1:])
        self.values: dict[tuple[Pair, int], int] = {}
        self.books: dict[tuple[Pair, int], int] = {}
        self.state = 0

    def symbol(self, table: str, *place: int) -> int:
        return super().symbol("wide_flags" if table == "flags" else table, *place)

    def read_plane(self, s: int) -> None:
        self.last = s == self.S
        super().read_plane(s)

    def level(self, at: Pair, q: tuple[int, int]) -> int:
        """Q of a pair, in half steps."""
        books = [self.books.get((at, i), 0) if self.last and q[i] else 0 for i in range(2)]
        return min(sum(2 * q[i] - books[i] for i in range(2)), 16384)

    def inputs(self, at: Pair, s: int, phase: int, known: dict[Pair, int], fresh: bool) -> list[int]:
        """The inputs of the wide network, and the phase behind them."""
        table = self.tensors["log_table"].tolist()
        old = super().inputs(at, s, phase, known, fresh)
        x = old[:16] + old[18:]
        x.append(table[min(16 * max(self.p[at]), 4095)])
        a, b, k, j = at
        for dk in range(-2, 3):
            for dj in range(-2, 3):
                near = (a, b, k + dk, j + dj)
                if (dk, dj) != (0, 0):
                    value = 4 * known[near] if near in known else 4 * self.G.get(near, 0)
                    x.append(table[min(value, 4095)])
        return [*x, phase]

    def bucket(self, x: list[int]) -> Any:
        """Both buckets, z and u."""
        *x, phase = x
        for k in range(3):
            weight = self.tensors[f"wide{k}.weight"][phase].tolist()
            bias = self.tensors[f"wide{k}.bias"][phase].tolist()
            shift = self.layers[f"wide{k}"]["shifts"][phase]
            sums = [b + sum(w * i for w, i in zip(row, x, strict=True)) for row, b in zip(weight, bias, strict=True)]
            x = [total >> shift if k == 2 else min(max(total >> shift, 0), 1023) for total in sums]
        return min(max((((x[0] >> 1) + 160) * 48) // 208, 0), 47), min(max(((x[1] >> 1) + 64) >> 3, 0), 15)

    def read_pair(self, at: Pair, z: Any, h: int) -> tuple[int, int]:
        z, u = z
        p1, p2 = self.p[at]
        r1, r2 = min(p1, 3) - 1, min(p2, 3) - 1
        c = self.state % 2 + 2 * (NEXT[self.state][0] % 2) if self.last else 4
        if p1 == p2 == 0:
            y = divmod(self.symbol("wide_zz", c, z), 3)
        elif p1 == 0:
            y = divmod(self.symbol("wide_zn", c, 0, z, r2), 2)
        elif p2 == 0:
            second, first = divmod(self.symbol("wide_zn", c, 1, z, r1), 2)
            y = first, second
        else:
            y = divmod(self.symbol("wide_nn", c, u, r1, r2), 2)
        out = []
        for i, p in enumerate((p1, p2)):
            q = 2 * p + y[i] if p else int(y[i] > 0)
            if p == 0 and y[i]:
                self.sign[at, i] = 1 if y[i] == 1 else -1
            if self.last:
                book = self.books[at, i] = self.state % 2
                if q:
                    point = int(self.tensors["points"][book, z // 8, min(q, 3) - 1])
                    self.values[at, i] = 64 * q - 32 * book + point
                self.state = NEXT[self.state][q % 2]
            out.append(q)
        return out[0], out[1]

    def magnitude(self, at: Pair, i: int, q: int, d: int) -> int:
        """X of a coefficient that is not 0."""
        if d:
            return max(64 * q + 28 - (48 >> d), 0) * (256 + self.g) << d
        return max(self.values[at, i] + (self.o1 if q == 1 else self.o2), 0) * (256 + self.g)

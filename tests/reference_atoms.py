"""The reference decoder's atoms, written from docs/format.md 9.12 alone; slow and simple."""

from __future__ import annotations

import bisect
from itertools import product
from typing import Any

import numpy as np
from reference_decoder import Samples, need


class Bits:
    """Bits of bytes, the most significant one first."""

    def __init__(self, data: bytes) -> None:
        self.text = "".join(f"{byte:08b}" for byte in data)
        self.at = 0

    def take(self, n: int) -> str:
        need(self.at + n <= len(self.text), "end of the atoms")
        self.at += n
        return self.text[self.at - n : self.at]

    def number(self, n: int) -> int:
        return int(self.take(n) or "0", 2)


def canonical(lengths: list[int]) -> dict[str, int]:
    """Symbol of each code."""
    found, code, last = {}, 0, 0
    for length, symbol in sorted((length, symbol) for symbol, length in enumerate(lengths)):
        code <<= length - last
        found[f"{code:0{length}b}"], last = symbol, length
        code += 1
    return found


def symbol(bits: Bits, codes: dict[str, int]) -> int:
    text = ""
    while text not in codes:
        text += bits.take(1)
    return codes[text]


def read_atoms(tensors: dict[str, Any], data: bytes, height: int, width: int) -> tuple[list[tuple[int, ...]], int]:
    """Atoms (y, x, index, level) at the start of data, and their bytes."""
    n = shift = used = 0
    while True:
        need(used < min(len(data), 10), "number of atoms")
        byte = data[used]
        n |= (byte & 127) << shift
        used, shift = used + 1, shift + 7
        if byte < 128:
            break
    need(byte > 0 or used == 1, "shortest form")
    need(1 <= n <= 1 + height * width // 1024, "number of atoms")
    indices, levels = (canonical(tensors[name].tolist()) for name in ("atom_lengths", "level_lengths"))
    bits, place, found = Bits(data[used:]), 0, []
    rice = bits.number(5)
    for _ in range(n):
        while bits.take(1) == "1":
            place += 1 << rice
            need(place < height * width, "place of an atom")
        place += bits.number(rice)
        need(place < height * width, "place of an atom")
        index = symbol(bits, indices)
        found.append((place // width, place % width, index, symbol(bits, levels)))
    need(set(bits.text[bits.at : -(-bits.at // 8) * 8]) <= {"0"}, "zeros after the atoms")
    return found, used + -(-bits.at // 8)


def atom_units(tensors: dict[str, Any], atoms: list[tuple[int, ...]], height: int, width: int) -> Samples:
    """e [height, width]."""
    total = np.zeros((height, width), object)
    for y, x, index, level in atoms:
        for dy, dx in product(range(-8, 9), range(-8, 9)):
            if 0 <= y + dy < height and 0 <= x + dx < width:
                s = int(tensors["atoms"][index, dy + 8, dx + 8])
                total[y + dy, x + dx] += int(tensors["atom_levels"][level]) * s * abs(s)
    ends = tensors["sinh"][1:].tolist()
    out = np.zeros((height, width), "i8")
    for at, M in np.ndenumerate(total):
        size = bisect.bisect_right(ends, abs(M) / 258064)
        out[at] = -size if M < 0 else size
    return out

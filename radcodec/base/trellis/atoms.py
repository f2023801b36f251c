"""Atoms: sources that are patches of a learned codebook, each with a place and a level (docs/format.md, 9.12).

They are the first stage of a tile: what its trellis codes is the rest. Everything here is exact in integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from radcodec.arrays import F64
from radcodec.coding.leb import pack_leb, unpack_leb
from radcodec.errors import CorruptError, ModelMismatchError

RADIUS = 8  # px of a patch on each side of its middle
SIDE = 2 * RADIUS + 1
UNIT = 16 * 127**2  # of a product of a level and a squared sample, in noises
SPACING = 1024  # px of a tile for each atom that it may have
LEVEL_LIMIT = 1 << 22
MOST_ENTRIES = 256
MOST_BITS = 15  # of a prefix code
RICE_BITS = 5
TENSORS = ("atoms", "atom_levels", "atom_lengths", "level_lengths")

Atoms = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class AtomArrays:
    """The codebook of atoms.

    patches : int8 [K, 17, 17], signed square roots: a sample is ``s * |s|``
    levels : int32 [L], amplitudes in sixteenths of the noise
    atom_lengths, level_lengths : uint8 [K] and [L], of complete prefix codes
    """

    patches: npt.NDArray[np.int8]
    levels: npt.NDArray[np.int32]
    atom_lengths: npt.NDArray[np.uint8]
    level_lengths: npt.NDArray[np.uint8]

    def tensors(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return the tensors of a model file."""
        return dict(zip(TENSORS, (self.patches, self.levels, self.atom_lengths, self.level_lengths), strict=True))

    def samples(self) -> Ints:
        """Return the patches as integers in 127^2, [K, 17, 17]."""
        wide = self.patches.astype(np.int64)
        return np.asarray(wide * np.abs(wide), np.int64)


def check_atoms(name: str, atoms: AtomArrays) -> None:
    """Check that the arrays follow the format.

    Raises
    ------
    ModelMismatchError
        One is of another shape, out of range, or lengths are not those of a complete prefix code.
    """

    def need(holds: bool, what: str) -> None:
        if not holds:
            raise ModelMismatchError(f"model {name!r}: expected {what}; reinstall the model")

    n_atoms, n_levels = len(atoms.patches), atoms.levels.size
    need(atoms.patches.shape == (n_atoms, SIDE, SIDE), f"atoms of {SIDE} by {SIDE} samples")
    need(2 <= n_atoms <= MOST_ENTRIES and 2 <= n_levels <= MOST_ENTRIES, f"2 to {MOST_ENTRIES} atoms and levels")
    need(atoms.levels.shape == (n_levels,), "a list of levels")
    need(int(np.abs(atoms.levels.astype(np.int64)).max()) <= LEVEL_LIMIT, f"levels within +-{LEVEL_LIMIT}")
    for lengths, n in ((atoms.atom_lengths, n_atoms), (atoms.level_lengths, n_levels)):
        need(lengths.shape == (n,) and 1 <= int(lengths.min()) <= int(lengths.max()) <= MOST_BITS, "lengths of codes")
        need(int((1 << (MOST_BITS - lengths.astype(np.int64))).sum()) == 1 << MOST_BITS, "complete prefix codes")


class PrefixCode:
    """A canonical prefix code: shorter codes first, equal lengths in order of their symbols."""

    def __init__(self, lengths: npt.NDArray[np.uint8]) -> None:
        self.lengths = [int(length) for length in lengths]
        self.codes = [0] * len(self.lengths)
        self._symbols: dict[tuple[int, int], int] = {}
        code = before = 0
        for symbol in sorted(range(len(self.lengths)), key=lambda s: (self.lengths[s], s)):
            length = self.lengths[symbol]
            code <<= length - before
            self.codes[symbol], before = code, length
            self._symbols[length, code] = symbol
            code += 1

    def write(self, bits: BitWriter, symbol: int) -> None:
        """Write a symbol."""
        bits.write(self.codes[symbol], self.lengths[symbol])

    def read(self, bits: BitReader) -> int:
        """Read a symbol."""
        code = 0
        for length in range(1, MOST_BITS + 1):
            code = code << 1 | bits.read(1)
            symbol = self._symbols.get((length, code))
            if symbol is not None:
                return symbol
        raise AssertionError("a complete prefix code ends within its longest length")


class BitWriter:
    """Bits, the most significant one of a number first."""

    def __init__(self) -> None:
        self._text: list[str] = []

    def write(self, value: int, n: int) -> None:
        """Append the n low bits of a number."""
        if n:
            self._text.append(f"{value:0{n}b}")

    def bytes(self) -> bytes:
        """Return the bits, with zeros up to a whole byte."""
        text = "".join(self._text)
        text += "0" * (-len(text) % 8)
        return int(text, 2).to_bytes(len(text) // 8, "big") if text else b""


class BitReader:
    """Reads bits; raises CorruptError beyond the end."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def read(self, n: int) -> int:
        """Return the next n bits as a number."""
        value = 0
        for _ in range(n):
            if self._at >= 8 * len(self._data):
                raise CorruptError(
                    f"base layer: expected more than {len(self._data)} bytes of atoms; the file is damaged, "
                    "fetch it again"
                )
            value = value << 1 | self._data[self._at >> 3] >> (7 - (self._at & 7)) & 1
            self._at += 1
        return value

    def finish(self) -> int:
        """Return the number of bytes that were read; raises CorruptError if bits after the last one are not zero."""
        end = -(-self._at // 8)
        if self.read(8 * end - self._at):
            raise CorruptError("base layer: expected zeros after the last atom; the file is damaged, fetch it again")
        return end


def most_atoms(shape: tuple[int, int]) -> int:
    """Return the largest number of atoms of a tile [h, w]."""
    return 1 + shape[0] * shape[1] // SPACING


class AtomBook:
    """The codebook ready for use. It is immutable, and several threads may share it."""

    def __init__(self, arrays: AtomArrays, sinh: F64) -> None:
        self.arrays = arrays
        self.samples = arrays.samples()
        self.levels = arrays.levels.astype(np.int64)
        self._sinh = sinh[1:]
        self.indices, self.amplitudes = PrefixCode(arrays.atom_lengths), PrefixCode(arrays.level_lengths)

    def pack(self, atoms: Atoms, width: int) -> bytes:
        """Return the bytes of atoms [N, 4] (row, column, index, level), ordered as ``ordered`` does."""
        places = [int(y) * width + int(x) for y, x, _, _ in atoms]
        gaps = [place - before for place, before in zip(places, [0, *places], strict=False)]
        rice = min(range(1 << RICE_BITS), key=lambda r: sum((gap >> r) + 1 + r for gap in gaps))
        bits = BitWriter()
        bits.write(rice, RICE_BITS)
        for gap, (_, _, index, level) in zip(gaps, atoms.tolist(), strict=True):
            bits.write((1 << (gap >> rice)) - 1 << 1, (gap >> rice) + 1)
            bits.write(gap & (1 << rice) - 1, rice)
            self.indices.write(bits, index)
            self.amplitudes.write(bits, level)
        return pack_leb(len(atoms)) + bits.bytes()

    def unpack(self, data: bytes, shape: tuple[int, int]) -> tuple[Atoms, int]:
        """Return the atoms at the start of data, and the number of bytes that they take.

        Raises
        ------
        CorruptError
            There are none or too many, one is outside the tile, or bytes are missing.
        """
        count, start = unpack_leb(data, 0, "base layer: the list of atoms")
        most = most_atoms(shape)
        if not 1 <= count <= most:
            raise CorruptError(
                f"base layer: expected 1 to {most} atoms in a tile of {shape[0]} x {shape[1]}, found {count}; "
                "the file is damaged, fetch it again"
            )
        bits = BitReader(data[start:])
        rice, place, found = bits.read(RICE_BITS), 0, np.empty((count, 4), np.int32)
        for number in range(count):
            gap = 0
            while bits.read(1):
                gap += 1 << rice
                self._check_place(place + gap, shape)
            place += gap + bits.read(rice)
            self._check_place(place, shape)
            found[number] = (*divmod(place, shape[1]), self.indices.read(bits), self.amplitudes.read(bits))
        return found, start + bits.finish()

    @staticmethod
    def _check_place(place: int, shape: tuple[int, int]) -> None:
        if place >= shape[0] * shape[1]:
            raise CorruptError(
                f"base layer: expected atoms within a tile of {shape[0]} x {shape[1]}, found one at pixel {place}; "
                "the file is damaged, fetch it again"
            )

    def draw(self, atoms: Atoms | Sequence[Sequence[int]], shape: tuple[int, int]) -> Ints:
        """Return the sum of atoms in units of 1 / UNIT of the noise, int64 [h, w]."""
        canvas = np.zeros((shape[0] + 2 * RADIUS, shape[1] + 2 * RADIUS), np.int64)
        for y, x, index, level in atoms:
            canvas[y : y + SIDE, x : x + SIDE] += self.levels[level] * self.samples[index]
        return canvas[RADIUS:-RADIUS, RADIUS:-RADIUS]

    def companded(self, sums: Ints) -> Ints:
        """Return sums of atoms in units of 1/64 of a companded unit."""
        flat = np.ascontiguousarray(sums).reshape(-1)
        places = np.flatnonzero(flat)  # atoms are few
        some = flat[places]
        sizes = np.searchsorted(self._sinh, np.abs(some) / UNIT, side="right")
        units = np.zeros(sums.shape, np.int64)
        units.reshape(-1)[places] = np.where(some < 0, -sizes, sizes)
        return units

    def units(self, atoms: Atoms, shape: tuple[int, int]) -> Ints:
        """Return what atoms add to the pixels, in units of 1/64 of a companded unit, int64 [h, w]."""
        return self.companded(self.draw(atoms, shape)) if len(atoms) else np.zeros(shape, np.int64)


def ordered(atoms: Sequence[tuple[int, int, int, int]]) -> Atoms:
    """Return atoms (row, column, index, level) as int32 [N, 4] in the order of a stream."""
    return np.array(sorted(atoms), np.int32).reshape(-1, 4)

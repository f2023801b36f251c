"""The base layer of one tile by a trellis model: pixels to streams, and back (docs/format.md, 9.5 to 9.11).

::

    values [h, w] -> companded -> lapped transform -> path through the trellis -> planes of indices -> bucket -> ANS
    values [h, w] <- expanded  <- inverse transform <- codebook of the state <---- planes of the stages that were read

This is a vector quantiser whose code vectors are as long as a tile. The parity of each index chooses the codebook of
the next one (Marcellin and Fischer 1990, doi:10.1109/26.46532). Codebooks and prior are learned.
A tile may also be coded as by a lapped model, with the network and tables of one, where that is better.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from radcodec.arrays import F64
from radcodec.base.companding import OUTPUT_LIMIT, OUTPUT_UNIT
from radcodec.base.lapped import contexts, emphasis, planes, search, single, transform
from radcodec.base.lapped.codes import (
    HEADER,
    LappedCodes,
    ShelvedCodes,
    empty_codes,
    planes_below,
    read_header,
    unshelve,
)
from radcodec.base.lapped.model import CUT_OFFSET, Ints, LappedModel
from radcodec.base.lapped.spec import LappedArrays, LappedSpec
from radcodec.base.trellis.atom_search import AtomSearch
from radcodec.base.trellis.atoms import AtomBook, Atoms
from radcodec.base.trellis.cells import CUT_SHIFT, nearest_cells
from radcodec.base.trellis.codes import ATOM_BIT, NO_ATOMS, TRELLIS_BIT, TrellisCodes
from radcodec.base.trellis.planes import (
    CODE,
    COST,
    DECODE,
    Search,
    TrellisWalk,
    WideNetwork,
    cumulative_of,
    price_tables,
)
from radcodec.base.trellis.spec import WideArrays

#: Step of a codebook over that of a scalar quantiser of about the same error: two codebooks are half a step apart.
RATIO = 1.45
START = 0.5  # what is added to targets, in steps, before they are rounded down for the first contexts
RATE_SHARE = 0.8  # of the weight that a bit has for a scalar quantiser: paths find what is worth it
SOURCE_SHARE = 0.02  # of the bits of a tile, which showing its sources may cost


class TrellisModel(LappedModel):
    """A trained trellis model. It is immutable, and several threads may share it.

    Attributes
    ----------
    name : str
    sha256 : str
        Of the weights file, lower-case hexadecimal: the model's identity.
    n_stages : int
    scalar : LappedModel
        What codes tiles without a trellis.
    """

    def __init__(self, spec: LappedSpec, arrays: LappedArrays, wide: WideArrays, sha256: str) -> None:
        super().__init__(spec, arrays, sha256)
        self.wide = wide
        self.scalar = LappedModel(spec, arrays, sha256)
        self._wide_network = WideNetwork(arrays, wide)
        self.cumulative = cumulative_of(wide)
        self._wide_prices = price_tables(wide)
        self.book = None if wide.atoms is None else AtomBook(wide.atoms, arrays.sinh)
        self._atom_search = None if self.book is None else AtomSearch(self.book)

    def _encode(
        self, companded: F64, step: float | None, like: LappedCodes | ShelvedCodes | None, *, keep_flux: bool
    ) -> LappedCodes:
        """Encode companded samples [h, w], with a trellis unless that costs more; ``like`` decides on that, too."""
        if isinstance(like, ShelvedCodes):
            like = like.choices
        if like is not None and not isinstance(like, TrellisCodes):
            return self.scalar._encode(companded, step, like, keep_flux=keep_flux)
        without: LappedCodes | None = None
        for keep_sources in (True, False) if keep_flux else (False,):
            if step is None or self._atom_search is None:
                break
            code = None if like is None else like.code
            found = self._atom_search.find(companded, step, code, keep_sources=keep_sources)
            if not len(found.atoms):
                break
            codes: LappedCodes = self._with_atoms(companded, found.atoms, step, like, keep_flux=keep_flux)
            if found.is_sure:
                return codes
            if without is None:
                without = super()._encode(companded, step, like, keep_flux=keep_flux)
            (cost, _), (least, bits) = (self._cost(one, companded, step) for one in (codes, without))
            if cost <= least + search.CHOICE_RATE * min(found.free_bits, SOURCE_SHARE * bits):
                return codes
            if not found.free_bits:
                break
        return super()._encode(companded, step, like, keep_flux=keep_flux) if without is None else without

    def _cost(self, codes: LappedCodes, companded: F64, step: float) -> tuple[float, float]:
        """Return the cost of codes in squared steps of a scalar quantiser, by about their pixels, and their bits."""
        owner = self if isinstance(codes, TrellisCodes) else self.scalar
        bits = 8.0 * sum(map(len, owner.stage_streams(codes)))
        errors = self.drawn(codes) + owner._about(codes) - companded
        return search.cost(errors, empty_codes(codes.shape, step).step, bits), bits

    def _with_atoms(
        self, companded: F64, atoms: Atoms, step: float, like: LappedCodes | None, *, keep_flux: bool
    ) -> TrellisCodes:
        """Code what atoms leave of a tile, with a trellis; look after the flux of bright sources."""
        shape = (companded.shape[0], companded.shape[1])
        drawn = self._atom_units(atoms, shape) / OUTPUT_UNIT
        rest, pixels = companded - drawn, None
        if like is None:
            like = self._like_middle(rest, step)
        if like is None:
            codes, about = super()._first_codes(rest, step, None)
            pixels = drawn + (self._about(codes) if about is None else about)
        else:
            codes = self._head(shape, step, like.code)
        bright = emphasis.bright_parts(companded) if keep_flux else None
        if bright is not None:
            codes = self._correct(codes, pixels, companded, bright, drawn)
        elif not codes.coefficients.size:
            codes = self._choose(codes, rest)[0]
        assert isinstance(codes, TrellisCodes)
        return replace(codes, atoms=atoms)

    def _first_codes(
        self, companded: F64, step: float | None, like: LappedCodes | ShelvedCodes | None
    ) -> tuple[LappedCodes, single.Floats | None]:
        """Choose codes as a lapped model, with a trellis unless that costs more; return them and about their pixels."""
        if like is not None and not isinstance(like, TrellisCodes):
            return self.scalar._first_codes(companded, step, like)
        codes, pixels = super()._first_codes(companded, step, like)
        if like is not None:
            return codes, pixels
        plain = replace(empty_codes(codes.shape, 1.0), code=codes.code)
        other, _ = self.scalar._first_codes(companded, step, plain)
        found = [
            (codes, self._about(codes) if pixels is None else pixels, self.stage_streams(codes)),
            (other, self.scalar._about(other), self.scalar.stage_streams(other)),
        ]
        costs = [
            search.cost(values - companded, other.step, 8.0 * sum(map(len, streams))) for _, values, streams in found
        ]
        best = found[0] if costs[0] <= costs[1] else found[1]
        return best[0], best[1]

    def _head(self, shape: tuple[int, int], step: float, code: int) -> LappedCodes:
        wide = empty_codes(shape, RATIO * empty_codes(shape, step).step)
        none = wide.coefficients
        return TrellisCodes(
            shape=shape, code=code, last=wide.last, gain=wide.gain, offsets=(0, 0), coefficients=none, values=none
        )

    def _final(self, like: LappedCodes, companded: F64) -> LappedCodes:
        return (self if isinstance(like, TrellisCodes) else self.scalar)._choose(like, companded)[0]

    def _choose(self, like: LappedCodes, companded: F64) -> tuple[LappedCodes, float]:
        """Quantise companded pixels with the block code and step of ``like``; return the codes and their bits."""
        g = transform.geometry_of(like.shape, like.code)
        scalar_step = like.step / RATIO if isinstance(like, TrellisCodes) else like.step
        return self._quantise(like, single.analyse(companded, g, scalar_step) * (1.0 / like.step))

    def _draft(self, like: LappedCodes, companded: F64) -> single.Floats:
        """Return about the companded samples that codes of companded pixels stand for, without making streams."""
        if not isinstance(like, TrellisCodes):
            return self.scalar._draft(like, companded)
        g = transform.geometry_of(like.shape, like.code)
        steps = single.analyse(companded, g, like.step / RATIO) * (1.0 / like.step)
        target, values = np.ascontiguousarray(np.abs(steps), np.float32), np.zeros(steps.shape, np.int32)
        sizes, _ = self._path(like, g, target, _weight(like), values)
        np.negative(sizes, out=sizes, where=steps < 0)
        drafted = replace(like, coefficients=sizes, values=values)
        return self._about(replace(drafted, offsets=_offsets(target, sizes, values)))

    def _quantise(self, like: LappedCodes, steps: single.Floats) -> tuple[LappedCodes, float]:
        """Find the path of least error and bits with the block code and step of ``like``; return codes and bits.

        ``steps`` are coefficients in steps [A, B, n, m], or those of the lowest frequencies alone: others are 0.
        """
        if isinstance(like, TrellisCodes):
            head: LappedCodes = like
        else:
            head = replace(empty_codes(like.shape, RATIO * like.step), code=like.code)
        g = transform.geometry_of(head.shape, head.code)
        whole = (g.rows, g.columns, g.height, g.width)
        scaled = np.asarray(steps * (like.step / head.step), np.float32)
        if scaled.shape != whole:
            scaled = np.pad(scaled, [(0, most - n) for most, n in zip(whole, scaled.shape, strict=True)])
        codes = self.assign(head, scaled, _weight(head))
        return codes, 8.0 * sum(map(len, codes.bodies))

    def assign(self, head: LappedCodes, steps: npt.NDArray[np.floating], weight: float) -> TrellisCodes:
        """Return the codes of the path of least error and bits.

        Parameters
        ----------
        head
            Shape, block code and step.
        steps
            Coefficients in these steps [A, B, n, m].
        weight
            Squared steps a bit.
        """
        g = transform.geometry_of(head.shape, head.code)
        target = np.ascontiguousarray(np.abs(steps), np.float32)
        sizes, cells = self._path(head, g, target, weight)
        np.negative(sizes, out=sizes, where=steps < 0)
        codes = self._coded(head, g, sizes, cells)
        return replace(codes, offsets=_offsets(target, sizes, codes.values))

    def _path(
        self,
        head: LappedCodes,
        g: transform.Geometry,
        target: npt.NDArray[np.float32],
        weight: float,
        values: npt.NDArray[np.int32] | None = None,
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
        """Return the magnitudes of the best path, int32 [A, B, n, m], for targets in steps, and its cells [16, 16].

        ``values`` is filled with about what they stand for, in 64ths of a step.
        """
        sizes = (target + np.float32(START)).astype(np.int32)
        count = int(sizes.max(initial=0)).bit_length()
        asked = Search(self._wide_prices, target, weight)
        walk = TrellisWalk(self._wide_network, planes.Coder(self.cumulative), g)
        sign = np.zeros(sizes.shape, np.int8)
        for after in range(count - 1, -1, -1):
            now = sizes >> after if after else sizes
            magnitudes = (sizes >> (after + 1), now, sign)
            walk.walk(COST, (head.last - after, after), magnitudes, search=asked, values=None if after else values)
        return sizes, walk.active

    def _coded(
        self,
        head: LappedCodes,
        g: transform.Geometry,
        signed: npt.NDArray[np.int32],
        cells: npt.NDArray[np.bool_] | None = None,
    ) -> TrellisCodes:
        """Return codes of signed indices: what they stand for, and their streams.

        ``cells`` [16, 16] are active in the last plane even where their indices are 0: the path went through them.
        """
        sizes, sign = np.abs(signed), np.sign(signed).astype(np.int8)
        count = int(sizes.max(initial=0)).bit_length()
        coder = planes.Coder(self.cumulative, room=(sizes.size // 2 + contexts.CELLS**2) * max(1, count))
        walk = TrellisWalk(self._wide_network, coder, g)
        if cells is not None:
            walk.keep(cells)
        values = np.zeros(sizes.shape, np.int32)
        bodies = []
        for below in planes_below(count, self.n_stages):
            coder.start()
            for after in below:
                magnitudes = (sizes >> (after + 1), sizes >> after, sign)
                walk.walk(CODE, (head.last - after, after), magnitudes, values=None if after else values)
            bodies.append(coder.finish())
        return TrellisCodes(
            shape=head.shape,
            code=head.code,
            last=head.last,
            gain=head.gain,
            offsets=head.offsets,
            coefficients=signed,
            values=values,
            bodies=tuple(bodies),
            cells=cells,
        )

    def stage_streams(self, codes: LappedCodes | ShelvedCodes, n_stages: int | None = None) -> list[bytes]:
        """Return a stream for each of the first ``n_stages`` stages (default: all); b"" for a stage without planes."""
        codes = unshelve(codes)
        if not isinstance(codes, TrellisCodes):
            return self.scalar.stage_streams(codes, n_stages)
        code = codes.code | TRELLIS_BIT | (ATOM_BIT if len(codes.atoms) else 0)
        head = HEADER.pack(code, codes.last, codes.gain, codes.n_planes, *codes.offsets)
        if self.book is not None and len(codes.atoms):
            head += self.book.pack(codes.atoms, codes.shape[1])
        return [head + codes.bodies[0], *codes.bodies[1:]][:n_stages]

    def read_codes(self, streams: Sequence[bytes], shape: tuple[int, int]) -> tuple[LappedCodes, int]:
        """Read indices from the first streams, in steps of the last plane read, and count the missing planes.

        Raises
        ------
        CorruptError
            A stream is malformed.
        InputError
            There are more streams than stages, or ``shape`` has a side below 1.
        """
        if not streams or not streams[0] or not streams[0][0] & TRELLIS_BIT or len(streams) > self.n_stages:
            return self.scalar.read_codes(streams, shape)
        has_atoms = self.book is not None and bool(streams[0][0] & ATOM_BIT)
        first = bytes([streams[0][0] & ~(TRELLIS_BIT | (ATOM_BIT if has_atoms else 0))]) + streams[0][1:]
        code, last, gain, count, *offsets = read_header(first)
        atoms, start = NO_ATOMS, HEADER.size
        if has_atoms and self.book is not None:
            atoms, n_bytes = self.book.unpack(streams[0][start:], shape)
            start += n_bytes
        g = transform.geometry_of(shape, code)
        walk = TrellisWalk(self._wide_network, planes.Coder(self.cumulative), g)
        sizes = np.zeros((g.rows, g.columns, g.height, g.width), np.int32)
        sign, values = np.zeros(sizes.shape, np.int8), np.zeros(sizes.shape, np.int32)
        left_out = count
        for stage, below in enumerate(planes_below(count, self.n_stages)[: len(streams)]):
            body = streams[stage][start:] if stage == 0 else streams[stage]
            walk.open(body, stage, len(below))
            for after in below:
                before, sizes = sizes, np.zeros_like(sizes)
                walk.walk(DECODE, (last - after, after), (before, sizes, sign), values=None if after else values)
            left_out -= len(below)
            walk.close(body, stage)
        found = TrellisCodes(
            shape=shape,
            code=code,
            last=last,
            gain=gain,
            offsets=(offsets[0], offsets[1]),
            coefficients=sizes * sign,
            values=values,
            atoms=atoms,
        )
        return found, left_out

    def companded(self, codes: LappedCodes, left_out: int = 0) -> Ints:
        """Return pixels in units of 1/64 companded unit, int64 [h, w], within +-3071."""
        units = super().companded(codes, left_out)
        if not isinstance(codes, TrellisCodes) or not len(codes.atoms):
            return units
        units += self._atom_units(codes.atoms, codes.shape)
        return np.clip(units, -OUTPUT_LIMIT, OUTPUT_LIMIT, out=units)

    def drawn(self, codes: LappedCodes) -> F64:
        """Return what the atoms of codes add to the companded samples [h, w]."""
        atoms = codes.atoms if isinstance(codes, TrellisCodes) else NO_ATOMS
        return np.asarray(self._atom_units(atoms, codes.shape) / OUTPUT_UNIT, np.float64)

    def _atom_units(self, atoms: Atoms, shape: tuple[int, int]) -> Ints:
        """Return what atoms add to the pixels, in units of 1/64 of a companded unit."""
        return np.zeros(shape, np.int64) if self.book is None else self.book.units(atoms, shape)

    def digest(self, codes: LappedCodes) -> bytes:
        """Return the BLAKE2b digest of block code, step, offsets, indices and what they stand for."""
        plain = super().digest(codes)
        if not isinstance(codes, TrellisCodes):
            return plain
        values = codes.values.reshape(-1)[np.flatnonzero(codes.values)]
        return hashlib.blake2b(plain + values.tobytes() + codes.atoms.tobytes()).digest()

    def cells(self, codes: LappedCodes, left_out: int = 0) -> tuple[F64, F64]:
        """Return the ends of the cell of every coefficient, in companded units (``lapped.cells``).

        Which codebook a coefficient has that became 0 is not kept. Its cell is that of the codebook with the wider one.
        """
        if not isinstance(codes, TrellisCodes):
            return self.scalar.cells(codes, left_out)
        return nearest_cells(codes, left_out, self._magnitudes(codes, 0))

    def _magnitudes(self, codes: LappedCodes, left_out: int) -> Ints:
        """Return what magnitudes that are not 0 stand for, in 64ths of a step of the last plane read."""
        if not isinstance(codes, TrellisCodes):
            return super()._magnitudes(codes, left_out)
        sizes = np.abs(codes.coefficients).astype(np.int64)
        if left_out:
            wide = 64 * sizes + (CUT_OFFSET - (CUT_SHIFT >> left_out))
        else:
            wide = codes.values.astype(np.int64) + np.where(sizes == 1, codes.offsets[0], codes.offsets[1])
        return np.asarray(np.maximum(wide, 0))


def _weight(head: LappedCodes) -> float:
    """Return the squared steps that a bit is worth."""
    return RATE_SHARE * search.rate_weight(head.step / RATIO) / RATIO**2


def _offsets(
    target: npt.NDArray[np.float32], signed: npt.NDArray[np.int32], values: npt.NDArray[np.int32]
) -> tuple[int, int]:
    """Return the offsets that bring what indices stand for to the mean of their targets."""
    places = np.flatnonzero(signed)
    kept = np.abs(signed.reshape(-1)[places])
    return search.mean_offsets(target.reshape(-1)[places] - values.reshape(-1)[places] / 64.0, kept)

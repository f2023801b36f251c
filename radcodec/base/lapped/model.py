"""The base layer of one tile by a lapped model: pixels to streams, and back (docs/format.md, 9.5 to 9.10).

::

    values [h, w] -> companded -> lapped transform -> magnitudes and signs of pairs -> planes -> bucket -> ANS
    values [h, w] <- expanded  <- inverse transform <- coefficients <------------- planes of the stages that were read

This is a residual vector quantiser of dimension two. Each plane halves the cells of every pair, and the choice of its
codes counts their bits. The transform and the cells are fixed; the prior of the codes is learned.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from radcodec.arrays import F64
from radcodec.base.companding import OUTPUT_LIMIT, OUTPUT_UNIT, compand
from radcodec.base.lapped import contexts, dequantise, emphasis, planes, quick, search, single, transform
from radcodec.base.lapped.cells import nearest_cells
from radcodec.base.lapped.codes import (
    HEADER,
    LappedCodes,
    ShelvedCodes,
    blank_codes,
    empty_codes,
    planes_below,
    planes_of_stages,
    read_header,
    shelve,
    unshelve,
)
from radcodec.base.lapped.spec import LappedArrays, LappedSpec
from radcodec.base.lapped.tables import cumulative_counts, price_tables
from radcodec.base.lapped.walk import Walk
from radcodec.errors import InputError
from radcodec.types import Stream

CUT_OFFSET = 28  # offset of coefficients with unread planes, in 64ths
DEFAULT_STEP = 0.35
CUT = 2.0  # factor of the default step for comparing transforms when stages may be dropped

Ints = npt.NDArray[np.int64]


class LappedModel:
    """A trained lapped model. It is immutable, and several threads may share it.

    Attributes
    ----------
    name : str
    sha256 : str
        Of the weights file, lower-case hexadecimal: the model's identity.
    n_stages : int
    """

    def __init__(self, spec: LappedSpec, arrays: LappedArrays, sha256: str) -> None:
        self.spec, self.arrays, self.sha256 = spec, arrays, sha256
        self.name, self.n_stages = spec.name, spec.stages
        layers = [arrays.layers[f"layer{k}"] for k in range(3)]
        parts = [arrays.log_table, *(part for layer in layers for part in (layer.weight, layer.bias))]
        numbers = tuple(np.ascontiguousarray(part, np.int32) for part in parts)
        self._network = planes.Network(numbers, (layers[0].shift, layers[1].shift, layers[2].shift))
        self._cumulative = cumulative_counts(arrays)
        self._price_tables = price_tables(arrays)
        self._expansion = np.concatenate([-arrays.sinh[:0:-1], arrays.sinh])

    takes_step = True

    def encode_tile(
        self,
        values: F64,
        offset: float,
        scale: float,
        *,
        step: float | None = None,
        like: LappedCodes | ShelvedCodes | None = None,
        keep_flux: bool = False,
    ) -> LappedCodes:
        """Encode a tile as coefficients.

        Parameters
        ----------
        values : float64 [h, w]
            Pixels, h and w at least 1. Non-finite ones are read as ``offset``; mask them beforehand if they matter.
        offset, scale : float
            Median and robust noise, in the pixels' unit; ``scale`` is finite and above 0.
        step
            Quantisation step in companded units (one is about the noise), 0.02 to 128. None is the default step, with a
            transform that also suits the first stages.
        like
            Codes of the same tile at another step, or of a tile nearby; their block length is reused.
        keep_flux
            Correct bright sources beforehand for the flux that coarse steps lose (``emphasis``).

        Raises
        ------
        InputError
            ``values`` is not a non-empty 2-D array, or a number is out of range.
        """
        if values.ndim != 2 or values.size == 0:
            raise InputError(f"base layer: expected a non-empty 2-D tile, found shape {values.shape}")
        return self._encode(compand(values, offset, scale), step, like, keep_flux=keep_flux)

    def _encode(
        self, companded: F64, step: float | None, like: LappedCodes | ShelvedCodes | None, *, keep_flux: bool
    ) -> LappedCodes:
        """Encode companded samples [h, w]; see ``encode_tile``."""
        bright = emphasis.bright_parts(companded) if keep_flux else None
        if like is None and step is not None:
            like = self._like_middle(companded, step)
        if bright is None:
            return self._first_codes(companded, step, like)[0]
        if like is None:
            codes, pixels = self._first_codes(companded, step, None)
            pixels = self._about(codes) if pixels is None else pixels
        else:
            choices = like.choices if isinstance(like, ShelvedCodes) else like
            maker = LappedModel if type(choices) is LappedCodes else type(self)
            shape = (companded.shape[0], companded.shape[1])
            codes, pixels = maker._head(self, shape, step or DEFAULT_STEP, choices.code), None
        return self._correct(codes, pixels, companded, bright)

    def _like_middle(self, companded: F64, step: float) -> LappedCodes | None:
        """Choose as for the middle of a large tile; None for others, and where longer blocks may be best."""
        middle = search.middle_of(companded, step)
        chosen = None if middle is None else self._first_codes(middle, step, None)[0]
        return None if chosen is None or chosen.code == search.LONGEST_LOOK else chosen.without_content()

    def _first_codes(
        self, companded: F64, step: float | None, like: LappedCodes | ShelvedCodes | None
    ) -> tuple[LappedCodes, single.Floats | None]:
        """Choose codes by error and bits alone; return them, and about their pixels if transforms were compared."""
        real = empty_codes((companded.shape[0], companded.shape[1]), DEFAULT_STEP if step is None else step)
        codes, pixels = real, None
        if like is not None:
            codes = replace(real, code=like.code)
        elif step is None:
            codes = replace(real, code=self._least(companded, empty_codes(real.shape, CUT * DEFAULT_STEP))[0].code)
        else:
            codes, pixels = self._least(companded, real)
        if not codes.coefficients.size:
            codes = self._choose(codes, companded)[0]
        return codes, pixels

    def _correct(
        self,
        codes: LappedCodes,
        pixels: single.Floats | None,
        companded: F64,
        bright: emphasis.Mask,
        drawn: F64 | None = None,
    ) -> LappedCodes:
        """Code again for a target whose bright sources are raised; ``drawn`` [h, w] is what codes need not hold.

        ``pixels`` are about what the codes stand for, with what is drawn; where they are None a draft gives them.
        """
        head = codes.without_content()

        def draft(target: F64) -> single.Floats:
            return self._draft(head, target) if drawn is None else drawn + self._draft(head, target - drawn)

        target = emphasis.keep_flux(companded, draft(companded) if pixels is None else pixels, bright, draft)
        return self._final(head, target if drawn is None else target - drawn)

    def _draft(self, like: LappedCodes, companded: F64) -> single.Floats:
        """Return about the companded samples that codes of companded pixels stand for."""
        return self._about(self._choose(like, companded)[0])

    def _about(self, codes: LappedCodes) -> single.Floats:
        """Return about the companded samples [h, w] that codes stand for: as ``companded``, without its rounding."""
        if codes.code == transform.WAVELET:
            return LappedModel.companded(self, codes) / OUTPUT_UNIT
        return dequantise.about(codes, *self._nonzero(codes, 0))

    def _head(self, shape: tuple[int, int], step: float, code: int) -> LappedCodes:
        return replace(empty_codes(shape, step), code=code)

    def _final(self, like: LappedCodes, companded: F64) -> LappedCodes:
        return self._choose(like, companded)[0]

    def spectrum(
        self, values: npt.NDArray[np.float32], shape: tuple[int, int], *, step: float, code: int | None = None
    ) -> quick.Spectrum:
        """Transform a tile for ``quick_codes``; raises InputError for shapes that do not go together.

        Parameters
        ----------
        values : float32 [h, w], or [ceil(h / AVERAGED), ceil(w / AVERAGED)]
            Pixels or averages of squares of them, normalised: offset 0, noise of the pixels 1. They are overwritten.
        shape
            [h, w] of the tile.
        step
            Where averages choose the block code; as in ``encode_tile``.
        code
            Block code of the tile at another step, or of one nearby, which is kept.
        """
        return quick.find_spectrum(values, shape, empty_codes(shape, step).step, code)

    def quick_codes(self, spectrum: quick.Spectrum, step: float) -> LappedCodes:
        """Code a tile at a step from its spectrum, without a search and without a trellis."""
        return quick.quantise(spectrum, step)

    def _least(self, companded: F64, empty: LappedCodes) -> tuple[LappedCodes, single.Floats | None]:
        """Choose the best transform; return its codes, and about their pixels if several were compared."""
        tried = search.choose_blocks(companded, empty.step)
        if len(tried) == 1:
            return replace(empty, code=tried[0]), None
        found = []
        for code in tried:
            codes, bits = self._choose(replace(empty, code=code), companded)
            pixels = self._about(codes)
            found.append((search.cost(pixels - companded, empty.step, bits), codes, pixels))
        _, codes, pixels = min(found, key=lambda one: one[0])
        return codes, pixels

    def _choose(self, like: LappedCodes, companded: F64) -> tuple[LappedCodes, float]:
        """Quantise companded pixels with the block code and step of ``like``; return the codes and about their bits."""
        g = transform.geometry_of(like.shape, like.code)
        return self._quantise(like, single.analyse(companded, g, like.step) * (1.0 / like.step))

    def _quantise(self, like: LappedCodes, steps: single.Floats) -> tuple[LappedCodes, float]:
        """Quantise coefficients with the block code and step of ``like``; return the codes and about their bits.

        A magnitude is lowered by one if that reduces squared error plus weighted bits, with fixed contexts.

        Parameters
        ----------
        steps
            Coefficients in steps [A, B, n, m], or those of the lowest frequencies alone: the others are 0.
        """
        g = transform.geometry_of(like.shape, like.code)
        low = (..., slice(steps.shape[2]), slice(steps.shape[3]))
        weight = search.rate_weight(like.step)
        sizes = np.zeros((g.rows, g.columns, g.height, g.width), np.int32)
        sizes[low] = search.quantise(steps, weight)
        walk = Walk(self._network, planes.Coder(self._cumulative), g)
        lower = np.maximum(sizes - 1, 0)
        ours, theirs = np.zeros(sizes.shape, np.float32), np.zeros(sizes.shape, np.float32)
        zero, one, refine = self._price_tables
        prices = planes.Prices(zero=zero, one=one, refine=refine, lower=lower, ours=ours, theirs=theirs)
        count = int(sizes.max(initial=0)).bit_length()
        sign = np.zeros(sizes.shape, np.int8)
        for after in range(count - 1, -1, -1):
            walk.plane(planes.COST, prices, like.last - after, after, sizes >> (after + 1), sizes >> after, sign)
        size, quantised, lower, ours, theirs = np.abs(steps), sizes[low], lower[low], ours[low], theirs[low]
        less = (quantised > 0) & ((size - lower) ** 2 + weight * theirs < (size - quantised) ** 2 + weight * ours)
        chosen = np.where(less, lower, quantised).astype(np.int32)
        sizes[low] = np.where(steps < 0, -chosen, chosen)
        bits = float(np.where(less, theirs, ours).sum(dtype=np.float64))
        return replace(like, offsets=search.choose_offsets(steps, chosen), coefficients=sizes), bits

    def stage_streams(self, codes: LappedCodes | ShelvedCodes, n_stages: int | None = None) -> list[bytes]:
        """Return a stream for each of the first ``n_stages`` stages (default: all); b"" for a stage without planes."""
        codes = unshelve(codes)
        sizes = np.abs(codes.coefficients)
        sign = np.sign(codes.coefficients).astype(np.int8)
        g = transform.geometry_of(codes.shape, codes.code)
        count = codes.n_planes
        coder = planes.Coder(self._cumulative, room=(sizes.size // 2 + contexts.CELLS**2) * max(1, count))
        walk = Walk(self._network, coder, g)
        head = HEADER.pack(codes.code, codes.last, codes.gain, count, *codes.offsets)
        streams = []
        now = sizes >> count
        for stage, below in enumerate(planes_below(count, self.n_stages)[:n_stages]):
            coder.start()
            for after in below:
                before, now = now, sizes >> after if after else sizes
                walk.plane(planes.CODE, None, codes.last - after, after, before, now, sign)
            streams.append(head + coder.finish() if stage == 0 else coder.finish())
        return streams

    def read_codes(self, streams: Sequence[bytes], shape: tuple[int, int]) -> tuple[LappedCodes, int]:
        """Read coefficients from the first streams, in steps of the last plane read, and count the missing planes.

        Raises
        ------
        CorruptError
            A stream is malformed.
        InputError
            There are more streams than stages, or ``shape`` has a side below 1.
        """
        if len(streams) > self.n_stages or min(shape) < 1:
            raise InputError(f"base layer: expected at most {self.n_stages} streams of a tile, found {len(streams)}")
        code, last, gain, count, *offsets = read_header(streams[0] if streams else b"")
        g = transform.geometry_of(shape, code)
        walk = Walk(self._network, planes.Coder(self._cumulative), g)
        sizes = np.zeros((g.rows, g.columns, g.height, g.width), np.int32)
        sign = np.zeros(sizes.shape, np.int8)
        left_out = count
        for stage, below in enumerate(planes_below(count, self.n_stages)[: len(streams)]):
            body = streams[stage][HEADER.size :] if stage == 0 else streams[stage]
            walk.open(body, stage, len(below))
            for after in below:
                before, sizes = sizes, np.zeros_like(sizes)
                walk.plane(planes.DECODE, None, last - after, after, before, sizes, sign)
            left_out -= len(below)
            walk.close(body, stage)
        signed = sizes * sign
        found = LappedCodes(
            shape=shape, code=code, last=last, gain=gain, offsets=(offsets[0], offsets[1]), coefficients=signed
        )
        return found, left_out

    def used_stages(self, codes: LappedCodes | ShelvedCodes) -> int:
        """Return the number of the first stages that have planes, at least one."""
        codes = unshelve(codes)
        return max(1, sum(n > 0 for n in planes_of_stages(codes.n_planes, self.n_stages)))

    def shelve(self, codes: LappedCodes, keep: Callable[[bytes], Stream]) -> ShelvedCodes:
        """Pack codes, for ``stage_streams``, ``restore_codes`` and ``like``; ``keep`` finds a place for the bytes."""
        return shelve(codes, keep)

    def choices(self, codes: LappedCodes | ShelvedCodes) -> LappedCodes:
        """Return codes without content that have the block length and the quantiser of ``codes``."""
        return codes.choices if isinstance(codes, ShelvedCodes) else codes.without_content()

    def blank_tile(self, shape: tuple[int, int]) -> LappedCodes:
        """Return codes of a tile [h, w] that is 0 everywhere, in as few bytes as there can be."""
        return blank_codes(shape)

    def digest(self, codes: LappedCodes) -> bytes:
        """Return the BLAKE2b digest of block code, step, offsets and coefficients."""
        hashed = hashlib.blake2b(HEADER.pack(codes.code, codes.last, codes.gain, codes.n_planes, *codes.offsets))
        flat = np.ascontiguousarray(codes.coefficients, np.int32).reshape(-1)
        flat = flat if flat.size % 2 else flat.view(np.int64)  # most pairs are zero as well
        places = np.flatnonzero(flat)  # few of many: quicker than to hash them all
        hashed.update(places.tobytes() + flat[places].tobytes())
        return hashed.digest()

    def read_digest(self, streams: Sequence[bytes], shape: tuple[int, int]) -> bytes:
        """Return the ``digest`` of what all streams of a tile [h, w] hold; raises as ``read_codes`` does."""
        return self.digest(self.read_codes(streams, shape)[0])

    def companded(self, codes: LappedCodes, left_out: int = 0) -> Ints:
        """Return pixels in units of 1/64 companded unit, int64 [h, w], within +-3071."""
        units = self._samples(codes, left_out)[: codes.shape[0], : codes.shape[1]] + 8
        units >>= 4
        return np.clip(units, -OUTPUT_LIMIT, OUTPUT_LIMIT, out=units)

    def canvas(self, codes: LappedCodes, left_out: int = 0) -> F64:
        """Return what whole blocks decode to, also beyond the image, in companded units without rounding."""
        return np.asarray(self._samples(codes, left_out) / transform.UNIT, np.float64)

    def cells(self, codes: LappedCodes, left_out: int = 0) -> tuple[F64, F64]:
        """Return the ends of the cell of every coefficient, in companded units (``cells``)."""
        return nearest_cells(codes, left_out)

    def _samples(self, codes: LappedCodes, left_out: int) -> Ints:
        """Return the samples of all blocks in units of 2^-10."""
        return dequantise.exactly(codes, *self._nonzero(codes, left_out), left_out)

    def _nonzero(self, codes: LappedCodes, left_out: int) -> tuple[npt.NDArray[np.intp], Ints]:
        """Return the places of coefficients that are not 0, and what they stand for, in 64ths of a step."""
        places = np.flatnonzero(codes.coefficients)
        some = [array.reshape(-1)[places] if array.size else array for array in codes.like_coefficients()]
        wide = self._magnitudes(codes.with_coefficients(some), left_out)
        return places, np.where(some[0] < 0, -wide, wide)

    def _magnitudes(self, codes: LappedCodes, left_out: int) -> Ints:
        """Return what magnitudes that are not 0 stand for, in 64ths of a step of the last plane read."""
        sizes = np.abs(codes.coefficients).astype(np.int64)
        if left_out:
            return np.asarray(64 * sizes + CUT_OFFSET)
        return np.asarray(64 * sizes + np.where(sizes == 1, codes.offsets[0], codes.offsets[1]))

    def decode_tile(
        self,
        streams: Sequence[bytes],
        shape: tuple[int, int],
        offset: float,
        scale: float,
        n_stages: int | None = None,
    ) -> F64:
        """Decode a tile's first streams to pixels, float64 [h, w]; raises as ``read_codes`` does."""
        codes, left_out = self.read_codes(streams[:n_stages], shape)
        return self._expanded(self.companded(codes, left_out), offset, scale)

    def restore_codes(
        self, codes: LappedCodes | ShelvedCodes, offset: float, scale: float, n_stages: int | None = None
    ) -> F64:
        """Return the pixels that ``decode_tile`` gives for the streams of the first stages, float64 [h, w]."""
        codes = unshelve(codes)
        left_out = codes.n_planes - sum(planes_of_stages(codes.n_planes, self.n_stages)[:n_stages])
        signed = codes.coefficients
        if left_out:
            signed = np.sign(signed) * (np.abs(signed) >> left_out)
        return self._expanded(self.companded(replace(codes, coefficients=signed), left_out), offset, scale)

    def _expanded(self, units: Ints, offset: float, scale: float) -> F64:
        """Expand pixels from units of 1/64 companded unit."""
        return np.asarray((offset + scale * self._expansion).take(units + OUTPUT_LIMIT, mode="clip"), np.float64)

    def preview_tile(self, streams: Sequence[bytes], shape: tuple[int, int], offset: float, scale: float) -> F64:
        """Return the same pixels as ``decode_tile``, for display."""
        return self.decode_tile(streams, shape, offset, scale)

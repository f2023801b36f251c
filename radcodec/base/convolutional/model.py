"""The base layer of one tile: pixels to indices to streams, and back.

::

    values [h, w] -> y = 3 asinh((v - offset) / (3 scale)) -> encoder -> indices (a stage each) -> prior -> streams
    values [h, w] <- offset + scale * 3 sinh(y / 3)  <- integer decoder <- sum of code vectors <-----------'

Differences from van den Oord et al. (2017, arXiv:1711.00937) and VAR (Tian et al. 2024, arXiv:2404.02905): residual
stages on finer and finer grids; the choice of codes counts their rate; integers after the encoder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from radcodec.base.answer import check_answer, draw_states
from radcodec.base.companding import OUTPUT_LIMIT, compand
from radcodec.base.convolutional import network, prior
from radcodec.base.convolutional.integer import decode_latent, smooth
from radcodec.base.convolutional.spec import (
    CELL,
    ModelArrays,
    ModelSpec,
    grid_shape,
)
from radcodec.errors import InputError

#: Tile of the known-answer check: odd sides, more than one coarse cell.
ANSWER_SHAPE = (45, 71)


@dataclass(frozen=True, slots=True, kw_only=True)
class TileCodes:
    """Indices of one tile: `indices` holds one uint16 [ceil(h / stride), ceil(w / stride)] a stage, coarse first."""

    shape: tuple[int, int]
    indices: tuple[npt.NDArray[np.uint16], ...]


class BaseModel:
    """A trained base layer. It is immutable, and several Python threads may share it.

    Every call runs torch with one thread. To work on several tiles at once, call it from several threads.

    Attributes
    ----------
    name : str
    sha256 : str
        Of the weights file, lower-case hexadecimal: the model's identity.
    n_stages : int
    strides : tuple of int
        Side of an index cell in pixels, for each stage, coarse first.
    """

    def __init__(self, spec: ModelSpec, arrays: ModelArrays, sha256: str) -> None:
        self.spec = spec
        self.arrays = arrays
        self.name = spec.name
        self.sha256 = sha256
        self.n_stages = spec.n_stages
        self.strides = spec.strides
        self._arithmetic = network.TorchArithmetic(arrays.layers)
        self._encoder = {name: torch.from_numpy(values.copy()) for name, values in arrays.encoder.items()}
        self._codebooks = tuple(torch.from_numpy(codes.astype(np.float32)) for codes in arrays.codebooks)
        self._penalties = tuple(torch.from_numpy(penalty.copy()) for penalty in arrays.penalties)

    takes_step = False

    def encode_tile(
        self,
        values: npt.NDArray[np.float64],
        offset: float,
        scale: float,
        *,
        step: float | None = None,
        like: TileCodes | None = None,
        keep_flux: bool = False,
    ) -> TileCodes:
        """Return the indices of a tile.

        Parameters
        ----------
        values : float64 [h, w]
            Pixels, h and w at least 1. Non-finite ones are read as `offset`; mask them beforehand if they matter.
        offset, scale : float
            Median and robust noise of the tile, in the pixels' unit. `scale` is finite and above 0.
        step, like : None
            These models have no step (`takes_step`): their rates are those of their stages.
        keep_flux
            Without effect: the treatment of bright sources is trained.

        Raises
        ------
        InputError
            `values` is not a non-empty 2-D array, `scale` or `offset` is out of range, or there is a step.
        """
        if step is not None:
            raise InputError(f"base layer: model {self.name!r} has no step, found {step}")
        if values.ndim != 2 or values.size == 0:
            raise InputError(f"base layer: expected a non-empty 2-D tile, found shape {values.shape}")
        companded = compand(values, offset, scale)
        align = self.spec.alignment
        margins = tuple((0, -length % align) for length in values.shape)
        padded = np.pad(companded.astype(np.float32), margins, mode="edge")
        with torch.inference_mode(), network.one_thread():
            latent = network.encode_latent(self.spec, self._encoder, torch.from_numpy(padded)[None, None])
            chosen = network.quantise_latent(self.spec, self._codebooks, self._penalties, latent)
        shape = (values.shape[0], values.shape[1])
        grids = [grid_shape(shape, stride) for stride in self.strides]
        indices = tuple(
            np.ascontiguousarray(cells[0, :rows, :columns]).astype(np.uint16)
            for cells, (rows, columns) in zip(chosen, grids, strict=True)
        )
        return TileCodes(shape=shape, indices=indices)

    def stage_streams(self, codes: TileCodes, n_stages: int | None = None) -> list[bytes]:
        """Return one entropy-coded stream a stage, coarse first, of the first `n_stages` (default: all)."""
        indices = [stage.astype(np.int64) for stage in codes.indices[:n_stages]]
        with network.one_thread():
            return [
                prior.encode_stage(self.spec, self.arrays, self._arithmetic, indices[: stage + 1], codes.shape)
                for stage in range(len(indices))
            ]

    def read_codes(self, streams: Sequence[bytes], shape: tuple[int, int], n_stages: int | None = None) -> TileCodes:
        """Return the indices held by the first streams; the inverse of `stage_streams`.

        Raises
        ------
        CorruptError
            A stream is malformed.
        InputError
            There are more streams than stages, or `shape` has a side below 1.
        """
        wanted = len(streams) if n_stages is None else min(n_stages, len(streams))
        if wanted > self.n_stages or min(shape) < 1:
            raise InputError(
                f"base layer: expected at most {self.n_stages} streams and sides of at least 1, found "
                f"{wanted} streams for a tile of {shape}"
            )
        indices: list[npt.NDArray[np.int64]] = []
        with network.one_thread():
            for stream in streams[:wanted]:
                decoded = prior.decode_stage(self.spec, self.arrays, self._arithmetic, indices, shape, bytes(stream))
                indices.append(decoded)
        return TileCodes(shape=shape, indices=tuple(stage.astype(np.uint16) for stage in indices))

    def reconstruct(self, codes: TileCodes, offset: float, scale: float) -> npt.NDArray[np.float64]:
        """Return the pixels that the indices of the first len(codes.indices) stages encode, float64 [h, w].

        The bits are equal on every machine: integers up to the last step, then one table look-up, product and sum.
        """
        return expand(self.companded(codes), self.arrays.sinh, offset, scale)

    def restore_codes(
        self, codes: TileCodes, offset: float, scale: float, n_stages: int | None = None
    ) -> npt.NDArray[np.float64]:
        """Return what `decode_tile` gives for the streams of the first stages of `codes`, float64 [h, w]."""
        return self.reconstruct(TileCodes(shape=codes.shape, indices=codes.indices[:n_stages]), offset, scale)

    def preview_tile(
        self, streams: Sequence[bytes], shape: tuple[int, int], offset: float, scale: float
    ) -> npt.NDArray[np.float64]:
        """Return a tile's pixels for display, float64 [h, w]: `decode_tile` without its blocks.

        If the streams end at a coarse stage, its cells are blended into ramps before decoding. The picture is smoother,
        at about 1 % more error, and differs from the restored pixels. Raises as `read_codes` does.
        """
        codes = self.read_codes(streams, shape)
        return expand(self.companded(codes, blend=True), self.arrays.sinh, offset, scale)

    def companded(self, codes: TileCodes, *, blend: bool = False) -> npt.NDArray[np.int64]:
        """Return the decoder's output in units of 1/64 companded unit, int64 [h, w], within +-OUTPUT_LIMIT.

        `blend` is for pictures; see `preview_tile`.
        """
        indices = [stage.astype(np.int64) for stage in codes.indices]
        latent = prior.latent_sum(self.spec, self.arrays, indices, codes.shape)
        if blend and indices and self.strides[len(indices) - 1] > CELL:
            latent = smooth(latent, self.strides[len(indices) - 1] // CELL)
        with network.one_thread():
            pixels = decode_latent(self.spec, self._arithmetic, latent)
        return pixels[: codes.shape[0], : codes.shape[1]]

    def decode_tile(
        self,
        streams: Sequence[bytes],
        shape: tuple[int, int],
        offset: float,
        scale: float,
        n_stages: int | None = None,
    ) -> npt.NDArray[np.float64]:
        """Return a tile's pixels from its first streams, float64 [h, w]; see `read_codes` and `reconstruct`."""
        return self.reconstruct(self.read_codes(streams, shape, n_stages), offset, scale)


def expand(
    companded: npt.NDArray[np.int64], sinh: npt.NDArray[np.float64], offset: float, scale: float
) -> npt.NDArray[np.float64]:
    """Return offset + scale * sign(n) * sinh[|n|], float64; the inverse of `compand` on the decoder's grid."""
    clamped = np.clip(companded, -OUTPUT_LIMIT, OUTPUT_LIMIT)
    magnitude = sinh[np.abs(clamped)]
    return np.asarray(offset + scale * np.where(clamped < 0, -magnitude, magnitude), dtype=np.float64)


def known_answer(model: BaseModel) -> str:
    """Return the SHA-256 of the networks' streams and pixels of every stage, for fixed indices."""
    digest = hashlib.sha256()
    states, indices = draw_states(), []
    for stride, entries in zip(model.strides, model.spec.entries, strict=True):
        rows, columns = grid_shape(ANSWER_SHAPE, stride)
        cells = np.empty(rows * columns, dtype=np.uint16)
        for position in range(cells.size):
            cells[position] = (next(states) >> 16) % entries
        indices.append(cells.reshape(rows, columns))
    codes = TileCodes(shape=ANSWER_SHAPE, indices=tuple(indices))
    for stream in model.stage_streams(codes):
        digest.update(len(stream).to_bytes(4, "little") + stream)
    digest.update(model.companded(codes).astype("<i4").tobytes())
    return digest.hexdigest()


def check_known_answer(model: BaseModel, expected: str) -> None:
    """Check the integer networks of this machine against the answer stored with the model.

    Raises
    ------
    ModelMismatchError
        They differ: this machine's arithmetic is not exact.
    """
    advice = "this build of torch does not compute exact integer sums: install another, and report it"
    check_answer(model.name, known_answer(model), expected, advice)

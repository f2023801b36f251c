"""The learned prior: integer networks that choose one of a model's probability tables for every index.

::

    sum of earlier stages -> context 3x3 ------------------------> clamp 0..511 -> hidden 1x1 -> output 1x1 -> scores
                                  |                                (cells of the first half of the checkerboard)
    first half's code vectors -> neighbours 3x3, added ----------> the same, for the cells of the second half

    table = argmax over tables of (scores + bias of the tile's class)

A stage takes two parallel passes (cells with row + column even, then odd), without a loop over cells. Its stream is one
byte with the tile's class, unless the stage has a single class, then ANS words of 32 bits. The first half comes first,
and trailing zero bytes of the last word are left out. The encoder chooses the class from the histogram of the indices.
It describes the kind of image (beam, noise, filling), which a small neighbourhood cannot show.
"""

from __future__ import annotations

from collections.abc import Sequence

import constriction
import numpy as np
import numpy.typing as npt

from radcodec.base.convolutional.integer import Arithmetic, Ints, T, upsample
from radcodec.base.convolutional.spec import CELL, HIDDEN_LIMIT, LATENT_LIMIT, ModelArrays, ModelSpec, grid_shape
from radcodec.errors import CorruptError

Indices = npt.NDArray[np.int64]
#: Symbols coded at a time: bounds the memory of their table rows (256 entries of 4 bytes each) to 64 MiB.
CHUNK_SYMBOLS = 1 << 16


def latent_sum(
    spec: ModelSpec, arrays: ModelArrays, indices: Sequence[Indices], shape: tuple[int, int], stride: int = CELL
) -> Ints:
    """Return the sum of the code vectors of the first stages, int64 [D, h, w] on the grid of `stride` pixels.

    `indices` are those of the first len(indices) stages, all at least as coarse as `stride`; `shape` is the tile's.
    """
    grid = grid_shape(shape, stride)
    total = np.zeros((spec.latent_channels, *grid), dtype=np.int16)
    for stage, chosen in enumerate(indices):
        vectors = arrays.codebooks[stage].T[:, chosen]  # [D, h, w]
        total += upsample(vectors, spec.strides[stage] // stride, grid)
    return total.astype(np.int64)


def checkerboard(grid: tuple[int, int]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the flat positions of the cells with row + column even, and of those with it odd."""
    parity = (np.arange(grid[0])[:, None] + np.arange(grid[1])[None, :]) % 2
    return np.flatnonzero(parity == 0), np.flatnonzero(parity == 1)


def encode_stage(
    spec: ModelSpec, arrays: ModelArrays, arithmetic: Arithmetic[T], indices: Sequence[Indices], shape: tuple[int, int]
) -> bytes:
    """Return the stream of the last stage in `indices`, given the earlier ones."""
    stage = len(indices) - 1
    symbols = indices[-1].ravel()
    halves = checkerboard(grid_shape(shape, spec.strides[stage]))
    coder = constriction.stream.stack.AnsCoder()
    group = choose_class(arrays.class_lengths[stage], symbols)
    bias = arrays.class_biases[stage][group]
    context = _context(spec, arrays, arithmetic, indices[:-1], shape)
    first = _choose(arithmetic, stage, arithmetic.pick(context, halves[0]), bias)
    if halves[1].size:
        neighbours = _neighbours(spec, arrays, arithmetic, stage, symbols, shape)
        both = arithmetic.add(context, neighbours, 0, HIDDEN_LIMIT)
        second = _choose(arithmetic, stage, arithmetic.pick(both, halves[1]), bias)
        _push(coder, symbols[halves[1]], arrays.tables[stage], second)
    _push(coder, symbols[halves[0]], arrays.tables[stage], first)
    words = np.asarray(coder.get_compressed()).astype("<u4").tobytes().rstrip(b"\0")
    # An empty stream reads as class 0 and no words, so that a blank tile takes no bytes.
    return bytes([group]) + words if spec.prior_classes[stage] > 1 and (group or words) else words


def decode_stage(
    spec: ModelSpec,
    arrays: ModelArrays,
    arithmetic: Arithmetic[T],
    earlier: Sequence[Indices],
    shape: tuple[int, int],
    stream: bytes,
) -> Indices:
    """Return the indices [h, w] of the stage after `earlier`; the inverse of `encode_stage`.

    Raises
    ------
    CorruptError
        The stream is too long, or has bytes left over.
    """
    stage = len(earlier)
    grid = grid_shape(shape, spec.strides[stage])
    halves = checkerboard(grid)
    group, words = _split(stream, spec.prior_classes[stage], stage)
    bias = arrays.class_biases[stage][group]
    coder = _open(words, grid[0] * grid[1], stage)
    symbols = np.zeros(grid[0] * grid[1], dtype=np.int64)
    context = _context(spec, arrays, arithmetic, earlier, shape)
    first = _choose(arithmetic, stage, arithmetic.pick(context, halves[0]), bias)
    symbols[halves[0]] = _pop(coder, arrays.tables[stage], first)
    if halves[1].size:
        neighbours = _neighbours(spec, arrays, arithmetic, stage, symbols, shape)
        both = arithmetic.add(context, neighbours, 0, HIDDEN_LIMIT)
        second = _choose(arithmetic, stage, arithmetic.pick(both, halves[1]), bias)
        symbols[halves[1]] = _pop(coder, arrays.tables[stage], second)
    if not coder.is_empty():
        raise CorruptError(
            f"base layer, stage {stage}: the stream does not end where its {symbols.size} indices do; "
            "the file is damaged, fetch it again"
        )
    return symbols.reshape(grid)


def choose_class(lengths: npt.NDArray[np.float32], symbols: Indices) -> int:
    """Return the class whose lengths, float32 [G, K] bits, make the symbols shortest."""
    histogram = np.bincount(symbols, minlength=lengths.shape[1]).astype(np.float64)
    return int(np.argmin((lengths.astype(np.float64) * histogram).sum(axis=1)))


def _split(stream: bytes, n_classes: int, stage: int) -> tuple[int, bytes]:
    """Return the class and the ANS bytes of a stream."""
    if n_classes == 1 or not stream:
        return 0, stream
    if stream[0] >= n_classes:
        raise CorruptError(
            f"base layer, stage {stage}: expected a class below {n_classes}, found {stream[0]}; "
            "the file is damaged, fetch it again"
        )
    return stream[0], stream[1:]


def _context(
    spec: ModelSpec, arrays: ModelArrays, arithmetic: Arithmetic[T], earlier: Sequence[Indices], shape: tuple[int, int]
) -> T:
    """Return the context features of the stage after `earlier`, [P, h, w] on its grid."""
    stage = len(earlier)
    total = latent_sum(spec, arrays, earlier, shape, spec.strides[stage])
    return arithmetic.convolve(arithmetic.put(np.clip(total, -LATENT_LIMIT, LATENT_LIMIT)), f"prior{stage}.context")


def _neighbours(
    spec: ModelSpec,
    arrays: ModelArrays,
    arithmetic: Arithmetic[T],
    stage: int,
    symbols: npt.NDArray[np.int64],
    shape: tuple[int, int],
) -> T:
    """Return what the first half of the checkerboard says about the second, [P, h, w]."""
    grid = grid_shape(shape, spec.strides[stage])
    vectors = arrays.codebooks[stage].astype(np.int64)[symbols]  # [h*w, D]
    vectors[checkerboard(grid)[1]] = 0
    return arithmetic.convolve(
        arithmetic.put(np.ascontiguousarray(vectors.T).reshape(-1, *grid)), f"prior{stage}.neighbours"
    )


def _choose(arithmetic: Arithmetic[T], stage: int, features: T, bias: npt.NDArray[np.int16]) -> npt.NDArray[np.int64]:
    """Return the table of every cell of `features` [P, n, 1]: the largest score plus bias, the lowest among equals."""
    hidden = arithmetic.convolve(arithmetic.clamp(features, 0, HIDDEN_LIMIT), f"prior{stage}.hidden")
    scores = arithmetic.get(arithmetic.convolve(hidden, f"prior{stage}.output"))[:, :, 0]  # [M, n]
    return np.asarray(np.argmax(np.ascontiguousarray(scores.T) + bias, axis=1), dtype=np.int64)


def _push(
    coder: constriction.stream.stack.AnsCoder,
    symbols: npt.NDArray[np.int64],
    tables: npt.NDArray[np.uint32],
    choice: npt.NDArray[np.int64],
) -> None:
    """Push symbols in reverse, each with its table."""
    family = constriction.stream.model.Categorical(perfect=False, lazy=True)
    # constriction adds 1 to every count, so that none is zero. With count - 1 the sum is exactly 2^24.
    weights = (tables - 1).astype(np.float32)
    for start in reversed(range(0, symbols.size, CHUNK_SYMBOLS)):
        part = slice(start, start + CHUNK_SYMBOLS)
        coder.encode_reverse(symbols[part].astype(np.int32), family, weights[choice[part]])


def _pop(
    coder: constriction.stream.stack.AnsCoder, tables: npt.NDArray[np.uint32], choice: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Pop one symbol for every chosen table; the inverse of `_push`."""
    family = constriction.stream.model.Categorical(perfect=False, lazy=True)
    weights = (tables - 1).astype(np.float32)
    parts = [
        np.asarray(coder.decode(family, weights[choice[start : start + CHUNK_SYMBOLS]]))
        for start in range(0, choice.size, CHUNK_SYMBOLS)
    ]
    return np.concatenate(parts).astype(np.int64)


def _open(stream: bytes, n_symbols: int, stage: int) -> constriction.stream.stack.AnsCoder:
    """Return an ANS coder over a stream, its left-out zero bytes restored."""
    # No symbol costs more than 24 bits (counts are at least 1 in 2^24), plus 64 bits of state.
    longest = 3 * n_symbols + 8
    if len(stream) > longest:
        raise CorruptError(
            f"base layer, stage {stage}: the stream has {len(stream)} bytes, expected at most {longest} for "
            f"{n_symbols} indices; the file is damaged, fetch it again"
        )
    if stream and stream[-1] == 0:
        raise CorruptError(f"base layer, stage {stage}: expected no zero byte at the end, found {len(stream)} bytes")
    words = np.frombuffer(stream + bytes(-len(stream) % 4), dtype="<u4").astype(np.uint32)
    try:
        return constriction.stream.stack.AnsCoder(words)
    except ValueError as err:
        raise CorruptError(f"base layer, stage {stage}: the ANS stream is malformed ({err})") from err

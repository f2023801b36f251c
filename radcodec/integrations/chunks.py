"""One chunk of an array as a ``.rcz`` stream, for the codecs of zarr and numcodecs."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec import api
from radcodec.decoding.rcz_file import RczFile
from radcodec.encoding.bound_spec import parse_bound
from radcodec.errors import BoundError, CorruptError, InputError
from radcodec.limits import MAX_TILE, MIN_TILE

Array = npt.NDArray[Any]


def check_options(max_error: Any, tile: Any) -> tuple[float | None, int]:
    """Check the options of a codec; the bound as a float.

    Raises
    ------
    BoundError
        If the bound is no number, is not finite and above 0, or is in sigma.
    InputError
        If the tile is out of its range.
    """
    if isinstance(tile, bool) or not isinstance(tile, numbers.Integral) or not MIN_TILE <= int(tile) <= MAX_TILE:
        raise InputError(f"expected a tile of {MIN_TILE} to {MAX_TILE} pixels, found {tile!r}")
    if max_error is None:
        return None, int(tile)
    if not isinstance(max_error, numbers.Real):
        raise BoundError(
            f"expected a number in the unit of the array for the largest error, found {max_error!r}: noise measured in "
            "each chunk would give each chunk another bound, so sigma and units are not taken here"
        )
    return parse_bound(max_error).value, int(tile)


def encode_chunk(chunk: Array, max_error: float | None, tile: int) -> bytes:
    """Encode a chunk by one thread: the libraries that call this have their own.

    Raises
    ------
    UnsupportedDataError
        If the type of the samples is another than integers of 8 to 64 bits, float32 and float64.
    """
    return api.encode(chunk, max_error=max_error, tile=tile, threads=1)


def decode_chunk(
    data: bytes,
    shape: Sequence[int],
    dtype: np.dtype[Any],
    *,
    selection: tuple[Any, ...] | None = None,
    hdu: int | None = None,
) -> Array:
    """Decode a chunk, or only the tiles that a selection of it needs.

    Shape and type are compared before anything is decoded. Axes of length 1 do not count: a stack of images has chunks
    of one image each.

    Parameters
    ----------
    selection
        What is wanted of the chunk, as NumPy indexes it; None for all.
    hdu
        Number of the HDU of the image in a file of kind FITS, None for the first one with pixels.

    Raises
    ------
    CorruptError
        If the stream holds another shape or type.
    FormatError, ModelError
        As `radcodec.decode`.
    """
    with RczFile(data, threads=1) as file:
        image = file.choose(hdu)
        _check_chunk(image.shape, image.dtype, tuple(shape), dtype)
        is_part = selection is not None and image.shape == tuple(shape) and all(map(_is_basic, selection))
        if is_part and not _is_all(selection or (), shape):
            return np.asarray(image[selection])
    chunk = api.decode(data, hdu=hdu, threads=1).reshape(tuple(shape))
    return chunk if selection is None else np.asarray(chunk[selection])


def _check_chunk(
    found_shape: tuple[int, ...], found_dtype: np.dtype[Any], shape: tuple[int, ...], dtype: np.dtype[Any]
) -> None:
    """Raise CorruptError if a stream does not hold the chunk that is expected."""
    if [n for n in found_shape if n != 1] != [n for n in shape if n != 1] or found_dtype != dtype.newbyteorder("="):
        raise CorruptError(
            f"expected a chunk of {dtype} and shape {shape}, found {found_dtype} and {found_shape}: the chunk is that "
            "of another array"
        )


def _is_basic(part: Any) -> bool:
    return isinstance(part, slice) or (isinstance(part, numbers.Integral) and not isinstance(part, bool))


def _is_all(selection: tuple[Any, ...], shape: Sequence[int]) -> bool:
    """Tell whether basic indices take all of a shape."""
    return all(
        isinstance(part, slice) and part.indices(length) == (0, length, 1)
        for part, length in zip(selection, shape, strict=False)
    )

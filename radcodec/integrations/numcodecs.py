"""numcodecs: the codec of chunks of zarr's format 2, and of whatever else keeps a registry of numcodecs."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec import api
from radcodec.decoding.rcz_file import RczFile
from radcodec.errors import BoundError, CorruptError, UnsupportedDataError
from radcodec.integrations.chunks import check_options, encode_chunk
from radcodec.runtime.extras import missing_extra

try:
    from numcodecs.abc import Codec
    from numcodecs.compat import ensure_bytes, ensure_ndarray, ndarray_copy
except ImportError as _err:
    raise missing_extra("numcodecs", "the codec for numcodecs", _err) from _err

# Types that are stored as the integers that they are made of.
_AS_INTEGERS = {"M": "i8", "m": "i8", "b": "u1"}


class Radcodec(Codec):  # type: ignore[misc]
    """The codec ``radcodec``: each buffer is a whole stream of kind array.

    Parameters
    ----------
    max_error
        The largest absolute error of a sample, in the unit of the array; exact for None. A bound in sigma is refused:
        the noise would be another one in each chunk.
    tile
        Side of the tiles, 8 to 2048 pixels.
    dtype
        The type that decoded chunks must have, such as ``"<f4"``; None takes any. Zarr does not tell a codec the type
        of the array, and takes 4 bytes of integers for a float.

    Raises
    ------
    BoundError, InputError
        If an option is unsound.
    """

    codec_id = "radcodec"

    def __init__(self, max_error: float | None = None, tile: int = 512, dtype: str | None = None) -> None:
        self.max_error, self.tile = check_options(max_error, tile)
        self.dtype = None if dtype is None else np.dtype(dtype).str

    def encode(self, buf: Any) -> bytes:
        """Encode a buffer, an array of integers of 8 to 64 bits, float32 or float64.

        Arrays in Fortran's order are stored in the order of their memory; times and truth values as integers.

        Raises
        ------
        TypeError
            If the buffer holds Python objects.
        UnsupportedDataError
            If it is big-endian or of another type.
        BoundError
            If a bound is asked for times or truth values.
        """
        array = ensure_ndarray(buf)
        if array.dtype.kind == "O":
            raise TypeError("expected a buffer of numbers, found Python objects")
        if array.dtype.str[0] == ">":
            raise UnsupportedDataError(
                f"expected samples in the byte order of this machine, found {array.dtype.str}: a decoded buffer has no "
                f"byte order, so give the array the type {array.dtype.newbyteorder('<').str}"
            )
        if array.dtype.kind in _AS_INTEGERS:
            if self.max_error is not None:
                raise BoundError(f"expected numbers for a largest error, found {array.dtype}")
            array = array.view(_AS_INTEGERS[array.dtype.kind])
        # Codecs are about memory, so an array in the order of Fortran is one of its transposed shape.
        ordered = array.T if array.flags.f_contiguous and not array.flags.c_contiguous else array
        return encode_chunk(ordered, self.max_error, self.tile)

    def decode(self, buf: Any, out: Any = None) -> npt.NDArray[Any]:
        """Decode a buffer that `encode` made, into ``out`` where that is given; else one axis, in the order of memory.

        Raises
        ------
        CorruptError
            If it holds another type or size than ``dtype`` or ``out`` have.
        FormatError
            If it is no sound stream.
        """
        data = ensure_bytes(buf)
        target = None if out is None else ensure_ndarray(out)
        if target is not None and target.dtype.kind == "O":
            raise TypeError("expected a buffer of numbers to decode into, found Python objects")
        with RczFile(data, threads=1) as file:
            self._check(file.dtype, file.size, target)
        array = api.decode(data, threads=1).reshape(-1)
        if out is None:
            return array
        found: npt.NDArray[Any] = ndarray_copy(array, out)
        return found

    def _check(self, dtype: np.dtype[Any], size: int, target: npt.NDArray[Any] | None) -> None:
        """Compare a stream with what is expected of it, before anything is decoded."""
        wanted = None if self.dtype is None else np.dtype(self.dtype)
        if wanted is not None and dtype != np.dtype(_AS_INTEGERS.get(wanted.kind, wanted.newbyteorder("="))):
            raise CorruptError(f"expected a chunk of {wanted}, found {dtype}: the chunk is that of another array")
        if target is None:
            return
        # Bytes go anywhere; numbers only to numbers of their type.
        as_stored = np.dtype(_AS_INTEGERS.get(target.dtype.kind, target.dtype))
        is_raw = 1 in (dtype.itemsize, target.dtype.itemsize)
        if size * dtype.itemsize != target.nbytes or not (is_raw or as_stored == dtype):
            raise CorruptError(
                f"expected {target.size} samples of {target.dtype} to fill the output, found {size} of {dtype}: the "
                "chunk is that of another array"
            )

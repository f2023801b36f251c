"""zarr (format 3): a codec whose chunks are ``.rcz`` streams, and ``.rcz`` files as read-only stores.

>>> import zarr  # doctest: +SKIP
>>> zarr.create_array("x.zarr", data=image, serializer=RadcodecCodec(), compressors=None)  # doctest: +SKIP
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from radcodec.errors import InputError, UnsupportedDataError
from radcodec.integrations.chunks import check_options, decode_chunk, encode_chunk
from radcodec.runtime.extras import missing_extra

try:
    from zarr.abc.codec import ArrayBytesCodec, ArrayBytesCodecPartialDecodeMixin
except ImportError as _err:
    raise missing_extra("zarr", "the codec for zarr", _err) from _err

from radcodec.integrations.rcz_store import RczStore

if TYPE_CHECKING:
    from zarr.abc.store import ByteGetter
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer

__all__ = ["RadcodecCodec", "RczStore"]

_TYPES = frozenset(("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"))
_FIELDS = ("max_error", "tile", "hdu")


@dataclass(frozen=True, kw_only=True)
class RadcodecCodec(ArrayBytesCodec, ArrayBytesCodecPartialDecodeMixin):  # type: ignore[misc]
    """The codec ``radcodec`` of zarr: each chunk is a whole stream of kind array. Give it as ``serializer``.

    Parameters
    ----------
    max_error
        The largest absolute error of a sample, in the unit of the array; exact for None. A bound in sigma is refused:
        the noise would be another one in each chunk.
    tile
        Side of the tiles, 8 to 2048 pixels. A part of a chunk decodes only its tiles.
    hdu
        For reading chunks that are whole ``.rcz`` files of FITS files: the number of the HDU. None for the first image.

    Raises
    ------
    BoundError, InputError
        If an option is unsound.
    """

    max_error: float | None = None
    tile: int = 512
    hdu: int | None = None

    is_fixed_size = False

    def __post_init__(self) -> None:
        max_error, tile = check_options(self.max_error, self.tile)
        object.__setattr__(self, "max_error", max_error)
        object.__setattr__(self, "tile", tile)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RadcodecCodec:
        """Make the codec from its metadata; raises InputError where it has other fields."""
        configuration = dict(data.get("configuration") or {})
        others = sorted(set(configuration) - set(_FIELDS))
        if data.get("name") != "radcodec" or others:
            raise InputError(f"expected a codec named radcodec with {', '.join(_FIELDS)}, found {dict(data)!r}")
        return cls(**configuration)

    def to_dict(self) -> dict[str, Any]:
        """Return the metadata of the codec."""
        configuration: dict[str, Any] = {"max_error": self.max_error, "tile": self.tile}
        if self.hdu is not None:
            configuration["hdu"] = self.hdu
        return {"name": "radcodec", "configuration": configuration}

    def validate(self, *, shape: tuple[int, ...], dtype: Any, chunk_grid: Any) -> None:
        """Raise UnsupportedDataError if the codec has no way to store the type of an array."""
        native = np.dtype(dtype.to_native_dtype())
        if native.str[1:] not in _TYPES:
            raise UnsupportedDataError(
                "expected an array of integers of 8 to 64 bits, float32 or float64 for the codec radcodec, found "
                f"{native}"
            )

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """Raise NotImplementedError, as zarr wants it of codecs that compress: the size is not known before."""
        raise NotImplementedError

    def _encode_sync(self, chunk_array: NDBuffer, chunk_spec: ArraySpec) -> Buffer:
        data = encode_chunk(chunk_array.as_numpy_array(), self.max_error, self.tile)
        return chunk_spec.prototype.buffer.from_bytes(data)

    def _decode_sync(self, chunk_bytes: Buffer, chunk_spec: ArraySpec, selection: Any = None) -> NDBuffer:
        wanted = selection if selection is None or isinstance(selection, tuple) else (selection,)
        dtype = np.dtype(chunk_spec.dtype.to_native_dtype())
        chunk = decode_chunk(chunk_bytes.to_bytes(), chunk_spec.shape, dtype, selection=wanted, hdu=self.hdu)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(chunk.astype(dtype, copy=False))

    async def _encode_single(self, chunk_array: NDBuffer, chunk_spec: ArraySpec) -> Buffer:
        return await asyncio.to_thread(self._encode_sync, chunk_array, chunk_spec)

    async def _decode_single(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        return await asyncio.to_thread(self._decode_sync, chunk_bytes, chunk_spec)

    async def _decode_partial_single(
        self, byte_getter: ByteGetter, selection: Any, chunk_spec: ArraySpec
    ) -> NDBuffer | None:
        data = await byte_getter.get(prototype=chunk_spec.prototype)
        if data is None:
            return None
        return await asyncio.to_thread(self._decode_sync, data, chunk_spec, selection)

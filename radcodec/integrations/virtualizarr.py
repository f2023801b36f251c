"""VirtualiZarr: one ``.rcz`` file is one chunk, so that a stack of epochs is one array over the files themselves.

Write the references with icechunk, never as kerchunk's JSON: that drops the codec, and readers then take compressed
bytes for pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from radcodec.decoding.rcz_file import RczFile
from radcodec.errors import UnsupportedDataError
from radcodec.integrations.coordinates import header_attrs, image_axes, image_wcs
from radcodec.integrations.rcz_store import json_attrs
from radcodec.runtime.extras import missing_extra

try:
    from obspec_utils.readers import BlockStoreReader
    from virtualizarr.manifests import ChunkManifest, ManifestArray, ManifestGroup, ManifestStore
    from virtualizarr.manifests.utils import create_v3_array_metadata
except ImportError as _err:
    raise missing_extra("virtualizarr", "the parser for VirtualiZarr", _err) from _err

# Imported for its entry in zarr's registry, which VirtualiZarr looks codecs up in.
from zarr.registry import register_codec

from radcodec.integrations.zarr import RadcodecCodec

if TYPE_CHECKING:
    from obspec_utils.registry import ObjectStoreRegistry

    from radcodec.decoding.image_handle import ImageHandle

_BLOCK_BYTES = 1 << 16  # of what is fetched at a time: headers and tile index, seldom more


class RadcodecParser:
    """A parser for ``virtualizarr.open_virtual_dataset``: the variable ``image`` of one chunk, the whole file.

    Coordinates are left out: they would have to be read from each file. Files of a stack must have images of one shape
    and type.

    Parameters
    ----------
    hdu
        The image, by the number of its HDU; the first one for None.
    """

    def __init__(self, hdu: int | None = None) -> None:
        self.hdu = hdu
        register_codec("radcodec", RadcodecCodec)

    def __call__(self, url: str, registry: ObjectStoreRegistry) -> ManifestStore:
        """Describe a file as a store of one array; only its header and index are read.

        Raises
        ------
        FormatError
            If it is no sound ``.rcz`` file.
        UnsupportedDataError
            If its image has no pixels.
        """
        store, path = registry.resolve(url)
        reader = BlockStoreReader(store, path, block_size=_BLOCK_BYTES)
        with RczFile(cast(BinaryIO, _SeekableReader(reader)), threads=1) as file:
            image = file.choose(self.hdu)
            array = self._array(image, url, file.reader.size_bytes)
        return ManifestStore(group=ManifestGroup(arrays={"image": array}), registry=registry)

    def _array(self, image: ImageHandle, url: str, size_bytes: int) -> ManifestArray:
        """Return one array of one chunk."""
        if not image.size:
            raise UnsupportedDataError(f"expected an image with pixels in {url}, found {image.shape}")
        codec = RadcodecCodec(hdu=self.hdu)
        metadata = create_v3_array_metadata(
            shape=image.shape,
            data_type=np.dtype(image.dtype),
            chunk_shape=image.shape,
            fill_value=np.nan if image.dtype.kind == "f" else 0,
            codecs=[codec.to_dict()],
            attributes=json_attrs(header_attrs(image)),
            dimension_names=[axis.name for axis in image_axes(image, image_wcs(image))],
        )
        key = ".".join("0" for _ in image.shape) or "0"
        entries: dict[str, Any] = {key: {"path": url, "offset": 0, "length": size_bytes}}
        return ManifestArray(metadata=metadata, chunkmanifest=ChunkManifest(entries=entries))


class _SeekableReader:
    """A reader of an object store as a binary file."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def read(self, size: int = -1) -> bytes:
        """Return at most so many bytes, all that are left for -1."""
        return bytes(self._reader.read(size))

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a place; where that is."""
        self._reader.seek(offset, whence)
        return int(self._reader.tell())

    def seekable(self) -> bool:
        """True."""
        return True

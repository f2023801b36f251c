"""A ``.rcz`` file as a read-only store of zarr (format 3): its images are arrays whose chunks are the tiles."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from radcodec.decoding.rcz_file import RczFile
from radcodec.integrations.coordinates import ImageAxis, header_attrs, image_axes, image_wcs
from radcodec.runtime.extras import missing_extra

try:
    from zarr.abc.store import OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
    from zarr.core.buffer import default_buffer_prototype
except ImportError as _err:
    raise missing_extra("zarr", "RczStore", _err) from _err

if TYPE_CHECKING:
    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype

    from radcodec.decoding.image_handle import ImageHandle
    from radcodec.decoding.rcz_file import Source

_TYPE_NAMES = {"i": "int", "u": "uint", "f": "float"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    """One array of the store: an image of the file, or the coordinates of an axis."""

    pixels: ImageHandle | npt.NDArray[Any] = field(repr=False)
    dims: tuple[str, ...]
    chunk: tuple[int, ...]
    attrs: dict[str, Any] = field(repr=False)

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of chunks along each axis."""
        return tuple(-(-length // size) for length, size in zip(self.pixels.shape, self.chunk, strict=True))

    def document(self) -> dict[str, Any]:
        """Return the metadata of the array."""
        dtype = np.dtype(self.pixels.dtype)
        endian = {"configuration": {"endian": "little"}} if dtype.itemsize > 1 else {}
        return {
            "zarr_format": 3,
            "node_type": "array",
            "shape": list(self.pixels.shape),
            "data_type": f"{_TYPE_NAMES[dtype.kind]}{8 * dtype.itemsize}",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(self.chunk)}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": "NaN" if dtype.kind == "f" else 0,
            "codecs": [{"name": "bytes", **endian}],
            "attributes": self.attrs,
            "dimension_names": list(self.dims),
        }

    def read(self, place: tuple[int, ...]) -> bytes:
        """Return the samples of a chunk, little-endian; what lies outside of the image is 0."""
        starts = [index * size for index, size in zip(place, self.chunk, strict=True)]
        key = tuple(
            slice(start, min(start + size, length))
            for start, size, length in zip(starts, self.chunk, self.pixels.shape, strict=True)
        )
        values = np.asarray(self.pixels[key])
        if values.shape != self.chunk:
            whole = np.zeros(self.chunk, values.dtype)
            whole[tuple(slice(length) for length in values.shape)] = values
            values = whole
        return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()


def regular_chunk(image: ImageHandle) -> tuple[int, ...]:
    """Return sides of the chunks of a regular grid over an image: those of its tiles, the longest where they differ."""
    return tuple(max(1, *pieces) if pieces else 1 for pieces in image.chunks)


class RczStore(Store):  # type: ignore[misc]
    """A ``.rcz`` file as a store that zarr reads; nothing can be written to it.

    A file of one image has the array ``image``; of several each has the name of its HDU. Axes that stand alone have
    arrays of coordinates beside them. A chunk is a region of the image, decoded when it is asked for.

    Parameters
    ----------
    source
        A path, a URL, the bytes of a file or a file opened for reading.
    storage_options
        What fsspec needs for a URL.
    read_only
        True, the only value there is; zarr gives it.

    Raises
    ------
    ValueError
        If ``read_only`` is False.
    FormatError
        If it is no sound ``.rcz`` file.
    """

    def __init__(
        self, source: Source, *, storage_options: Mapping[str, Any] | None = None, read_only: bool = True
    ) -> None:
        if not read_only:
            raise ValueError("expected read_only=True for a .rcz file, found False: it cannot be written to")
        super().__init__(read_only=True)
        self._source = source
        self._options = dict(storage_options or {})
        self._file = RczFile(source, storage_options=self._options)

    def __reduce__(self) -> tuple[Any, ...]:
        return _store_of, (self._source, self._options)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, RczStore)
            and self._source == other._source
            and self._file.reader.meta.restored_sha256 == other._file.reader.meta.restored_sha256
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"RczStore({self._file!r})"

    def close(self) -> None:
        """Close the file if it was opened here."""
        super().close()
        self._file.close()

    @cached_property
    def _nodes(self) -> dict[str, _Node]:
        """The arrays by name."""
        nodes: dict[str, _Node] = {}
        axes_of: dict[str, ImageAxis] = {}
        images = self._file.images
        for image in images:
            name = _unique("image" if len(images) == 1 else _node_name(image), image.hdu_number, nodes)
            dims: list[str] = []
            for axis in image_axes(image, image_wcs(image)):
                # One name means one length and one set of values in all of the store.
                dim = axis.name if _same(axes_of.setdefault(axis.name, axis), axis) else f"{axis.name}_{name}"
                axes_of.setdefault(dim, axis)
                dims.append(dim)
            nodes[name] = _Node(
                pixels=image, dims=tuple(dims), chunk=regular_chunk(image), attrs=json_attrs(header_attrs(image))
            )
        for name, axis in axes_of.items():
            if axis.values is not None and name not in nodes and axis.length:
                attrs = {"ctype": axis.ctype} | ({"units": axis.unit} if axis.unit else {})
                nodes[name] = _Node(pixels=axis.values, dims=(name,), chunk=(axis.length,), attrs=attrs)
        return nodes

    @cached_property
    def _documents(self) -> dict[str, bytes]:
        """The metadata by key; the group has a copy of all of it, so that one read is enough."""
        arrays = {name: node.document() for name, node in self._nodes.items()}
        consolidated = {"kind": "inline", "must_understand": False, "metadata": arrays}
        group = {"zarr_format": 3, "node_type": "group", "attributes": {}, "consolidated_metadata": consolidated}
        documents = {f"{name}/zarr.json": document for name, document in arrays.items()}
        return {key: json.dumps(value).encode() for key, value in {"zarr.json": group, **documents}.items()}

    def _chunk_of(self, key: str) -> tuple[_Node, tuple[int, ...]] | None:
        """Return the array and the place of a chunk by its key; None where there is no such chunk."""
        name, _, rest = key.partition("/")
        node = self._nodes.get(name)
        parts = rest.split("/")
        if node is None or parts[0] != "c" or not all(re.fullmatch(r"0|[1-9][0-9]*", part) for part in parts[1:]):
            return None
        place = tuple(map(int, parts[1:]))
        if len(place) != len(node.counts) or any(at >= count for at, count in zip(place, node.counts, strict=True)):
            return None
        return node, place

    def _read(self, key: str) -> bytes | None:
        if key in self._documents:
            return self._documents[key]
        found = self._chunk_of(key)
        return None if found is None else found[0].read(found[1])

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """The value of a key, None where there is none; raises ValueError for a range of another kind."""
        part = _as_slice(byte_range)
        if not self._is_open:
            await self._open()
        data = await asyncio.to_thread(self._read, key)
        buffers = (prototype or default_buffer_prototype()).buffer
        return None if data is None else buffers.from_bytes(data[part])

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """The values of several keys, or parts of them."""
        return list(await asyncio.gather(*(self.get(key, prototype, part) for key, part in key_ranges)))

    async def exists(self, key: str) -> bool:
        """Whether there is such a key; nothing is decoded for it."""
        return await asyncio.to_thread(lambda: key in self._documents or self._chunk_of(key) is not None)

    @property
    def supports_writes(self) -> bool:
        """False."""
        return False

    @property
    def supports_deletes(self) -> bool:
        """False."""
        return False

    @property
    def supports_partial_writes(self) -> bool:
        """False."""
        return False

    @property
    def supports_listing(self) -> bool:
        """True."""
        return True

    async def set(self, key: str, value: Buffer) -> None:
        """Raise ValueError: nothing can be written."""
        self._check_writable()

    async def delete(self, key: str) -> None:
        """Raise ValueError: nothing can be written."""
        self._check_writable()

    def _keys(self) -> Iterator[str]:
        yield from self._documents
        for name, node in self._nodes.items():
            for place in itertools.product(*map(range, node.counts)):
                yield "/".join([name, "c", *map(str, place)])

    async def list(self) -> AsyncIterator[str]:
        """All keys."""
        for key in self._keys():
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """All keys that start with a prefix."""
        for key in self._keys():
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """What is directly below a prefix."""
        parts = [part for part in prefix.split("/") if part]
        if not parts:
            names: Iterable[str] = ("zarr.json", *self._nodes)
        elif parts[0] not in self._nodes:
            names = ()
        elif len(parts) == 1:
            names = ("zarr.json", "c")
        else:
            counts = self._nodes[parts[0]].counts
            depth = len(parts) - 2
            names = map(str, range(counts[depth])) if parts[1] == "c" and depth < len(counts) else ()
        for name in names:
            yield name


def _store_of(source: Source, options: dict[str, Any]) -> RczStore:
    """Return the store that was pickled."""
    return RczStore(source, storage_options=options)


def _as_slice(byte_range: Any) -> slice:
    """Return A range of bytes as zarr asks for it."""
    if byte_range is None:
        return slice(None)
    if isinstance(byte_range, RangeByteRequest):
        return slice(byte_range.start, byte_range.end)
    if isinstance(byte_range, OffsetByteRequest):
        return slice(byte_range.offset, None)
    if isinstance(byte_range, SuffixByteRequest):
        return slice(-byte_range.suffix, None) if byte_range.suffix else slice(0, 0)
    raise ValueError(f"Unexpected byte_range, got {byte_range}.")


def _node_name(image: ImageHandle) -> str:
    """Return name of an image's array: that of its HDU, with the characters that zarr takes."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", image.name.strip())
    return name if name.strip(".") and not name.startswith("__") else f"hdu{image.hdu_number}"


def _unique(name: str, number: int, taken: Mapping[str, Any]) -> str:
    return f"{name}_{number}" if name in taken else name


def _same(first: ImageAxis, second: ImageAxis) -> bool:
    """Tell whether two axes can share a name."""
    if first.length != second.length or (first.values is None) != (second.values is None):
        return False
    return first.values is None or np.array_equal(first.values, second.values, equal_nan=True)  # type: ignore[arg-type]


def json_attrs(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes that JSON knows; numbers that are not finite become text."""
    return {
        name: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in attrs.items()
    }

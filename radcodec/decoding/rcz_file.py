"""Open a ``.rcz`` file for reading parts: header and tile index first, then only the requested tiles."""

from __future__ import annotations

import io
import os
import weakref
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO

from radcodec.container.layout import prelude_crc
from radcodec.container.reader import Reader
from radcodec.container.report import Report
from radcodec.decoding.consistency import check_consistency
from radcodec.decoding.description import describe
from radcodec.errors import InputError
from radcodec.pixels.tiles import count_tiles
from radcodec.runtime.given_files import is_url
from radcodec.runtime.parallel import usable_threads
from radcodec.runtime.resources import header_dictionaries
from radcodec.runtime.spool import spooled
from radcodec.types import HduKind, Kind

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from astropy.io.fits import HDUList, Header

    from radcodec.decoding.image_handle import ImageHandle
    from radcodec.decoding.quick_look import QuickLook
    from radcodec.decoding.virtual_fits import VirtualFits
    from radcodec.types import HduChoice

Source = str | os.PathLike[str] | BinaryIO | bytes | bytearray | memoryview
StorageOptions = Mapping[str, Any]


def open_reader(
    source: Source, stack: ExitStack, *, storage_options: StorageOptions | None = None, whole: bool = False
) -> Reader:
    """Open a reader of a path, a URL, a binary file or bytes; ``stack`` closes what is opened here.

    A source that cannot seek, such as a pipe, is copied to a temporary file first.

    Parameters
    ----------
    storage_options
        What fsspec needs for a URL.
    whole
        Whether all of the file will be read, so that one behind a URL is copied to a temporary file first.

    Raises
    ------
    InputError
        If it is none of these.
    ImportError
        If the packages are missing that reading a URL takes.
    FormatError, ModelNotFoundError
        If the file is malformed up to INDEX, or its declarations contradict each other.
    """
    if is_url(source):
        from radcodec.integrations.remote import open_remote

        remote = open_remote(str(source), storage_options, whole=whole)
        stack.callback(remote.close)
        reader = Reader(remote, count_tiles=count_tiles, dictionaries=header_dictionaries())
        check_consistency(reader)
        return reader
    if isinstance(source, (str, os.PathLike)):
        # The stack closes it.
        source = stack.enter_context(open(source, "rb"))  # noqa: SIM115
    if not isinstance(source, (bytes, bytearray, memoryview)):
        source = _seekable(source, stack)
    reader = Reader(source, count_tiles=count_tiles, dictionaries=header_dictionaries())
    check_consistency(reader)
    return reader


def _seekable(source: Any, stack: ExitStack) -> BinaryIO:
    """Return a seekable binary file: the given one or a copy of it, which ``stack`` closes.

    Objects of other libraries may lack ``seekable``.
    """
    if not callable(getattr(source, "read", None)):
        raise InputError(
            f"expected a path, the bytes of a file or a file opened for reading, found {type(source).__name__}"
        )
    probe, seek = getattr(source, "seekable", None), getattr(source, "seek", None)
    can_seek = bool(probe()) if callable(probe) else callable(seek)
    if isinstance(source, io.TextIOBase):
        raise InputError(f"expected a file opened in binary mode, found {type(source).__name__}")
    if can_seek and (callable(probe) or isinstance(source.seek(0, os.SEEK_END), int)):
        return source  # type: ignore[no-any-return]
    if can_seek:
        source.seek(0)
    try:
        return stack.enter_context(spooled(source))
    except TypeError as err:
        raise InputError(f"expected a file opened in binary mode, found {type(source).__name__}") from err


class RczFile:
    """A ``.rcz`` file opened for reading by `radcodec.open`; a context manager and an array.

    As an array it is its first image with pixels. ``f[...]`` takes NumPy's basic indexing and decodes only the tiles
    that it needs; ``numpy.asarray(f)`` decodes all of it. Other images are in ``images`` and ``hdu(...)``. A file
    opened by path, URL or from bytes can be pickled; unpickling opens it again.

    Parameters
    ----------
    source
        A path, a URL, a binary file (which stays open) or the bytes of a file.
    threads
        Threads to decode with; all usable cores for None.
    storage_options
        What fsspec needs for a URL: headers, credentials, endpoints.
    whole
        Whether all of the file will be read: one behind a URL is copied to a temporary file first.
    """

    def __init__(
        self,
        source: Source,
        *,
        threads: int | None = None,
        storage_options: StorageOptions | None = None,
        whole: bool = False,
    ) -> None:
        self.threads = usable_threads(threads)
        stack = ExitStack()
        path = os.fspath(source) if isinstance(source, (str, os.PathLike)) else None
        try:
            self.reader = open_reader(source, stack, storage_options=storage_options, whole=whole)
            self.info: Report = describe(self.reader, path=path)
        except BaseException:
            stack.close()
            raise
        self._reopen: str | bytes | None = None
        self._storage_options = storage_options
        if path is not None:
            self._reopen = path if is_url(path) else os.path.abspath(path)
        elif isinstance(source, (bytes, bytearray, memoryview)):
            self._reopen = bytes(source)
        # An unpickled file has no with statement, so this closes it.
        self._close = weakref.finalize(self, stack.close)

    def __enter__(self) -> RczFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        kinds = f"{len(self.reader.meta.images)} images in {len(self.reader.meta.hdus)} HDUs"
        what = "array" if self.reader.prelude.kind is Kind.ARRAY else kinds
        return f"<RczFile {self.info.path or 'in memory'}: {self.info.mode}, {what}>"

    def _repr_html_(self) -> str:
        """Show a picture and the main facts in a notebook."""
        from radcodec.pages.report import notebook_fragment

        return notebook_fragment(self)

    def to_aladin(self, widget: Any, *, hdu: HduChoice | None = None, plane: int | None = None, **options: Any) -> Any:
        """Show an image in a widget of ipyaladin; what its ``add_fits`` returns.

        Parameters
        ----------
        widget
            An ``ipyaladin.Aladin``.
        hdu
            The image, as `hdu` takes it; the first one with pixels for None.
        plane
            One plane, counted over all axes but the fastest two; all for None.
        options
            For ``add_fits``, such as ``name`` and ``colormap``.
        """
        from radcodec.integrations.aladin import add_image

        return add_image(widget, self, hdu, plane, options)

    def __reduce__(self) -> tuple[Any, ...]:
        arguments = self.open_arguments(self.threads)
        if arguments is None:
            raise TypeError(
                "expected a .rcz file opened by its path, by a URL or from bytes to pickle, found one of an open file "
                "object: open it by its path"
            )
        return open_again, arguments

    def __dask_tokenize__(self) -> tuple[str, int, str, int]:
        return "radcodec", *self.content_token, 0

    @property
    def content_token(self) -> tuple[int, str]:
        """What tells the content from any other: the checksum of PRELUDE and the SHA-256 of what is restored."""
        return prelude_crc(self.reader.prelude), self.reader.meta.restored_sha256.hex()

    def open_arguments(self, threads: int) -> tuple[Any, ...] | None:
        """Return the arguments by which `open_again` opens the file anew; None for a file object."""
        if self._reopen is None:
            return None
        return self._reopen, threads, self.reader.meta.restored_sha256, self._storage_options

    def close(self) -> None:
        """Close the file if it was opened here."""
        self._close()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return not self._close.alive

    def fits_file(self, *, cache_bytes: int | None = None) -> VirtualFits:
        """Open the restored FITS file for reading: seekable, byte for byte what `radcodec.decompress` writes.

        Tiles are decoded when a read touches them. This file has to stay open meanwhile.

        Parameters
        ----------
        cache_bytes
            Memory for decoded tiles, at least one row of tiles; the larger of 64 MiB and two rows for None.

        Raises
        ------
        InputError
            If ``cache_bytes`` is negative.
        """
        from radcodec.decoding.virtual_fits import VirtualFits

        return VirtualFits(self, cache_bytes=cache_bytes)

    def hdulist(self, **options: Any) -> HDUList:
        """Open the restored FITS file in astropy: headers first, pixels and tables when they are asked for.

        ``hdul[0].section[...]`` decodes the tiles of a part alone; ``hdul[0].data`` decodes the whole image.

        Parameters
        ----------
        **options
            As `astropy.io.fits.open` takes them.

        Raises
        ------
        InputError
            If ``mode`` is one that writes.
        """
        from radcodec.fits.hdulist import open_hdulist

        return open_hdulist(self.fits_file(), **options)

    @cached_property
    def images(self) -> tuple[ImageHandle, ...]:
        """Every image with pixels, in order, each an array as the file itself is."""
        from radcodec.container.units import iter_units
        from radcodec.decoding.image_handle import ImageHandle
        from radcodec.fits.select import hdu_name

        if self.reader.prelude.kind is Kind.ARRAY:
            return (ImageHandle(self, 0, hdu=0, name=""),)
        return tuple(
            ImageHandle(self, unit.image, hdu=unit.number, name=hdu_name(unit.header, unit.number)[0])
            for unit in iter_units(self.reader)
            if unit.image is not None
        )

    def hdu(self, choice: HduChoice) -> ImageHandle:
        """Choose an image by its HDU: a number (0 is the primary HDU), a name, or a name and EXTVER (``"SCI,2"``).

        Raises
        ------
        InputError
            If there is no such HDU or it has no pixels; the message lists the images.
        """
        from radcodec.container.units import iter_units
        from radcodec.fits.select import find_hdu, hdu_name, parse_hdu

        selector = parse_hdu(choice)
        if self.reader.prelude.kind is Kind.ARRAY:
            find_hdu([("PRIMARY", 1)], selector)
            return self.images[0]
        units = tuple(iter_units(self.reader))
        names = [hdu_name(unit.header, unit.number) for unit in units]
        compressed = [unit.number for unit in units if unit.record.kind is HduKind.COMPRESSED]
        places = {image.hdu_number: image for image in self.images}
        return places[find_hdu(names, selector, images=places, compressed=compressed)]

    def choose(self, choice: HduChoice | None) -> ImageHandle:
        """Choose an image as `hdu` does, the first one with pixels for None."""
        return self._first if choice is None else self.hdu(choice)

    @property
    def _first(self) -> ImageHandle:
        if not self.reader.meta.images:
            from radcodec.fits.tile_compressed import no_image

            raise no_image(self.reader.meta.hdus, "decompress it instead")
        return self.images[0]

    @property
    def header(self) -> Header:
        """Header of the first image HDU as astropy reads it; a new object each time, so that changes stay yours.

        Without an image it is the header of the first HDU; for an array that of the FITS file it decompresses to.
        """
        from radcodec.fits.hdulist import read_header

        return read_header(self.header_text)

    @property
    def header_text(self) -> str:
        """Text of `header`: cards of 80 characters without line ends, every byte as one character."""
        if self.reader.meta.images:
            return self._first.header_text
        hdus = self.reader.meta.hdus
        return self.reader.meta.text[: hdus[0].header_bytes].decode("latin-1") if hdus else ""

    @property
    def shape(self) -> tuple[int, ...]:
        """Axes of the first image, slowest first."""
        return self._first.shape

    @property
    def ndim(self) -> int:
        """Number of axes of the first image."""
        return self._first.ndim

    @property
    def size(self) -> int:
        """Number of pixels of the first image."""
        return self._first.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of what indexing gives."""
        return self._first.dtype

    @property
    def chunks(self) -> tuple[tuple[int, ...], ...]:
        """Lengths, axis by axis, of the pieces that tiles cut the first image into, as ``dask.array`` has them."""
        return self._first.chunks

    @property
    def wcs(self) -> Any:
        """World coordinates of the first image, an ``astropy.wcs.WCS``; errors as `ImageHandle.wcs`."""
        return self._first.wcs

    def to_dask(self, chunks: Any = "tiles") -> Any:
        """Make a ``dask.array.Array`` of the first image; see `ImageHandle.to_dask`."""
        return self._first.to_dask(chunks)

    def __len__(self) -> int:
        return len(self._first)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Decode all of the first image; see `ImageHandle`."""
        return self._first.__array__(dtype, copy)

    def __getitem__(self, key: object) -> npt.NDArray[Any]:
        """Return the physical values of a part of the first image."""
        return self._first[key]

    def quick_look(self, plane: int = 0, *, full: bool = False, side: int | None = None) -> QuickLook:
        """Look at one plane of the first image; see `ImageHandle.quick_look`."""
        return self._first.quick_look(plane, full=full, side=side)

    def preview(self, plane: int = 0, *, full: bool = False) -> npt.NDArray[np.float64]:
        """Return the physical values of a `quick_look`, float64 [H, W]: the base layer if it shows the image.

        ``quick_look`` also gives the layer they come from, and the reason.
        """
        return self._first.preview(plane, full=full)


def open_again(
    source: str | bytes, threads: int, restored_sha256: bytes, storage_options: StorageOptions | None
) -> RczFile:
    """Open a file anew; raises InputError where another one has taken its place."""
    file = RczFile(source, threads=threads, storage_options=storage_options)
    if file.reader.meta.restored_sha256 != restored_sha256:
        file.close()
        name = source if isinstance(source, str) else "the bytes"
        raise InputError(f"expected {name} to be the file that was pickled, found another one: open it anew")
    return file

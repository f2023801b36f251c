"""Open a ``.rcz`` file for reading parts: header and tile index first, then only the requested tiles."""

from __future__ import annotations

import io
import os
import weakref
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO

from radcodec.container.reader import Reader
from radcodec.container.report import Report, describe
from radcodec.decoding.consistency import check_consistency
from radcodec.decoding.image_handle import ImageHandle
from radcodec.errors import InputError
from radcodec.pixels.tiles import count_tiles
from radcodec.runtime.parallel import usable_threads
from radcodec.runtime.resources import load_header_dictionary
from radcodec.runtime.spool import spooled
from radcodec.types import HduKind, Kind

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from radcodec.decoding.quick_look import QuickLook
    from radcodec.types import HduChoice

Source = str | os.PathLike[str] | BinaryIO | bytes | bytearray | memoryview


def open_reader(source: Source, stack: ExitStack) -> Reader:
    """Open a reader of a path, a binary file or bytes; ``stack`` closes a file opened here.

    A source that cannot seek, such as a pipe, is copied to a temporary file first.

    Raises
    ------
    InputError
        If it is none of these.
    FormatError, ModelNotFoundError
        If the file is malformed up to INDEX, or its declarations contradict each other.
    """
    if isinstance(source, (str, os.PathLike)):
        # The stack closes it.
        source = stack.enter_context(Path(source).open("rb"))  # noqa: SIM115
    if not isinstance(source, (bytes, bytearray, memoryview)):
        source = _seekable(source, stack)
    reader = Reader(source, count_tiles=count_tiles, dictionary=load_header_dictionary())
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
    opened by path or from bytes can be pickled; unpickling opens it again.

    Parameters
    ----------
    source
        A path, a binary file (which stays open) or the bytes of a file.
    threads
        Threads to decode with; all usable cores for None.
    """

    def __init__(self, source: Source, *, threads: int | None = None) -> None:
        self.threads = usable_threads(threads)
        stack = ExitStack()
        path = os.fspath(source) if isinstance(source, (str, os.PathLike)) else None
        try:
            self.reader = open_reader(source, stack)
            self.info: Report = describe(self.reader, path=path)
        except BaseException:
            stack.close()
            raise
        self._reopen: str | bytes | None = None
        if path is not None:
            self._reopen = os.path.abspath(path)
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
        if self._reopen is None:
            raise TypeError(
                "expected a .rcz file opened by its path or from bytes to pickle, found one of an open file object: "
                "open it by its path"
            )
        return _open_again, (self._reopen, self.threads, self.reader.meta.restored_sha256)

    def close(self) -> None:
        """Close the file if it was opened here."""
        self._close()

    @cached_property
    def images(self) -> tuple[ImageHandle, ...]:
        """Every image with pixels, in order, each an array as the file itself is."""
        from radcodec.container.units import iter_units
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
    def header(self) -> str:
        """Header of the first image HDU, cards of 80 characters without line ends, every byte as one character.

        Without an image it is the header of the first HDU; for an array that of the FITS file it decompresses to.
        """
        if self.reader.meta.images:
            return self._first.header
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

    def __len__(self) -> int:
        return len(self._first)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Decode all of the first image; see `ImageHandle`."""
        return self._first.__array__(dtype, copy)

    def __getitem__(self, key: object) -> npt.NDArray[Any]:
        """Return the physical values of a part of the first image."""
        return self._first[key]

    def quick_look(self, plane: int = 0, *, full: bool = False) -> QuickLook:
        """Look at one plane of the first image; see `ImageHandle.quick_look`."""
        return self._first.quick_look(plane, full=full)

    def preview(self, plane: int = 0, *, full: bool = False) -> npt.NDArray[np.float64]:
        """Return the physical values of a `quick_look`, float64 [H, W]: the base layer if it shows the image.

        ``quick_look`` also gives the layer they come from, and the reason.
        """
        return self._first.preview(plane, full=full)


def _open_again(source: str | bytes, threads: int, restored_sha256: bytes) -> RczFile:
    """Open a file that was pickled; raises InputError where another one has taken its place."""
    file = RczFile(source, threads=threads)
    if file.reader.meta.restored_sha256 != restored_sha256:
        file.close()
        name = source if isinstance(source, str) else "the bytes"
        raise InputError(f"expected {name} to be the file that was pickled, found another one: open it anew")
    return file

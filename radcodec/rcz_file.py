"""An open ``.rcz`` file to look into: header and tile index first, then only the tiles that are asked for."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO

from radcodec.container.reader import Reader
from radcodec.errors import InputError, ModelError
from radcodec.parallel import usable_threads
from radcodec.report import Report, describe
from radcodec.resources import load_header_dictionary
from radcodec.spool import spooled
from radcodec.tiles import count_tiles
from radcodec.types import HduKind, Mode

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from radcodec.decoder import StoredImage

Source = str | os.PathLike[str] | BinaryIO | bytes | bytearray | memoryview


def open_reader(source: Source, stack: ExitStack) -> Reader:
    """A reader of a path, a binary file or bytes; a file that was opened for it closes with ``stack``.

    What cannot be sought, such as a pipe with or without a name, is copied to a temporary file first.
    """
    if isinstance(source, (str, os.PathLike)):
        # The stack closes it.
        source = stack.enter_context(Path(source).open("rb"))  # noqa: SIM115
    if not isinstance(source, (bytes, bytearray, memoryview)) and not source.seekable():
        source = stack.enter_context(spooled(source))
    return Reader(source, count_tiles=count_tiles, dictionary=load_header_dictionary())


class RczFile:
    """A ``.rcz`` file opened for reading, as `radcodec.open` gives it; a context manager.

    ``f[...]`` takes NumPy's basic indexing (integers, slices with steps, ``...``, None) of the first image and decodes
    only the tiles that it needs; it gives physical values, as `radcodec.decode` does.

    Parameters
    ----------
    source
        A path, a seekable binary file (which stays open) or the bytes of a file.
    threads
        Threads to decode with; all usable cores for None.
    """

    def __init__(self, source: Source, *, threads: int | None = None) -> None:
        self._threads = usable_threads(threads)
        self._stack = ExitStack()
        self._image: StoredImage | None = None
        path = os.fspath(source) if isinstance(source, (str, os.PathLike)) else None
        try:
            self.reader = open_reader(source, self._stack)
            self.info: Report = describe(self.reader, path=path)
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> RczFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file if it was opened here."""
        self._stack.close()

    @property
    def _first(self) -> StoredImage:
        if self._image is None:
            from radcodec.decoder import first_image

            self._image = first_image(self.reader)
        return self._image

    @property
    def header(self) -> str:
        """Header of the first image HDU, cards of 80 characters without line ends, every byte as one character.

        For a file without an image that of the first HDU; for an array that of the FITS file it decompresses to.
        """
        position = 0
        for hdu in self.reader.meta.hdus:
            if hdu.kind is HduKind.IMAGE or not self.reader.meta.images:
                return self.reader.meta.text[position : position + hdu.header_bytes].decode("latin-1")
            position += hdu.header_bytes + hdu.tail_bytes
        if not self.reader.meta.images:
            return ""
        from radcodec.fits.arrays import minimal_header

        record = self.reader.meta.images[0]
        return minimal_header(record.sample_type, record.shape).decode("latin-1")

    @property
    def shape(self) -> tuple[int, ...]:
        """Axes of the first image, slowest first."""
        return self._first.coding.record.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of what indexing gives."""
        import numpy as np

        from radcodec.decoder import image_info
        from radcodec.fits.arrays import to_physical

        record = self._first.coding.record
        return to_physical(np.zeros(0, record.sample_type.dtype_str), image_info(record)).dtype

    def __getitem__(self, key: object) -> npt.NDArray[Any]:
        """Physical values of a part of the first image."""
        from radcodec.decoder import decode_region, image_info
        from radcodec.fits.arrays import to_physical
        from radcodec.indexing import select

        image = self._first
        selection, new_axes = select(key, self.shape)
        planes = selection.planes.tolist()
        region = decode_region(image, planes, selection.y, selection.x, self._threads)
        stored = selection.apply(region, new_axes)
        return to_physical(stored, image_info(image.coding.record))

    def preview(self, plane: int = 0) -> npt.NDArray[np.float64]:
        """A quick look at one plane of the first image, float64 [H, W], physical values with NaN where undefined.

        From the base layer where the file has one (and torch is installed), else decoded.
        """
        import numpy as np

        from radcodec.base_picture import base_picture
        from radcodec.decoder import decode_region

        image = self._first
        record, grid = image.coding.record, image.coding.grid
        if not 0 <= plane < grid.n_planes:
            raise InputError(f"expected a plane of 0 to {grid.n_planes - 1}, found {plane}")
        stored: npt.NDArray[np.float64] | None = None
        if record.n_stages:
            try:
                stored = base_picture(image, plane, self._threads)
            except ModelError:
                # An exact or bounded file does not need its model to be looked at.
                if self.reader.prelude.mode is Mode.LOSSY:
                    raise
        if stored is None:
            samples = decode_region(image, [plane], (0, grid.height), (0, grid.width), self._threads)[0]
            stored = samples.astype(np.float64)
            if record.blank is not None:
                stored[samples == record.blank] = np.nan
        with np.errstate(all="ignore"):
            return record.bzero + record.bscale * stored

"""Present one image of an open ``.rcz`` file to NumPy and dask as an array that is read on demand."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from astropy.io.fits import Header

    from radcodec.decoding.cutouts import ImageSky
    from radcodec.decoding.image import StoredImage
    from radcodec.decoding.quick_look import QuickLook
    from radcodec.decoding.rcz_file import RczFile


class ImageHandle:
    """One image of an open file: an array that stays in the file until it is indexed.

    ``handle[...]`` takes NumPy's basic indexing (integers, slices with steps, ``...``, None) and decodes only the tiles
    that it needs. Like `radcodec.decode` it gives physical values. ``numpy.asarray(handle)`` decodes all.

    Parameters
    ----------
    file
        The file, which must stay open.
    number
        Number of the image among the images of the file.
    hdu
        Number of its HDU, 0 for an array.
    name
        EXTNAME of its HDU, PRIMARY for the first without one, "" for an array.
    """

    def __init__(self, file: RczFile, number: int, *, hdu: int, name: str) -> None:
        self.file = file
        self.number = number
        self.hdu_number = hdu
        self.name = name
        self._record = file.reader.meta.images[number]
        self._opened: StoredImage | None = None

    def __repr__(self) -> str:
        return f"<ImageHandle HDU {self.hdu_number} {self.name!r}, {self.shape}, {self.dtype}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _handle_of, (self.file, self.number)

    def __dask_tokenize__(self) -> tuple[str, int, str, int]:
        return "radcodec", *self.file.content_token, self.number

    def open_again(self, threads: int) -> tuple[Callable[..., ImageHandle], tuple[Any, ...]] | None:
        """Return a function and arguments that open the image anew and can be pickled; None if there are none.

        Parameters
        ----------
        threads
            Threads that the new one decodes with.
        """
        arguments = self.file.open_arguments(threads)
        return None if arguments is None else (_open_handle, (arguments, self.number))

    def to_dask(self, chunks: Any = "tiles") -> Any:
        """Make a ``dask.array.Array`` of the image; each task decodes its chunk with one thread.

        Where the file was opened by path, URL or from bytes, tasks open it again, in other processes too.

        Parameters
        ----------
        chunks
            ``"tiles"``, or what ``dask.array.from_array`` takes.

        Raises
        ------
        ImportError
            If dask is not installed.
        """
        from radcodec.integrations.dask import to_dask

        return to_dask(self, chunks)

    @property
    def stored(self) -> StoredImage:
        """The stored image, for the modules of this package."""
        if self._opened is None:
            from radcodec.decoding.image import open_image

            self._opened = open_image(self.file.reader, self.number)
        return self._opened

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis, slowest first."""
        return self._record.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self._record.shape)

    @property
    def size(self) -> int:
        """Number of pixels."""
        return self._record.n_pixels

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of what indexing gives."""
        import numpy as np

        from radcodec.decoding.image import image_info
        from radcodec.fits.arrays import to_physical

        return to_physical(np.zeros(0, self._record.sample_type.dtype_str), image_info(self._record)).dtype

    @property
    def chunks(self) -> tuple[tuple[int, ...], ...]:
        """Lengths of the tiles along each axis, slowest first, as ``dask.array`` has them: a regular grid."""
        from radcodec.pixels.tiles import axis_chunks

        return axis_chunks(self.shape, self._record.sides)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of an image without axes")
        return self.shape[0]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Decode all of the image. ``copy=False`` is refused with ValueError, as NumPy has it: decoding makes one."""
        if copy is False:
            raise ValueError("expected copy to be None or True, found False: an image that is in a file is decoded")
        values = self[...]
        return values if dtype is None else values.astype(dtype, copy=False)

    def __getitem__(self, key: object) -> npt.NDArray[Any]:
        """Return the physical values of a part of the image."""
        return self.read(key, threads=self.file.threads)

    def read(self, key: object, *, threads: int) -> npt.NDArray[Any]:
        """Return the physical values of a part of the image, decoded with so many threads."""
        from radcodec.decoding.image import decode_region, image_info
        from radcodec.decoding.indexing import select
        from radcodec.fits.arrays import to_physical

        selection, new_axes = select(key, self.shape)
        planes = selection.planes.tolist()
        region = decode_region(self.stored, planes, selection.y, selection.x, threads)
        stored = selection.apply(region, new_axes)
        return to_physical(stored, image_info(self._record))

    def _sky(self) -> ImageSky:
        from radcodec.decoding.cutouts import ImageSky

        return ImageSky(self.file.reader, self.stored, self.file.threads)

    @property
    def header(self) -> Header:
        """Header of the HDU as astropy reads it; a new object each time. Of an array as `header_text` has it."""
        from radcodec.fits.hdulist import read_header

        return read_header(self.header_text)

    @property
    def header_text(self) -> str:
        """Text of the header of the HDU: cards of 80 characters without line ends, every byte as one character.

        For an array it is the header of the FITS file that it decompresses to.
        """
        from radcodec.container.units import iter_units

        for unit in iter_units(self.file.reader):
            if unit.image == self.number:
                return unit.header.decode("latin-1")
        from radcodec.fits.arrays import minimal_header

        return minimal_header(self._record.sample_type, self.shape).decode("latin-1")

    @property
    def wcs(self) -> Any:
        """World coordinates, an ``astropy.wcs.WCS``: with inherited cards and distortion tables; read when asked for.

        Raises
        ------
        InputError
            If astropy cannot read the header.
        """
        return self._sky().wcs()

    def quick_look(self, plane: int = 0, *, full: bool = False, side: int | None = None) -> QuickLook:
        """Return a picture of one plane: from its base layer if that is good enough, else decoded; with the reason.

        Parameters
        ----------
        plane
            Number of the plane, counted over all axes but the last two.
        full
            Decode the pixels, even if the base layer is good enough.
        side
            A picture of so many pixels a side will do: a large plane is averaged tile by tile, in little memory.

        Raises
        ------
        InputError
            If there is no such plane.
        UnsupportedDataError
            If the image has no pixels.
        """
        from radcodec.decoding.quick_look import look_at

        return look_at(self.stored, plane, full=full, threads=self.file.threads, side=side)

    def preview(self, plane: int = 0, *, full: bool = False) -> npt.NDArray[np.float64]:
        """Return the physical values of a `quick_look`, float64 [H, W]; NaN where undefined."""
        return self.quick_look(plane, full=full).pixels


def _handle_of(file: RczFile, number: int) -> ImageHandle:
    """Return the handle of an image, for unpickling."""
    return file.images[number]


def _open_handle(arguments: tuple[Any, ...], number: int) -> ImageHandle:
    """Open a file again and return the handle of an image."""
    from radcodec.decoding.rcz_file import open_again

    return open_again(*arguments).images[number]

"""Read ``.rcz`` files: what of the public face restores, verifies and shows them, whole or in part."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, BinaryIO, Unpack

from radcodec.decoding.description import describe
from radcodec.decoding.keywords import CutoutKeywords, PreviewKeywords
from radcodec.decoding.rcz_file import RczFile, open_reader
from radcodec.errors import InputError
from radcodec.fits_input import open_fits
from radcodec.limits import MAX_PICTURE_SIDE
from radcodec.runtime.keywords import fill_in, spelled_out
from radcodec.runtime.parallel import usable_threads
from radcodec.runtime.paths import check_fits_name, check_output, output_file, restored_name
from radcodec.types import Kind

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from radcodec.container.report import Report
    from radcodec.decoding.rcz_file import Source, StorageOptions
    from radcodec.decoding.regions import Region
    from radcodec.encoding.keywords import Path, Progress
    from radcodec.types import HduChoice


def decode(
    data: Source,
    *,
    hdu: HduChoice | None = None,
    threads: int | None = None,
    storage_options: StorageOptions | None = None,
) -> npt.NDArray[Any]:
    """Decode a ``.rcz`` file to an array: writable, of the shape and dtype it had, in native byte order.

    A file of kind FITS gives its first image with pixels, or that of ``hdu``, physical values as astropy would give
    them.

    Parameters
    ----------
    hdu
        Number (0 is the primary HDU), name, or name and EXTVER (``"SCI,2"``) of the image.
    storage_options
        What fsspec needs where ``data`` is a URL, which is copied to a temporary file first.

    Raises
    ------
    FormatError
        If it is no sound ``.rcz`` file.
    InputError
        If there is no such HDU or it is no image; UnsupportedDataError if there is no image at all.
    ModelError
        If it needs a model that is not there.
    """
    from radcodec.decoding.image import decode_image, image_info
    from radcodec.decoding.restore import decode_array
    from radcodec.fits.arrays import to_physical

    with RczFile(data, threads=threads, storage_options=storage_options, whole=True) as file:
        file.reader.check_whole_file()
        image = file.choose(hdu).stored
        if file.reader.prelude.kind is Kind.ARRAY:
            return decode_array(file.reader, file.threads)
        return to_physical(decode_image(image, file.threads), image_info(image.coding.record))


def decompress(
    src: Path | BinaryIO | bytes,
    dst: Path | BinaryIO | None = None,
    *,
    overwrite: bool = False,
    threads: int | None = None,
    storage_options: StorageOptions | None = None,
    progress: Progress | None = None,
) -> Report:
    """Restore the FITS file of a ``.rcz`` file; gives a `Report` of what it was restored from.

    A file of kind array gives a minimal FITS file. ``dst`` is None for the name of ``src`` without ``.rcz``. A URL is
    copied to a temporary file first.
    ``progress`` is called now and then with the number of bytes done since the last call.

    Raises
    ------
    FileExistsError, OSError
        If ``dst`` exists, or the operating system refuses.
    FormatError, ModelError
        If ``src`` is no sound ``.rcz`` file or needs a model that is not there. Nothing is written then.
    """
    from radcodec.decoding.restore import decode_array, decode_fits_to
    from radcodec.fits.arrays import array_to_fits_pieces
    from radcodec.runtime.scratch import Scratch

    start = time.perf_counter()
    n_threads = usable_threads(threads)
    if dst is None:
        if not isinstance(src, (str, os.PathLike)):
            raise InputError("expected a name for the output of a stream, found none")
        dst = restored_name(os.fspath(src))
    check_output(dst, src, overwrite)
    with ExitStack() as stack:
        reader = open_reader(src, stack, storage_options=storage_options, whole=True)
        reader.check_whole_file()
        with output_file(dst, overwrite=overwrite, like=src) as out:
            if reader.prelude.kind is Kind.FITS:
                decode_fits_to(reader, out, n_threads, progress=progress)
            else:
                for piece in array_to_fits_pieces(decode_array(reader, n_threads, Scratch())):
                    out.write(piece)
        path = os.fspath(src) if isinstance(src, (str, os.PathLike)) else None
        return describe(reader, path=path, seconds=time.perf_counter() - start)


def open(source: Source, *, storage_options: StorageOptions | None = None, threads: int | None = None) -> RczFile:
    """Open a ``.rcz`` file for reading parts of it: only its header and tile index are read.

    Parameters
    ----------
    source
        A path, a URL (``https://...``, ``s3://...``, chained by ``::``), a binary file or the bytes of a file.
    storage_options
        What fsspec needs for a URL: headers, credentials, endpoints.

    Raises
    ------
    FormatError, ModelNotFoundError
        If it is no sound ``.rcz`` file as far as that.
    ImportError
        If a URL is given and the extra ``remote`` is not installed.
    OSError
        If the operating system, the server or the network refuses.
    """
    return RczFile(source, threads=threads, storage_options=storage_options)


def verify(
    src: Source,
    *,
    against: Path | BinaryIO | None = None,
    threads: int | None = None,
    storage_options: StorageOptions | None = None,
) -> Report:
    """Verify every checksum of a file, and its promise about ``against``, a FITS file; gives its `Report`.

    A URL is copied to a temporary file first.
    Where ``against`` has tile-compressed images and the file has none, these are decompressed first (``recompress``).

    Raises
    ------
    GuaranteeError
        If there is a difference to ``against`` that the mode does not allow.
    FormatError, ModelError
        If the file is damaged or needs a model that is not there.
    """
    from radcodec.decoding.verify import check_against, check_file
    from radcodec.fits.tile_compressed import plain_like

    n_threads = usable_threads(threads)
    with ExitStack() as stack:
        reader = open_reader(src, stack, storage_options=storage_options, whole=True)
        start = time.perf_counter()
        warnings = check_file(reader, n_threads)
        if against is not None:
            original = stack.enter_context(open_fits(against))
            try:
                check_against(reader, plain_like(reader.meta.hdus, original), n_threads)
            finally:
                # A difference to an original that changed meanwhile says nothing of the file.
                original.check_unchanged()
        path = os.fspath(src) if isinstance(src, (str, os.PathLike)) else None
        return describe(reader, path=path, seconds=time.perf_counter() - start, warnings=warnings)


@spelled_out(CutoutKeywords)
def cutout(
    src: Source,
    dst: Path | BinaryIO,
    region: Region | None = None,
    *,
    overwrite: bool = False,
    threads: int | None = None,
    storage_options: StorageOptions | None = None,
    **options: Unpack[CutoutKeywords],
) -> None:
    """Write a part of an image as a FITS file, its world coordinates shifted; decodes only what it needs.

    What the coordinates and the beam need goes along: distortion and coordinate tables, and rows of a table of beams.
    So do the cards that an extension inherits (INHERIT = T).

    Parameters
    ----------
    dst
        A binary stream, or a name that ends in .fits, .fit or .fts or has no ending.
    region
        ``"X0:X1,Y0:Y1"`` or ``((x0, x1), (y0, y1))``: one range for each axis, x (the fastest) first, counted from 0,
        the end not included. ``":"``, ``"10:"`` and axes that are not named take what there is. Or a NumPy index
        such as ``numpy.s_[20:40, 10:30]``, slowest axis first.
    center
        A position instead of a region: ``"RA DEC"`` in degrees or sexagesimal, in the frame of the image, or with
        ``icrs``, ``fk5``, ``fk4`` or ``galactic`` before it; or an ``astropy`` SkyCoord. All other axes stay whole.
    size
        Width and height about ``center``, such as ``"2arcmin"`` or ``"90arcsec 64pix"``, or an ``astropy`` Quantity.
        Without it the part is the one pixel that holds the centre, so that a cube gives its spectrum.
    plane
        One plane, counted over all axes but the fastest two; None keeps all.
    hdu
        The image, by its HDU's number (0 is the primary HDU), name, or name and EXTVER (``"SCI,2"``); the first one
        with pixels for None.
    partial
        Whether the part may reach outside of the image; NaN is put there, or BLANK into integers.
    storage_options
        What fsspec needs where ``src`` is a URL.

    Raises
    ------
    InputError
        If the part is empty, not inside of the image or none at all, or there is no such image.
    FormatError, ModelError, OSError
        As `decompress`.
    """
    from radcodec.decoding.cutouts import Part, cutout_pieces

    check_output(dst, src, overwrite)
    check_fits_name(dst)
    given = fill_in(CutoutKeywords, options)
    hdu = given.pop("hdu")
    with RczFile(src, threads=threads, storage_options=storage_options) as file:
        pieces = cutout_pieces(file.reader, file.choose(hdu).stored, Part(region=region, **given), file.threads)
    with output_file(dst, overwrite=overwrite, like=src) as out:
        for piece in pieces:
            out.write(piece)


@spelled_out(PreviewKeywords)
def preview(
    src: Source,
    dst: Path | BinaryIO | None = None,
    *,
    overwrite: bool = False,
    threads: int | None = None,
    storage_options: StorageOptions | None = None,
    **options: Unpack[PreviewKeywords],
) -> npt.NDArray[np.float64]:
    """Look quickly at one plane of an image, float64 [H, W]; written as a picture too where ``dst`` is given.

    From the base layer where there is one that shows the image, else decoded. The picture has an asinh stretch and
    its first row at the bottom.

    Parameters
    ----------
    dst
        A binary stream (PNG), or a name. The ending .png or none gives PNG. The endings .jpg and .jpeg give JPEG
        with the extra ``jpeg``. Other endings are refused.
    plane
        The plane, counted over all axes but the fastest two.
    hdu
        The image, as `cutout` has it.
    full
        Decode the pixels, whatever the base layer is worth.
    size
        Pixels of the longer side of the picture, at most; 2048 for None. The array keeps its size, but that of a
        plane over 4 million pixels is the picture's where one is written.
    base_only
        Write a base-only copy to ``dst``, a ``.rcz`` file, instead of a picture. It holds all images and planes, so
        ``plane``, ``hdu``, ``full`` and ``size`` are refused.
    storage_options
        What fsspec needs where ``src`` is a URL.
    on_note
        Called with a sentence where the base layer was left aside, to say why.

    Raises
    ------
    InputError
        If there is no such plane or image, or ``dst`` names no kind of picture; UnsupportedDataError if the image has
        no pixels.
    FormatError, ModelError, OSError
        As `decompress`.
    """
    given = fill_in(PreviewKeywords, options)
    if given["base_only"]:
        from radcodec.decoding.base_copy import copy_base

        if given["plane"] or given["full"] or given["hdu"] is not None or given["size"] is not None:
            raise InputError("expected base_only (--base-only) without plane, hdu, full and size, found one of them")
        return copy_base(src, dst, overwrite=overwrite, threads=threads, storage_options=storage_options)
    from radcodec.decoding.picture import picture_writer

    write = None if dst is None else picture_writer(dst, given["size"])
    if dst is not None:
        check_output(dst, src, overwrite)
    with RczFile(src, threads=threads, storage_options=storage_options) as file:
        side = None if dst is None else given["size"] or MAX_PICTURE_SIDE
        look = file.choose(given["hdu"]).quick_look(given["plane"], full=given["full"], side=side)
    if given["on_note"] is not None and look.note:
        given["on_note"](look.note)
    if dst is not None and write is not None:
        with output_file(dst, overwrite=overwrite, like=None) as out:
            out.write(write(look.pixels, look.noise))
    return look.pixels

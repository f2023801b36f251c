"""``.rcz`` files in astropy: HDU lists, and readers for ``CCDData`` and spectral-cube in its unified I/O.

Importing this module registers the format ``"rcz"`` with ``astropy.io.registry``, which has no other way to find it:
afterwards ``CCDData.read("x.fits.rcz")`` and ``SpectralCube.read("x.fits.rcz")`` work.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from astropy.io import registry
from astropy.nddata import CCDData
from astropy.nddata.ccddata import fits_ccddata_reader

from radcodec.container.layout import MAGIC
from radcodec.decoding.rcz_file import RczFile, Source
from radcodec.decoding.virtual_fits import VirtualFits
from radcodec.fits.hdulist import open_hdulist

if TYPE_CHECKING:
    from astropy.io.fits import HDUList

FORMAT = "rcz"


def open(
    src: Source,
    *,
    storage_options: Mapping[str, Any] | None = None,
    threads: int | None = None,
    cache_bytes: int | None = None,
    **options: Any,
) -> HDUList:
    """Open a ``.rcz`` file as the FITS file that it restores; closing the list closes the file.

    Headers come first; pixels and tables are decoded when they are asked for. ``hdul[0].section[...]`` decodes the
    tiles of a part alone.

    Parameters
    ----------
    src
        A path, a URL, a binary file or the bytes of a file.
    storage_options
        What fsspec needs for a URL.
    threads
        Threads to decode with; all usable cores for None.
    cache_bytes
        Memory for decoded tiles; see `RczFile.fits_file`.
    **options
        As `astropy.io.fits.open` takes them.

    Raises
    ------
    FormatError, ModelNotFoundError, OSError
        As `radcodec.open`.
    """
    file = RczFile(src, storage_options=storage_options, threads=threads)
    try:
        plain = VirtualFits(file, cache_bytes=cache_bytes, owned=True)
    except BaseException:
        file.close()
        raise
    return open_hdulist(plain, **options)


def is_rcz(origin: str, path: str | None, fileobj: Any, *args: Any, **kwargs: Any) -> bool:
    """Tell whether astropy is asked to read a ``.rcz`` file: by its first bytes, or by its name if it is not open.

    The position of an open file is what it was before.
    """
    if origin != "read":
        return False
    if fileobj is not None:
        position = fileobj.tell()
        try:
            return bool(fileobj.read(len(MAGIC)) == MAGIC)
        finally:
            fileobj.seek(position)
    if path is not None:
        return os.fspath(path).lower().endswith(".rcz")
    return bool(args) and isinstance(args[0], RczFile)


def _opened(source: Any, stack: ExitStack, options: dict[str, Any]) -> RczFile:
    """Open the file that a reader is asked for; ``stack`` closes what is opened here.

    astropy opens a path itself and closes it after reading: what is read later needs the path.
    """
    storage_options, threads = options.pop("storage_options", None), options.pop("threads", None)
    if isinstance(source, RczFile):
        return source
    name = getattr(source, "name", None)
    if isinstance(name, str) and os.path.isfile(name):
        source = name
    return stack.enter_context(RczFile(source, storage_options=storage_options, threads=threads))


def read_ccd(source: Any, *args: Any, **options: Any) -> CCDData:
    """Read ``CCDData`` as astropy does from the restored FITS file; the image is decoded.

    Parameters
    ----------
    source
        A path, a URL, a binary file or an `RczFile`.
    *args, **options
        As `astropy.nddata.fits_ccddata_reader` takes them; ``storage_options`` and ``threads`` as `radcodec.open`.
    """
    with ExitStack() as stack:
        file = _opened(source, stack, options)
        return fits_ccddata_reader(file.fits_file(), *args, **({"memmap": False} | options))


def read_cube(source: Any, *, hdu: Any = None, target_cls: Any = None, use_dask: bool = True, **options: Any) -> Any:
    """Read a cube of spectral-cube; its pixels stay in the file until they are computed.

    Parameters
    ----------
    source
        A path, a URL, a binary file or an `RczFile`.
    hdu
        The image, as `RczFile.hdu` takes it; the first one with pixels for None.
    target_cls
        The class that spectral-cube asks for.
    use_dask
        Whether to make a ``DaskSpectralCube``. Without it the whole image is decoded now.
    **options
        As spectral-cube's reader of FITS files takes them; ``storage_options`` and ``threads`` as `radcodec.open`.
    """
    from spectral_cube.io.fits import load_fits_cube

    with ExitStack() as stack:
        file = _opened(source, stack, options)
        image = file.choose(hdu)
        hdus = stack.enter_context(file.hdulist())
        if use_dask:
            # astropy takes the scale cards out of the header, as it does where it scales data itself.
            hdus[image.hdu_number].data = image.to_dask()
        return load_fits_cube(hdus, hdu=image.hdu_number, target_cls=target_cls, use_dask=use_dask, **options)


def _register() -> None:
    """Make the format known to astropy's unified I/O, for spectral-cube too where it is installed."""
    classes: list[tuple[Any, Any]] = [(CCDData, read_ccd)]
    try:
        with warnings.catch_warnings():
            # Warnings of the import of another library are no news to those who import this one.
            warnings.simplefilter("ignore")
            from spectral_cube import StokesSpectralCube
            from spectral_cube.spectral_cube import BaseSpectralCube
    except ImportError:
        pass
    else:
        classes += [(BaseSpectralCube, read_cube), (StokesSpectralCube, read_cube)]
    for data_class, reader in classes:
        registry.register_reader(FORMAT, data_class, reader, force=True)
        registry.register_identifier(FORMAT, data_class, is_rcz, force=True)


_register()

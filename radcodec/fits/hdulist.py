"""Objects of ``astropy.io.fits`` made from bytes: HDU lists of files that are decoded as they are read, and headers."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, BinaryIO

from radcodec.errors import InputError

if TYPE_CHECKING:
    from astropy.io.fits import HDUList, Header

_WRITING = ("update", "append", "ostream")


def open_hdulist(file: io.RawIOBase | BinaryIO, **options: Any) -> HDUList:
    """Open a binary file in astropy without a map of its memory; closing the list closes the file.

    Parameters
    ----------
    **options
        As `astropy.io.fits.open` takes them.

    Raises
    ------
    InputError
        If ``mode`` is one that writes.
    """
    from astropy.io import fits

    options.setdefault("memmap", False)
    try:
        mode = options.get("mode") or "readonly"
        if mode in _WRITING:
            raise InputError(
                f"expected a mode that reads (readonly, copyonwrite, denywrite), found {mode}: nothing can be written "
                "into a .rcz file, write the list to a new FITS file and compress that"
            )
        return fits.open(file, **options)
    except BaseException:
        file.close()
        raise


def read_header(text: str) -> Header:
    """Read a header from its text, one character a byte, as astropy reads it from a file."""
    from astropy.io.fits import Header

    return Header.fromfile(io.BytesIO(text.encode("latin-1")), endcard=False, padding=False)

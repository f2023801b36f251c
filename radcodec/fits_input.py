"""Open what compressing and verifying take as a FITS file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from radcodec.runtime.casa_folders import is_casa_image
from radcodec.runtime.given_files import check_fits_source

if TYPE_CHECKING:
    from radcodec.encoding.keywords import Path
    from radcodec.fits.source import FitsSource


@contextmanager
def open_fits(src: Path | BinaryIO) -> Iterator[FitsSource]:
    """Open a FITS file as `open_fits_source` does, or the FITS file that a CASA image is turned into.

    Raises
    ------
    InputError
        If ``src`` is neither a path nor a binary file.
    """
    check_fits_source(src)
    from radcodec.fits.source import FitsSource, open_fits_source

    if isinstance(src, (str, os.PathLike)) and is_casa_image(os.fspath(src)):
        from radcodec.integrations.casa import casa_to_fits

        yield FitsSource(casa_to_fits(os.fspath(src)))
        return
    with open_fits_source(src) as source:
        yield source

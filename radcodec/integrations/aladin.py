"""Images shown in ipyaladin's widget. Needs the extra ``aladin``."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from radcodec.decoding.cutouts import Part, cutout_pieces

if TYPE_CHECKING:
    from radcodec.decoding.rcz_file import RczFile
    from radcodec.types import HduChoice


def add_image(widget: Any, file: RczFile, hdu: HduChoice | None, plane: int | None, options: dict[str, Any]) -> Any:
    """Give an image of an open file to a widget as a FITS file; what ``add_fits`` of the widget returns.

    Raises
    ------
    TypeError
        If the widget has no ``add_fits``.
    RadcodecError
        If the image cannot be decoded.
    """
    from astropy.io import fits

    add_fits = getattr(widget, "add_fits", None)
    if not callable(add_fits):
        raise TypeError(
            f"expected an ipyaladin.Aladin widget, found {type(widget).__name__}: "
            'pip install "radcodec[aladin]" and give the widget that is shown'
        )
    part = Part(region=..., plane=plane)
    pieces = cutout_pieces(file.reader, file.choose(hdu).stored, part, file.threads)
    with fits.open(io.BytesIO(b"".join(pieces))) as hdus:
        return add_fits(hdus, **options)

"""``xarray.open_dataset("x.fits.rcz")``: images that decode the tiles they need, with coordinates and header.

xarray loads this module whenever it looks for an engine, so it imports nothing else at its top.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

try:
    import xarray
    from xarray.backends import BackendEntrypoint
except ImportError as _err:
    raise ImportError(
        f'expected the package xarray, found none ({_err}): install it with pip install "radcodec[xarray]"'
    ) from _err

if TYPE_CHECKING:
    from radcodec.decoding.image_handle import ImageHandle
    from radcodec.types import HduChoice

_MAGIC = b"\x89RCZ\r\n\x1a\n"
_SUFFIX = ".rcz"
_LAYOUTS = ("fits", "xradio")


class RadcodecBackend(BackendEntrypoint):  # type: ignore[misc]
    """The engine ``radcodec`` of xarray."""

    description = "Open .rcz files of radcodec: compressed FITS images and arrays, tile by tile"
    open_dataset_parameters = ("filename_or_obj", "drop_variables", "hdu", "layout", "sky_coords", "storage_options")

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        hdu: HduChoice | None = None,
        layout: str = "fits",
        sky_coords: bool = False,
        storage_options: Mapping[str, Any] | None = None,
    ) -> xarray.Dataset:
        """Open one image of a file; no pixel is decoded before it is asked for.

        Parameters
        ----------
        filename_or_obj
            A path, a URL, the bytes of a file, or a file opened for reading.
        drop_variables
            Variables to leave out.
        hdu
            The image, by its HDU's number, name, or name and EXTVER (``"SCI,2"``); the first one for None.
        layout
            ``"fits"``: one variable ``image`` with the axes of FITS. ``"xradio"``: the names and coordinates of the
            image schema of xradio, ``SKY(time, frequency, polarization, l, m)``.
        sky_coords
            Give the celestial coordinates of every pixel, computed where they are asked for.
        storage_options
            What fsspec needs for a URL.

        Raises
        ------
        InputError
            If there is no such image or layout, or the layout does not suit the image.
        FormatError
            If it is no sound ``.rcz`` file.
        """
        from radcodec.decoding.rcz_file import RczFile
        from radcodec.errors import InputError

        if layout not in _LAYOUTS:
            raise InputError(f"expected one of the layouts {', '.join(_LAYOUTS)}, found {layout!r}")
        file = RczFile(filename_or_obj, storage_options=storage_options)
        try:
            image = file.choose(hdu)
            if layout == "xradio":
                from radcodec.integrations.xradio import xradio_dataset

                dataset = xradio_dataset(image, sky_coords=sky_coords)
            else:
                dataset = _fits_dataset(image, sky_coords=sky_coords)
        except BaseException:
            file.close()
            raise
        names = [drop_variables] if isinstance(drop_variables, str) else list(drop_variables or ())
        dataset = dataset.drop_vars(names, errors="ignore")
        dataset.set_close(file.close)
        return dataset

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Tell whether this is a ``.rcz`` file: by its first bytes, by its name where they cannot be read at once."""
        source = os.fspath(filename_or_obj) if isinstance(filename_or_obj, os.PathLike) else filename_or_obj
        if isinstance(source, (bytes, bytearray, memoryview)):
            return bytes(source[: len(_MAGIC)]) == _MAGIC
        if isinstance(source, str):
            try:
                with open(source, "rb") as file:
                    return file.read(len(_MAGIC)) == _MAGIC
            except (OSError, ValueError):
                return source.split("?")[0].lower().endswith(_SUFFIX)
        try:
            place = source.tell()
            start = source.read(len(_MAGIC))
            source.seek(place)
        except Exception:  # an object of another library: whatever it raises, it is not ours
            return False
        return bool(start == _MAGIC)


def _fits_dataset(image: ImageHandle, *, sky_coords: bool) -> xarray.Dataset:
    """Return the data set of an image in the axes that FITS has."""
    from xarray.core.indexing import LazilyIndexedArray

    from radcodec.integrations.coordinates import header_attrs, image_axes, image_wcs, sky_axes, stokes_labels
    from radcodec.integrations.lazy_arrays import SkyArray, TileArray, preferred_chunks

    wcs = image_wcs(image)
    axes = image_axes(image, wcs)
    dims = tuple(axis.name for axis in axes)
    encoding = {"preferred_chunks": preferred_chunks(image, dims)}
    variable = xarray.Variable(dims, LazilyIndexedArray(TileArray(image)), header_attrs(image), encoding)
    coords: dict[str, Any] = {}
    for axis in axes:
        if axis.values is None:
            continue
        attrs = {"ctype": axis.ctype} | ({"units": axis.unit} if axis.unit else {})
        values = stokes_labels(axis.values) if axis.ctype == "STOKES" else axis.values
        coords[axis.name] = xarray.Variable((axis.name,), values, attrs)
    if sky_coords:
        sky = sky_axes(image, wcs)
        for is_latitude, name in enumerate(sky.names):
            lengths = (image.shape[sky.axes[0]], image.shape[sky.axes[1]])
            lazy = LazilyIndexedArray(SkyArray(sky, lengths, is_latitude=bool(is_latitude)))
            coords[name] = xarray.Variable((dims[sky.axes[0]], dims[sky.axes[1]]), lazy, {"units": "deg"})
    return xarray.Dataset({"image": variable}, coords=coords)

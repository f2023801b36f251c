"""An image as a data set of the image schema of xradio, CASA's successor: ``SKY(time, frequency, polarization, l, m)``.

Written for version 0.0.2 of the schema (xradio 1.3). Nothing here needs xradio.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray
from xarray.core.indexing import LazilyIndexedArray

from radcodec.decoding.cutouts import ImageSky
from radcodec.errors import InputError
from radcodec.integrations.coordinates import (
    ImageAxis,
    header_attrs,
    image_axes,
    image_wcs,
    sky_axes,
    stokes_labels,
)
from radcodec.integrations.lazy_arrays import FlagArray, SkyArray, TileArray, preferred_chunks
from radcodec.integrations.xradio_measures import (
    LIGHT_M_S,
    frequency_attrs,
    linear_part,
    make_spectrum,
    observation_date,
    sky_attrs,
    system_info,
    time_scale,
)

if TYPE_CHECKING:
    from radcodec.decoding.image_handle import ImageHandle

SCHEMA_VERSION = "0.0.2"
DIMS = ("time", "frequency", "polarization", "l", "m")
_BEAM_LABELS = ("major", "minor", "pa")
# The order of Jones matrices, that of the enumeration Stokes of casacore.
_POLARIZATIONS = ("I", "Q", "U", "V", "RR", "RL", "LR", "LL", "XX", "XY", "YX", "YY")
_NOTE = (
    "{0} is the projection plane coordinate towards the {1}, measured from the reference direction, in radians; for "
    "the SIN projection it is a direction cosine."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Places:
    """Where the axes of the data set are in the image, None where it has no such axis."""

    longitude: int
    latitude: int
    frequency: int | None
    polarization: int | None

    @property
    def order(self) -> tuple[int | None, ...]:
        """The axes of the image in the order of ``DIMS``."""
        return None, self.frequency, self.polarization, self.longitude, self.latitude


def xradio_dataset(image: ImageHandle, *, sky_coords: bool) -> xarray.Dataset:
    """Make the data set of an image; no pixel is decoded.

    Raises
    ------
    InputError
        If the image has no celestial axes, or an axis that the schema has no place for.
    """
    wcs = image_wcs(image)
    if wcs is None or not wcs.has_celestial:
        raise InputError("expected celestial coordinates for the layout xradio, found none: open it with layout='fits'")
    axes = image_axes(image, wcs)
    places = _find_places(axes, wcs, image.ndim)
    cards = header_attrs(image)
    codes = None if places.polarization is None else axes[places.polarization].values
    labels = ["I"] if codes is None else stokes_labels(codes)
    order = np.array(sorted(range(len(labels)), key=lambda place: _rank(labels[place])), np.int64)
    spectrum = make_spectrum(axes, places.frequency, cards, wcs)
    l_values, m_values = (_plane_values(wcs, image, axis) for axis in (places.longitude, places.latitude))
    coords: dict[str, Any] = {
        "time": (
            "time",
            [observation_date(wcs)],
            {"type": "time", "units": "d", "scale": time_scale(wcs), "format": "mjd"},
        ),
        "frequency": ("frequency", spectrum.frequencies, frequency_attrs(spectrum)),
        "polarization": ("polarization", [labels[place] for place in order]),
        "l": ("l", l_values, {"note": _NOTE.format("l", "east")}),
        "m": ("m", m_values, {"note": _NOTE.format("m", "north")}),
    }
    if spectrum.rest_hz:
        velocity = (1.0 - spectrum.frequencies / spectrum.rest_hz) * LIGHT_M_S
        coords["velocity"] = ("frequency", velocity, {"type": "doppler", "units": "m/s", "doppler_type": "radio"})
    if sky_coords:
        coords |= _sky_coords(image, wcs, places)
    variables = _variables(image, wcs, places, cards, order)
    dataset = xarray.Dataset(variables, coords=coords)
    group = {"sky": "SKY", "flag": "FLAG_SKY"}
    if "BEAM_FIT_PARAMS_SKY" in variables:
        group["beam_fit_params_sky"] = "BEAM_FIT_PARAMS_SKY"
        dataset = dataset.assign_coords(beam_params_label=list(_BEAM_LABELS))
    dataset.attrs = {
        "type": "image_dataset",
        "schema_version": SCHEMA_VERSION,
        "data_groups": {"base": {name: variable for name, variable in group.items() if variable in variables}},
        "coordinate_system_info": system_info(wcs),
    }
    return dataset


def _rank(label: str) -> int:
    return _POLARIZATIONS.index(label) if label in _POLARIZATIONS else len(_POLARIZATIONS)


def _find_places(axes: tuple[ImageAxis, ...], wcs: Any, n_axes: int) -> _Places:
    """Find the axes of the schema in an image; raises InputError where there are others of more than one pixel."""
    matrix = np.asarray(wcs.axis_correlation_matrix)
    longitude, latitude = (_main_axis(wcs, matrix, world, n_axes) for world in (wcs.wcs.lng, wcs.wcs.lat))
    frequency = polarization = None
    for place, axis in enumerate(axes):
        if place in (longitude, latitude):
            continue
        if axis.ctype == "STOKES":
            polarization = place
        elif axis.values is not None and wcs.wcs.spec >= 0 and axis.ctype == str(wcs.wcs.ctype[wcs.wcs.spec]):
            frequency = place
        elif axis.length > 1:
            raise InputError(
                f"expected axes of frequency, polarization and the sky for the layout xradio, found "
                f"{axis.ctype or axis.name!r}: open it with layout='fits'"
            )
    return _Places(longitude=longitude, latitude=latitude, frequency=frequency, polarization=polarization)


def _main_axis(wcs: Any, matrix: npt.NDArray[np.bool_], world: int, n_axes: int) -> int:
    """Return axis of the image that has the number of a celestial world axis, which its CRPIX and CDELT are about."""
    if world >= n_axes or not matrix[world, world]:
        raise InputError(
            "expected celestial coordinates along two axes of the image for the layout xradio, found others"
        )
    return n_axes - 1 - world


def _plane_values(wcs: Any, image: ImageHandle, axis: int) -> npt.NDArray[np.float64]:
    """Return coordinates of a celestial axis in the plane of projection, radians."""
    world = image.ndim - 1 - axis
    step = math.radians(float(linear_part(wcs)[0][world]))
    pixels = np.arange(image.shape[axis], dtype=np.float64) - (float(wcs.wcs.crpix[world]) - 1.0)
    return np.asarray(pixels * step, np.float64)


def _variables(
    image: ImageHandle, wcs: Any, places: _Places, cards: dict[str, Any], order: npt.NDArray[np.int64]
) -> dict[str, xarray.Variable]:
    """Return the variables of the data set, the pixels still in the file."""
    dtype = image.dtype if image.dtype.kind == "f" else np.dtype(np.float32 if image.dtype.itemsize < 3 else np.float64)
    is_ordered = bool((order == np.arange(len(order))).all())
    kwargs: dict[str, Any] = {"axes": places.order, "order": {} if is_ordered else {2: order}}
    tiles = preferred_chunks(image, map(str, range(image.ndim)))
    chunks = {dim: 1 if axis is None else tiles[str(axis)] for dim, axis in zip(DIMS, places.order, strict=True)}
    attrs = sky_attrs(wcs, cards)
    variables: dict[str, xarray.Variable] = {}
    if image.dtype.kind == "f":
        flags = LazilyIndexedArray(FlagArray(image, **kwargs))
        variables["FLAG_SKY"] = xarray.Variable(DIMS, flags, {"type": "flag"}, {"preferred_chunks": chunks})
        attrs["flag"] = "FLAG_SKY"
    beams = _beams(image, cards, places)
    if beams is not None:
        dims = (*DIMS[:3], "beam_params_label")
        beam_attrs = {"type": "beam_fit_params_sky", "units": "rad"}
        variables["BEAM_FIT_PARAMS_SKY"] = xarray.Variable(dims, beams[None][:, :, order], beam_attrs)
        attrs["beam_fit_params"] = "BEAM_FIT_PARAMS_SKY"
    sky = LazilyIndexedArray(TileArray(image, dtype=dtype, **kwargs))
    return {"SKY": xarray.Variable(DIMS, sky, attrs, {"preferred_chunks": chunks}), **variables}


def _beams(image: ImageHandle, cards: dict[str, Any], places: _Places) -> npt.NDArray[np.float64] | None:
    """Major axis, minor axis and position angle of each plane, radians float64 [channels, polarizations, 3]."""
    shape = tuple(1 if axis is None else image.shape[axis] for axis in (places.frequency, places.polarization))
    one = [cards.get(name) for name in ("BMAJ", "BMIN", "BPA")]
    if all(isinstance(value, (int, float)) for value in one):
        return np.broadcast_to(np.radians(np.array(one, np.float64)), (*shape, 3)).copy()
    sky = ImageSky(image.file.reader, image.stored, image.file.threads)
    cut = sky.beams([(0, length) for length in reversed(image.shape)])
    if cut is None or not cut.table:
        return None
    from astropy import units
    from astropy.io import fits

    table = fits.BinTableHDU.fromstring(cut.table)
    rows = np.stack(
        [
            (np.asarray(table.data[name], np.float64) * units.Unit(table.columns[name].unit or default)).to_value("rad")
            for name, default in (("BMAJ", "arcsec"), ("BMIN", "arcsec"), ("BPA", "deg"))
        ],
        axis=-1,
    )
    beams = np.full((*shape, 3), np.nan)
    names = table.columns.names
    channels = np.asarray(table.data["CHAN"], np.int64) if "CHAN" in names else np.arange(len(rows))
    planes = np.asarray(table.data["POL"], np.int64) if "POL" in names else np.zeros(len(rows), np.int64)
    inside = (channels >= 0) & (channels < shape[0]) & (planes >= 0) & (planes < shape[1])
    beams[channels[inside], planes[inside]] = rows[inside]
    # A table of one channel or one polarization holds for all.
    for axis, places_of in enumerate((channels, planes)):
        if len(places_of) and not places_of.any():
            beams = np.broadcast_to(beams.take([0], axis=axis), beams.shape).copy()
    return beams


def _sky_coords(image: ImageHandle, wcs: Any, places: _Places) -> dict[str, Any]:
    """Right ascension and declination, or galactic coordinates, of each pixel in radians."""
    sky = sky_axes(image, wcs)
    is_galactic = str(wcs.wcs.ctype[wcs.wcs.lng]).startswith("GLON")
    names = ("galactic_longitude", "galactic_latitude") if is_galactic else ("right_ascension", "declination")
    lengths = (image.shape[sky.axes[0]], image.shape[sky.axes[1]])
    return {
        name: xarray.Variable(
            ("l", "m"),
            LazilyIndexedArray(
                SkyArray(
                    sky,
                    lengths,
                    is_latitude=bool(is_latitude),
                    scale=math.pi / 180,
                    swapped=places.longitude != sky.axes[0],
                )
            ),
        )
        for is_latitude, name in enumerate(names)
    }

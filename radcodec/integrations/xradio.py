"""An image as a data set of the image schema of xradio, CASA's successor: ``SKY(time, frequency, polarization, l, m)``.

Written for version 0.0.2 of the schema (xradio 1.3). Nothing here needs xradio.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
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
from radcodec.integrations.lazy_arrays import FlagArray, SkyArray, TileArray
from radcodec.integrations.xarray import preferred_chunks

if TYPE_CHECKING:
    from radcodec.decoding.image_handle import ImageHandle

SCHEMA_VERSION = "0.0.2"
DIMS = ("time", "frequency", "polarization", "l", "m")
_BEAM_LABELS = ("major", "minor", "pa")
_LIGHT_M_S = 299792458.0
# Of an image without a spectral axis, as casacore and xradio have it: 1.415 GHz, 1 kHz, LSRK, the line of hydrogen.
_NO_FREQUENCY_HZ, _NO_WIDTH_HZ, _HYDROGEN_HZ = 1.415e9, 1000.0, 1420405751.7860003
# The order of Jones matrices, that of the enumeration Stokes of casacore.
_POLARIZATIONS = ("I", "Q", "U", "V", "RR", "RL", "LR", "LL", "XX", "XY", "YX", "YY")
_FRAMES = {
    "SOURCE": "REST", "LSRK": "LSRK", "LSRD": "LSRD", "BARYCENT": "BARY", "HELIOCEN": "BARY", "GEOCENTR": "GEO",
    "TOPOCENT": "TOPO", "GALACTOC": "GALACTO", "LOCALGRP": "LGROUP", "CMBDIPOL": "CMB",
}  # fmt: skip
_OBSERVERS = {"LSRK": "lsrk", "LSRD": "lsrd", "GEO": "gcrs"}
_SKY_FRAMES = {"ICRS": "icrs", "FK5": "fk5", "FK4": "fk4", "FK4-NO-E": "fk4noterms"}
_SUB_TYPES = (
    "Intensity", "Beam", "ColumnDensity", "DepolarizationRatio", "KineticTemperature", "MagneticField", "OpticalDepth",
    "RotationMeasure", "RotationalTemperature", "SpectralIndex", "Velocity", "VelocityDispersion",
)  # fmt: skip
_NOTE = (
    "{0} is the projection plane coordinate towards the {1}, measured from the reference direction, in radians; for "
    "the SIN projection it is a direction cosine."
)
# Cards that say where pixels are or how the file is laid out; all others go along as they are.
_OWN_CARDS = [
    "SIMPLE",
    "XTENSION",
    "BITPIX",
    "EXTEND",
    "PCOUNT",
    "GCOUNT",
    "BSCALE",
    "BZERO",
    "BLANK",
    "BUNIT",
    "BTYPE",
    "BMAJ",
    "BMIN",
    "BPA",
    "CASAMBM",
    "CHECKSUM",
    "DATASUM",
    "DATE",
    "DATE-OBS",
    "EPOCH",
    "EQUINOX",
    "LATPOLE",
    "LONPOLE",
    "MJD-OBS",
    "OBJECT",
    "OBSERVER",
    "OBSRA",
    "OBSDEC",
    "RADESYS",
    "RADECSYS",
    "RESTFRQ",
    "RESTFREQ",
    "RESTWAV",
    "SPECSYS",
    "TELESCOP",
    "TIMESYS",
    "VELREF",
    "WCSAXES",
    "header",
    "units",
    "HISTORY",
    "COMMENT",
]
_OWN_STARTS = ("NAXIS", "CRVAL", "CRPIX", "CTYPE", "CDELT", "CUNIT", "CROTA", "OBSGEO-", "PC", "PV", "CD")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spectrum:
    """The spectral axis in Hz; ``rest_hz`` is 0 where it is not known."""

    frequencies: npt.NDArray[np.float64] = field(repr=False)
    reference_hz: float
    width_hz: float
    rest_hz: float
    frame: str


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
    spectrum = _spectrum(axes, places, cards, wcs)
    l_values, m_values = (_plane_values(wcs, image, axis) for axis in (places.longitude, places.latitude))
    coords: dict[str, Any] = {
        "time": ("time", [_time(wcs)], {"type": "time", "units": "d", "scale": _scale(wcs), "format": "mjd"}),
        "frequency": ("frequency", spectrum.frequencies, _frequency_attrs(spectrum)),
        "polarization": ("polarization", [labels[place] for place in order]),
        "l": ("l", l_values, {"note": _NOTE.format("l", "east")}),
        "m": ("m", m_values, {"note": _NOTE.format("m", "north")}),
    }
    if spectrum.rest_hz:
        velocity = (1.0 - spectrum.frequencies / spectrum.rest_hz) * _LIGHT_M_S
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
        "coordinate_system_info": _system_info(wcs),
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
    """Axis of the image that has the number of a celestial world axis, which its CRPIX and CDELT are about."""
    if world >= n_axes or not matrix[world, world]:
        raise InputError(
            "expected celestial coordinates along two axes of the image for the layout xradio, found others"
        )
    return n_axes - 1 - world


def _linear(wcs: Any) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Increments along the axes and the matrix PC, whichever way the header has them."""
    if wcs.wcs.has_cd():
        matrix = np.asarray(wcs.wcs.cd, np.float64)
        steps = np.linalg.norm(matrix, axis=1) * np.where(np.diag(matrix) < 0, -1.0, 1.0)
        return steps, matrix / np.where(steps == 0, 1.0, steps)[:, None]
    return np.asarray(wcs.wcs.get_cdelt(), np.float64), np.asarray(wcs.wcs.get_pc(), np.float64)


def _plane_values(wcs: Any, image: ImageHandle, axis: int) -> npt.NDArray[np.float64]:
    """Coordinates of a celestial axis in the plane of projection, radians."""
    world = image.ndim - 1 - axis
    step = math.radians(float(_linear(wcs)[0][world]))
    pixels = np.arange(image.shape[axis], dtype=np.float64) - (float(wcs.wcs.crpix[world]) - 1.0)
    return np.asarray(pixels * step, np.float64)


def _spectrum(axes: tuple[ImageAxis, ...], places: _Places, cards: dict[str, Any], wcs: Any) -> _Spectrum:
    """The spectral axis as frequencies; raises InputError where a velocity has no rest frequency."""
    if places.frequency is None:
        return _Spectrum(
            frequencies=np.array([_NO_FREQUENCY_HZ]),
            reference_hz=_NO_FREQUENCY_HZ,
            width_hz=_NO_WIDTH_HZ,
            rest_hz=_HYDROGEN_HZ,
            frame="LSRK",
        )
    axis = axes[places.frequency]
    rest = float(wcs.wcs.restfrq) or (_LIGHT_M_S / float(wcs.wcs.restwav) if wcs.wcs.restwav else 0.0)
    world = len(axes) - 1 - places.frequency
    reference, step = float(wcs.wcs.crval[world]), float(_linear(wcs)[0][world])
    values = np.array([reference]) if axis.values is None else axis.values
    kind = axis.ctype[:4]
    ends = _to_hz(np.array([reference, reference + step]), kind, rest)
    # The exact step where the axis is linear in frequency, not a difference of large numbers.
    width = {"FREQ": step, "VRAD": rest * step / _LIGHT_M_S}.get(kind, float(ends[1] - ends[0]))
    frame = _FRAMES.get(str(cards.get("SPECSYS", "LSRK")).strip().upper(), "LSRK")
    return _Spectrum(
        frequencies=_to_hz(values, kind, rest),
        reference_hz=float(ends[0]),
        width_hz=abs(width),
        rest_hz=max(rest, 0.0),
        frame=frame,
    )


def _to_hz(values: npt.NDArray[np.float64], kind: str, rest_hz: float) -> npt.NDArray[np.float64]:
    """Frequencies of a spectral axis by its CTYPE, in the units that astropy gives (Hz, m/s, m)."""
    if kind == "FREQ":
        return values
    if kind == "WAVE":
        return np.asarray(_LIGHT_M_S / values, np.float64)
    if kind in ("VRAD", "VOPT", "FELO") and rest_hz > 0:
        ratio = values / _LIGHT_M_S
        return np.asarray(rest_hz * (1.0 - ratio) if kind == "VRAD" else rest_hz / (1.0 + ratio), np.float64)
    why = "a rest frequency (RESTFRQ)" if kind in ("VRAD", "VOPT", "FELO") else "FREQ, VRAD, VOPT, FELO or WAVE"
    raise InputError(f"expected {why} for the spectral axis {kind!r} in the layout xradio, found none")


def _frequency_attrs(spectrum: _Spectrum) -> dict[str, Any]:
    observer = _OBSERVERS.get(spectrum.frame, spectrum.frame)
    reference = {
        "data": spectrum.reference_hz,
        "dims": [],
        "attrs": {"units": "Hz", "observer": observer, "type": "spectral_coord"},
    }
    return {
        "type": "spectral_coord",
        "units": "Hz",
        "frame": spectrum.frame,
        "observer": observer,
        "wave_units": "mm",
        "rest_frequency": _quantity(spectrum.rest_hz, "Hz"),
        "channel_width": _quantity(spectrum.width_hz, "Hz"),
        "reference_frequency": reference,
    }


def _quantity(value: float, unit: str) -> dict[str, Any]:
    return {"data": value, "dims": [], "attrs": {"units": unit, "type": "quantity"}}


def _time(wcs: Any) -> float:
    """Modified Julian date of the observation; 0, which casacore takes for none, where the header has none."""
    date = float(wcs.wcs.mjdobs)
    return date if math.isfinite(date) else 0.0


def _scale(wcs: Any) -> str:
    scale = str(wcs.wcs.timesys or "UTC").lower()
    return scale if scale in ("utc", "tai", "tt", "ut1", "tdb", "tcb", "tcg") else "utc"


def _direction(longitude: float, latitude: float, wcs: Any) -> dict[str, Any]:
    """A direction of the sky in radians as the schema writes it."""
    names, frame = ["ra", "dec"], _SKY_FRAMES.get(str(wcs.wcs.radesys).strip().upper(), "icrs")
    attrs: dict[str, Any] = {"units": "rad", "type": "sky_coord", "frame": frame}
    if str(wcs.wcs.ctype[wcs.wcs.lng]).startswith("GLON"):
        names, attrs["frame"] = ["lon", "lat"], "galactic"
    elif frame in ("fk5", "fk4", "fk4noterms"):
        year = float(wcs.wcs.equinox)
        default = 2000.0 if frame == "fk5" else 1950.0
        attrs["equinox"] = f"{'j' if frame == 'fk5' else 'b'}{year if math.isfinite(year) else default:.1f}"
    return {
        "data": [longitude, latitude],
        "dims": ["sky_dir_label"],
        "coords": {"sky_dir_label": {"data": names, "dims": ["sky_dir_label"]}},
        "attrs": attrs,
    }


def _reference_direction(wcs: Any) -> dict[str, Any]:
    longitude, latitude = (math.radians(float(wcs.wcs.crval[world])) for world in (wcs.wcs.lng, wcs.wcs.lat))
    return _direction(longitude, latitude, wcs)


def _system_info(wcs: Any) -> dict[str, Any]:
    """The world coordinates of the sky as the schema writes them."""
    pair = [wcs.wcs.lng, wcs.wcs.lat]
    projection = str(wcs.wcs.ctype[wcs.wcs.lng])[-3:]
    found = {number: float(value) for axis, number, value in wcs.wcs.get_pv() if axis == wcs.wcs.lat + 1}
    first = 0 if projection == "ZPN" else 1
    parameters = [found.get(number, 0.0) for number in range(first, max(found) + 1)] if found else [0.0, 0.0]
    pole = {
        "data": [math.radians(float(wcs.wcs.lonpole)), math.radians(float(wcs.wcs.latpole))],
        "dims": ["ellipsoid_dir_label"],
        "coords": {"ellipsoid_dir_label": {"data": ["lon", "lat"], "dims": ["ellipsoid_dir_label"]}},
        "attrs": {"frame": "NATIVE_PROJECTION", "units": "rad", "type": "location"},
    }
    return {
        "reference_direction": _reference_direction(wcs),
        "native_pole_direction": pole,
        "projection": projection,
        "projection_parameters": parameters,
        "pixel_coordinate_transformation_matrix": _linear(wcs)[1][np.ix_(pair, pair)].tolist(),
    }


def _telescope(cards: dict[str, Any]) -> dict[str, Any]:
    telescope: dict[str, Any] = {"name": str(cards.get("TELESCOP", "")).strip() or "UNKNOWN"}
    place = [cards.get(f"OBSGEO-{axis}") for axis in "XYZ"]
    if not all(isinstance(value, (int, float)) for value in place):
        return telescope
    x, y, z = (float(value) for value in place if value is not None)
    distance = math.sqrt(x * x + y * y + z * z)
    common = {"frame": "ITRF", "coordinate_system": "geocentric", "origin_object_name": "earth", "type": "location"}
    for name, label, values, unit in (
        ("direction", ("lon", "lat"), [math.atan2(y, x), math.asin(z / distance) if distance else 0.0], "rad"),
        ("distance", ("dist",), [distance], "m"),
    ):
        dim = "ellipsoid_dir_label" if name == "direction" else "ellipsoid_dis_label"
        telescope[name] = {
            "data": values,
            "dims": [dim],
            "coords": {dim: {"data": list(label), "dims": [dim]}},
            "attrs": {**common, "units": unit},
        }
    return telescope


def _sky_attrs(wcs: Any, cards: dict[str, Any]) -> dict[str, Any]:
    """Attributes of the variable SKY."""
    ra, dec = cards.get("OBSRA"), cards.get("OBSDEC")
    pointing = _reference_direction(wcs)
    if isinstance(ra, (int, float)) and isinstance(dec, (int, float)):
        pointing = _direction(math.radians(ra), math.radians(dec), wcs)
    pointing["attrs"].pop("equinox", None)
    attrs: dict[str, Any] = {"type": "sky", "telescope": _telescope(cards), "pointing_center": pointing}
    for card, name in (("BUNIT", "units"), ("OBJECT", "object_name"), ("OBSERVER", "observer")):
        if isinstance(cards.get(card), str):
            attrs[name] = cards[card]
    if _time(wcs):
        date = {"type": "time", "units": "d", "scale": _scale(wcs), "format": "mjd"}
        attrs["obsdate"] = {"data": _time(wcs), "dims": [], "attrs": date}
    kind = str(cards.get("BTYPE", "")).replace(" ", "").lower()
    sub_type = next((name for name in _SUB_TYPES if name.lower() == kind), None)
    attrs |= {} if sub_type is None else {"sub_type": sub_type}
    attrs["user"] = {
        name.lower(): value
        for name, value in cards.items()
        if name not in _OWN_CARDS and not name.startswith(_OWN_STARTS)
    }
    return attrs


def _variables(
    image: ImageHandle, wcs: Any, places: _Places, cards: dict[str, Any], order: npt.NDArray[np.int64]
) -> dict[str, xarray.Variable]:
    """The variables of the data set, the pixels still in the file."""
    dtype = image.dtype if image.dtype.kind == "f" else np.dtype(np.float32 if image.dtype.itemsize < 3 else np.float64)
    is_ordered = bool((order == np.arange(len(order))).all())
    kwargs: dict[str, Any] = {"axes": places.order, "order": {} if is_ordered else {2: order}}
    tiles = preferred_chunks(image, map(str, range(image.ndim)))
    chunks = {dim: 1 if axis is None else tiles[str(axis)] for dim, axis in zip(DIMS, places.order, strict=True)}
    attrs = _sky_attrs(wcs, cards)
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

"""Measures of the image schema of xradio, made from world coordinates and cards: spectrum, directions, telescope."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.errors import InputError
from radcodec.integrations.coordinates import ImageAxis

LIGHT_M_S = 299792458.0
# Of an image without a spectral axis, as casacore and xradio have it: 1.415 GHz, 1 kHz, LSRK, the line of hydrogen.
_NO_FREQUENCY_HZ, _NO_WIDTH_HZ, _HYDROGEN_HZ = 1.415e9, 1000.0, 1420405751.7860003
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
# Cards that say where pixels are or how the file is laid out; all others go along as they are.
_OWN_CARDS = frozenset((
    "SIMPLE", "XTENSION", "BITPIX", "EXTEND", "PCOUNT", "GCOUNT", "BSCALE", "BZERO", "BLANK", "BUNIT", "BTYPE", "BMAJ",
    "BMIN", "BPA", "CASAMBM", "CHECKSUM", "DATASUM", "DATE", "DATE-OBS", "EPOCH", "EQUINOX", "LATPOLE", "LONPOLE",
    "MJD-OBS", "OBJECT", "OBSERVER", "OBSRA", "OBSDEC", "RADESYS", "RADECSYS", "RESTFRQ", "RESTFREQ", "RESTWAV",
    "SPECSYS", "TELESCOP", "TIMESYS", "VELREF", "WCSAXES", "header", "units", "HISTORY", "COMMENT",
))  # fmt: skip
_OWN_STARTS = ("NAXIS", "CRVAL", "CRPIX", "CTYPE", "CDELT", "CUNIT", "CROTA", "OBSGEO-", "PC", "PV", "CD")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spectrum:
    """The spectral axis in Hz; ``rest_hz`` is 0 where it is not known."""

    frequencies: npt.NDArray[np.float64] = field(repr=False)
    reference_hz: float
    width_hz: float
    rest_hz: float
    frame: str


def linear_part(wcs: Any) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return increments along the axes and the matrix PC, whichever way the header has them."""
    if wcs.wcs.has_cd():
        matrix = np.asarray(wcs.wcs.cd, np.float64)
        steps = np.linalg.norm(matrix, axis=1) * np.where(np.diag(matrix) < 0, -1.0, 1.0)
        return steps, matrix / np.where(steps == 0, 1.0, steps)[:, None]
    return np.asarray(wcs.wcs.get_cdelt(), np.float64), np.asarray(wcs.wcs.get_pc(), np.float64)


def make_spectrum(axes: tuple[ImageAxis, ...], frequency: int | None, cards: dict[str, Any], wcs: Any) -> Spectrum:
    """Return the spectral axis as frequencies; raises InputError where a velocity has no rest frequency."""
    if frequency is None:
        return Spectrum(
            frequencies=np.array([_NO_FREQUENCY_HZ]),
            reference_hz=_NO_FREQUENCY_HZ,
            width_hz=_NO_WIDTH_HZ,
            rest_hz=_HYDROGEN_HZ,
            frame="LSRK",
        )
    axis = axes[frequency]
    rest = float(wcs.wcs.restfrq) or (LIGHT_M_S / float(wcs.wcs.restwav) if wcs.wcs.restwav else 0.0)
    world = len(axes) - 1 - frequency
    reference, step = float(wcs.wcs.crval[world]), float(linear_part(wcs)[0][world])
    values = np.array([reference]) if axis.values is None else axis.values
    kind = axis.ctype[:4]
    ends = _to_hz(np.array([reference, reference + step]), kind, rest)
    # The exact step where the axis is linear in frequency, not a difference of large numbers.
    width = {"FREQ": step, "VRAD": rest * step / LIGHT_M_S}.get(kind, float(ends[1] - ends[0]))
    frame = _FRAMES.get(str(cards.get("SPECSYS", "LSRK")).strip().upper(), "LSRK")
    return Spectrum(
        frequencies=_to_hz(values, kind, rest),
        reference_hz=float(ends[0]),
        width_hz=abs(width),
        rest_hz=max(rest, 0.0),
        frame=frame,
    )


def _to_hz(values: npt.NDArray[np.float64], kind: str, rest_hz: float) -> npt.NDArray[np.float64]:
    """Return frequencies of a spectral axis by its CTYPE, in the units that astropy gives (Hz, m/s, m)."""
    if kind == "FREQ":
        return values
    if kind == "WAVE":
        return np.asarray(LIGHT_M_S / values, np.float64)
    if kind in ("VRAD", "VOPT", "FELO") and rest_hz > 0:
        ratio = values / LIGHT_M_S
        return np.asarray(rest_hz * (1.0 - ratio) if kind == "VRAD" else rest_hz / (1.0 + ratio), np.float64)
    why = "a rest frequency (RESTFRQ)" if kind in ("VRAD", "VOPT", "FELO") else "FREQ, VRAD, VOPT, FELO or WAVE"
    raise InputError(f"expected {why} for the spectral axis {kind!r} in the layout xradio, found none")


def frequency_attrs(spectrum: Spectrum) -> dict[str, Any]:
    """Make the attributes of the coordinate frequency."""
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


def observation_date(wcs: Any) -> float:
    """Modified Julian date of the observation; 0, which casacore takes for none, where the header has none."""
    date = float(wcs.wcs.mjdobs)
    return date if math.isfinite(date) else 0.0


def time_scale(wcs: Any) -> str:
    """Give the scale of the observation's date, as astropy names it."""
    scale = str(wcs.wcs.timesys or "UTC").lower()
    return scale if scale in ("utc", "tai", "tt", "ut1", "tdb", "tcb", "tcg") else "utc"


def _direction(longitude: float, latitude: float, wcs: Any) -> dict[str, Any]:
    """Return A direction of the sky in radians as the schema writes it."""
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


def system_info(wcs: Any) -> dict[str, Any]:
    """Return the world coordinates of the sky as the schema writes them."""
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
        "pixel_coordinate_transformation_matrix": linear_part(wcs)[1][np.ix_(pair, pair)].tolist(),
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


def sky_attrs(wcs: Any, cards: dict[str, Any]) -> dict[str, Any]:
    """Return attributes of the variable SKY."""
    ra, dec = cards.get("OBSRA"), cards.get("OBSDEC")
    pointing = _reference_direction(wcs)
    if isinstance(ra, (int, float)) and isinstance(dec, (int, float)):
        pointing = _direction(math.radians(ra), math.radians(dec), wcs)
    pointing["attrs"].pop("equinox", None)
    attrs: dict[str, Any] = {"type": "sky", "telescope": _telescope(cards), "pointing_center": pointing}
    for card, name in (("BUNIT", "units"), ("OBJECT", "object_name"), ("OBSERVER", "observer")):
        if isinstance(cards.get(card), str):
            attrs[name] = cards[card]
    if observation_date(wcs):
        date = {"type": "time", "units": "d", "scale": time_scale(wcs), "format": "mjd"}
        attrs["obsdate"] = {"data": observation_date(wcs), "dims": [], "attrs": date}
    kind = str(cards.get("BTYPE", "")).replace(" ", "").lower()
    sub_type = next((name for name in _SUB_TYPES if name.lower() == kind), None)
    attrs |= {} if sub_type is None else {"sub_type": sub_type}
    attrs["user"] = {
        name.lower(): value
        for name, value in cards.items()
        if name not in _OWN_CARDS and not name.startswith(_OWN_STARTS)
    }
    return attrs

"""CASA image folders as FITS files, read by casa-formats-io: pixels, mask as NaN, world coordinates, beams, history.

The header is made here from the records of the image, number by number. The library's own way leaves out projection
parameters and numbers correlations otherwise than FITS.

References
----------
Greisen and Calabretta 2002 (A&A 395, 1061), Calabretta and Greisen 2002 (A&A 395, 1077), Greisen et al. 2006 (A&A 446,
747); casacore's ImageFITSConverter for the keywords that no standard has.
"""

from __future__ import annotations

import math
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from radcodec.errors import LimitError, UnsupportedDataError
from radcodec.fits.arrays import array_to_fits_bytes
from radcodec.fits.cards import BLOCK_BYTES
from radcodec.integrations.coordinates import STOKES
from radcodec.limits import MAX_FITS_BYTES

if TYPE_CHECKING:
    from astropy.io.fits import Header

_EQUATORIAL = {"ICRS": ("ICRS", None), "J2000": ("FK5", 2000.0), "B1950": ("FK4", 1950.0), "B1950_VLA": ("FK4", 1979.9)}
_SKY_NAMES = {"GALACTIC": ("GLON", "GLAT"), "SUPERGAL": ("SLON", "SLAT"), "ECLIPTIC": ("ELON", "ELAT")}
_SPECSYS = {
    "REST": "SOURCE", "LSRK": "LSRK", "LSRD": "LSRD", "BARY": "BARYCENT", "GEO": "GEOCENTR", "TOPO": "TOPOCENT",
    "GALACTO": "GALACTOC", "LGROUP": "LOCALGRP", "CMB": "CMBDIPOL",
}  # fmt: skip
_CODES = {label: code for code, label in STOKES.items()}
_UNITS = {"'": "arcmin", '"': "arcsec"}
_KINDS = ("direction", "spectral", "stokes", "linear")
_SMALL = 1e-6  # of a channel: a table of frequencies that is as even as that is an even axis
_CARD_TEXT = 68  # characters of text in a card
# Cards of the structure and the coordinates of a file, which no keyword of a user's may be.
_OWN_CARDS = re.compile(
    r"(?:SIMPLE|XTENSION|BITPIX|EXTEND|PCOUNT|GCOUNT|GROUPS|BSCALE|BZERO|BLANK|END|COMMENT|HISTORY|CHECKSUM|DATASUM|Z[A-Z]+"
    r"|(?:NAXIS|CTYPE|CRVAL|CRPIX|CDELT|CUNIT|CROTA)[0-9]*|(?:PC|CD|PV|PS)[0-9]+_[0-9]+|RCZ[A-Z]+)?\Z"
)


class MissingCasaError(UnsupportedDataError, ImportError):
    """The package that reads CASA images is not installed."""


def casa_to_fits(path: str) -> memoryview:
    """Make the FITS file of a CASA image: float32 or float64, masked pixels NaN.

    Raises
    ------
    MissingCasaError
        If casa-formats-io is not installed.
    UnsupportedDataError
        If the image is not stored in one tiled table, or its coordinates have no way to be written as FITS.
    LimitError
        If it is larger than what is read of FITS files.
    """
    try:
        import casa_formats_io
    except ImportError as err:
        raise MissingCasaError(
            f"expected the package casa-formats-io to read the CASA image {path}, found none ({err}): install it with "
            'pip install "radcodec[casa]", or export the image with exportfits'
        ) from err
    try:
        keywords = casa_formats_io.getdesc(path)["_keywords_"]
        mask = keywords.get("Image_defaultmask") or ""
        lazy = casa_formats_io.image_to_dask(path)
        valid = casa_formats_io.image_to_dask(path, mask=mask) if mask else None
    except Exception as err:  # the package raises a dozen kinds for tables that it does not know
        raise UnsupportedDataError(
            f"expected a CASA image of one tiled table of floats, but casa-formats-io cannot read {path} "
            f"({type(err).__name__}: {err}): export it with exportfits"
        ) from err
    if lazy.nbytes > MAX_FITS_BYTES:
        raise LimitError(f"expected at most {MAX_FITS_BYTES} bytes of pixels in {path}, found {lazy.nbytes}")
    header, beams = casa_header(path, keywords, lazy.shape)
    pixels = _pixels(lazy, valid)
    return _fits_file(header, pixels, beams)


def _pixels(lazy: Any, valid: Any) -> npt.NDArray[Any]:
    """Return the pixels in native byte order, NaN where the mask says that they are not valid."""
    stored = np.asarray(lazy.compute(scheduler="synchronous"))
    pixels = np.array(stored, stored.dtype.newbyteorder("="), order="C")
    if valid is not None:
        pixels[~np.asarray(valid.compute(scheduler="synchronous"))] = np.nan
    return pixels


def _fits_file(header: Header, pixels: npt.NDArray[Any], beams: bytes) -> memoryview:
    """Return the bytes of a file of one image, and of a table of beams where there is one."""
    from astropy.io.fits import Header

    start, data, padding = array_to_fits_bytes(pixels)
    whole = Header.fromstring(start.decode("ascii"))
    if beams:
        whole["EXTEND"] = True
    whole.extend(header.cards, strip=False, end=True)
    text = whole.tostring(padding=True).encode("ascii", "replace")
    return memoryview(bytearray(b"".join((text, data, padding, beams))))


def casa_header(path: str, keywords: Mapping[str, Any], shape: Sequence[int]) -> tuple[Header, bytes]:
    """Make the cards of an image, without those of its structure, and the HDU of its beams (b"": none).

    Parameters
    ----------
    keywords
        Those of the image's table, as casa-formats-io reads them.
    shape
        Of the pixels, slowest axis first.

    Raises
    ------
    UnsupportedDataError
        If the coordinates have no way to be written as FITS.
    """
    from astropy.io.fits import Header

    header = Header()
    info, coords = keywords.get("imageinfo") or {}, keywords.get("coords") or {}
    beams = _add_info(header, info, str(keywords.get("units") or ""))
    _add_coordinates(header, path, coords, shape)
    _add_observation(header, coords)
    for name, value in (keywords.get("miscinfo") or {}).items():
        _add_other(header, str(name), value)
    header["RCZFROM"] = ("CASA image", "pixels, mask as NaN and header of it")
    for line in _history(path):
        header.add_history(line)
    return header, beams


def _degrees(quantity: Mapping[str, Any]) -> float:
    """Return an angle of a record in degrees."""
    from astropy import units

    return float(
        units.Quantity(float(quantity["value"]), _UNITS.get(quantity["unit"], quantity["unit"])).to_value("deg")
    )


def _add_info(header: Header, info: Mapping[str, Any], unit: str) -> bytes:
    """Unit, object, kind and beam of an image; the HDU of its beams where each plane has one."""
    if unit:
        header["BUNIT"] = unit
    for name, card in (("objectname", "OBJECT"), ("imagetype", "BTYPE")):
        if info.get(name):
            header[card] = str(info[name])
    beam = info.get("restoringbeam")
    if beam:
        for name, card in (("major", "BMAJ"), ("minor", "BMIN"), ("positionangle", "BPA")):
            header[card] = (_degrees(beam[name]), "[deg]")
    many = info.get("perplanebeams")
    if not many:
        return b""
    header["CASAMBM"] = (True, "beams are in the table BEAMS")
    return _beam_table(many)


def _beam_table(many: Mapping[str, Any]) -> bytes:
    """Return the HDU of a table of beams as CASA writes it: one row a channel and Stokes parameter."""
    import io

    from astropy.io import fits

    n_channels, n_stokes = int(many["nChannels"]), int(many["nStokes"])
    beams = [many[f"*{number}"] for number in range(n_channels * n_stokes)]
    parts = [[_degrees(beam[name]) for beam in beams] for name in ("major", "minor", "positionangle")]
    # Beams are numbered with the channel fastest.
    channels = [number % n_channels for number in range(len(beams))]
    columns = [
        fits.Column("BMAJ", "1D", "deg", array=parts[0]),
        fits.Column("BMIN", "1D", "deg", array=parts[1]),
        fits.Column("BPA", "1D", "deg", array=parts[2]),
        fits.Column("CHAN", "1J", array=channels),
        fits.Column("POL", "1J", array=[number // n_channels for number in range(len(beams))]),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="BEAMS")
    table.header["NCHAN"], table.header["NPOL"] = n_channels, n_stokes
    content = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(content)
    return content.getvalue()[BLOCK_BYTES:]


def _add_coordinates(header: Header, path: str, coords: Mapping[str, Any], shape: Sequence[int]) -> None:
    """Return the world coordinates of all axes."""
    n_axes, done = len(shape), 0
    header["WCSAXES"] = n_axes
    for number in range(n_axes + 1):
        kind = next((kind for kind in _KINDS if f"{kind}{number}" in coords), None)
        if kind is None:
            if f"worldmap{number}" in coords:
                raise UnsupportedDataError(
                    f"expected coordinates of the sky, spectrum, polarization or linear axes in {path}, found others "
                    "(tables, quality): export the image with exportfits"
                )
            continue
        record = coords[f"{kind}{number}"]
        worlds, pixels = (np.atleast_1d(coords[f"{name}{number}"]).tolist() for name in ("worldmap", "pixelmap"))
        if worlds != pixels or any(not 0 <= axis < n_axes for axis in pixels):
            raise UnsupportedDataError(
                f"expected an image whose axes all have coordinates of their own order in {path}, found axes {pixels} "
                f"with coordinates {worlds}: export the image with exportfits"
            )
        axes = [axis + 1 for axis in pixels]
        done += len(axes)
        _ADDERS[kind](header, path, record, axes)
        if kind == "stokes":
            _check_length(path, len(record["stokes"]), shape[n_axes - axes[0]])
    if done != n_axes:
        raise UnsupportedDataError(f"expected coordinates of {n_axes} axes in {path}, found {done}: use exportfits")


def _check_length(path: str, found: int, expected: int) -> None:
    if found != expected:
        raise UnsupportedDataError(f"expected {expected} Stokes parameters for the axis of {path}, found {found}")


def _add_axis(header: Header, axis: int, ctype: str, values: tuple[float, float, float], unit: str) -> None:
    """Return one axis: reference value, increment and reference pixel, counted from 0."""
    header[f"CTYPE{axis}"] = ctype
    header[f"CRVAL{axis}"], header[f"CDELT{axis}"], header[f"CRPIX{axis}"] = values[0], values[1], values[2] + 1.0
    header[f"CUNIT{axis}"] = _UNITS.get(unit, unit)


def _add_matrix(header: Header, axes: Sequence[int], matrix: Any) -> None:
    for row, i in zip(np.atleast_2d(matrix), axes, strict=True):
        for value, j in zip(row, axes, strict=True):
            if float(value) != (i == j):
                header[f"PC{i}_{j}"] = float(value)


def _in_degrees(value: float, unit: str) -> float:
    return math.degrees(value) if unit == "rad" else _degrees({"value": value, "unit": unit})


def _add_direction(header: Header, path: str, record: Mapping[str, Any], axes: Sequence[int]) -> None:
    """Return the two axes of the sky, in degrees."""
    system, projection = str(record["system"]), str(record["projection"])
    names = ("RA", "DEC") if system in _EQUATORIAL else _SKY_NAMES.get(system)
    if names is None:
        raise UnsupportedDataError(
            f"expected a frame of the sky that FITS has ({', '.join((*_EQUATORIAL, *_SKY_NAMES))}) in {path}, found "
            f"{system}: export the image with exportfits"
        )
    for place, (axis, name) in enumerate(zip(axes, names, strict=True)):
        unit = str(record["units"][place])
        value, step = (_in_degrees(float(record[key][place]), unit) for key in ("crval", "cdelt"))
        if name in ("RA", "GLON", "SLON", "ELON"):
            value %= 360.0
        ctype = f"{name:-<5}{projection}"
        _add_axis(header, axis, ctype, (value, step, float(record["crpix"][place])), "deg")
    _add_matrix(header, axes, record["pc"])
    header["LONPOLE"], header["LATPOLE"] = float(record["longpole"]), float(record["latpole"])
    first = 0 if projection == "ZPN" else 1
    for number, parameter in enumerate(np.atleast_1d(record.get("projection_parameters", ())), start=first):
        if float(parameter):
            header[f"PV{axes[1]}_{number}"] = float(parameter)
    if system in _EQUATORIAL:
        frame, equinox = _EQUATORIAL[system]
        header["RADESYS"] = frame
        if equinox is not None:
            header["EQUINOX"] = equinox


def _add_spectral(header: Header, path: str, record: Mapping[str, Any], axes: Sequence[int]) -> None:
    """Return the spectral axis. A table of frequencies is an even axis or is refused."""
    table = record.get("tabular")
    if table:
        places, values = (np.asarray(table[key], np.float64) for key in ("pixelvalues", "worldvalues"))
        step = (values[-1] - values[0]) / (places[-1] - places[0]) if len(values) > 1 else float(table["cdelt"][0])
        even = values[0] + (places - places[0]) * step
        if len(values) > 1 and np.abs(values - even).max() > _SMALL * abs(step):
            raise UnsupportedDataError(
                f"expected evenly spaced channels in {path}, found a table of others, which one FITS axis cannot hold: "
                "regrid the image"
            )
        numbers, unit, ctype = (float(values[0]), float(step), float(places[0])), str(table["units"][0]), "FREQ"
    else:
        wcs = record["wcs"]
        numbers, unit = (float(wcs["crval"]), float(wcs["cdelt"]), float(wcs["crpix"])), str(record["unit"])
        ctype = str(wcs["ctype"])
    _add_axis(header, axes[0], ctype, numbers, unit)
    if float(record.get("restfreq") or 0.0) > 0:
        header["RESTFRQ"] = (float(record["restfreq"]), "[Hz]")
    if record.get("system") in _SPECSYS:
        header["SPECSYS"] = _SPECSYS[str(record["system"])]


def _add_stokes(header: Header, path: str, record: Mapping[str, Any], axes: Sequence[int]) -> None:
    """Return the axis of Stokes parameters by their labels: the numbers of casacore are others than those of FITS."""
    labels = [str(label) for label in np.atleast_1d(record["stokes"])]
    codes = [_CODES.get(label, 0) for label in labels]
    steps = {second - first for first, second in pairwise(codes)}
    if 0 in codes or len(steps) > 1:
        raise UnsupportedDataError(
            f"expected polarizations that FITS numbers evenly (I Q U V, RR LL, XX YY) in {path}, found "
            f"{' '.join(labels)}: split the image"
        )
    _add_axis(header, axes[0], "STOKES", (float(codes[0]), float(next(iter(steps), 1)), 0.0), "")


def _add_linear(header: Header, path: str, record: Mapping[str, Any], axes: Sequence[int]) -> None:
    """Return axes without a meaning in the sky."""
    for place, axis in enumerate(axes):
        numbers = (float(record["crval"][place]), float(record["cdelt"][place]), float(record["crpix"][place]))
        _add_axis(header, axis, str(record["axes"][place]).upper(), numbers, str(record["units"][place]))
    _add_matrix(header, axes, record["pc"])


_ADDERS = {"direction": _add_direction, "spectral": _add_spectral, "stokes": _add_stokes, "linear": _add_linear}


def _add_observation(header: Header, coords: Mapping[str, Any]) -> None:
    """Telescope, observer, date and pointing."""
    for name, card in (("telescope", "TELESCOP"), ("observer", "OBSERVER")):
        if coords.get(name) and coords[name] != "UNKNOWN":
            header[card] = str(coords[name])
    date = coords.get("obsdate") or {}
    mjd, scale = float((date.get("m0") or {}).get("value") or 0.0), str(date.get("refer", "UTC"))
    if mjd and scale.lower() in ("utc", "tai", "tt", "tdb", "tcb", "tcg", "ut1"):
        from astropy.time import Time

        header["TIMESYS"] = scale
        header["DATE-OBS"] = Time(mjd, format="mjd", scale=scale.lower(), precision=6).isot
        header["MJD-OBS"] = mjd
    place = coords.get("telescopeposition")
    if place and place.get("refer") == "ITRF":
        longitude, latitude, distance = (float(place[f"m{number}"]["value"]) for number in range(3))
        header["OBSGEO-X"] = distance * math.cos(longitude) * math.cos(latitude)
        header["OBSGEO-Y"] = distance * math.sin(longitude) * math.cos(latitude)
        header["OBSGEO-Z"] = distance * math.sin(latitude)
    pointing = coords.get("pointingcenter") or {}
    if pointing and not pointing.get("initial", True):
        header["OBSRA"], header["OBSDEC"] = (math.degrees(float(value)) for value in pointing["value"])


def _add_other(header: Header, name: str, value: Any) -> None:
    """Return A keyword of the user's own, where a card can hold it and no other card has its name."""
    keyword = name.upper()
    if isinstance(value, np.generic):
        value = value.item()
    if keyword in header or _OWN_CARDS.match(keyword) or not isinstance(value, (str, bool, int, float)):
        return
    if isinstance(value, float) and not math.isfinite(value):
        return
    is_plain = len(keyword) <= 8 and all(char.isalnum() or char in "-_" for char in keyword)
    if isinstance(value, str):
        value = "".join(char if " " <= char <= "~" else "?" for char in value)
    text = keyword if is_plain else f"HIERARCH {name}"
    if len(text) + len(str(value)) > _CARD_TEXT and not is_plain:
        return
    header[text] = value


def _history(path: str) -> list[str]:
    """Return the messages of the image's log, cut to the length of cards.

    Where the log cannot be read there are none, and a warning.
    """
    from casa_formats_io.casa_low_level_io.table import CASATable

    log = os.path.join(path, "logtable")
    if not os.path.isdir(log):
        return []
    try:
        messages = [str(message) for message in CASATable.read(log).as_astropy_table()["MESSAGE"]]
    except Exception as err:  # the log is no part of what is promised; the package raises a dozen kinds
        warnings.warn(
            f"the log of the CASA image {path} is left out: casa-formats-io cannot read it "
            f"({type(err).__name__}: {err})",
            UserWarning,
            stacklevel=2,
        )
        return []
    return ["".join(char if " " <= char <= "~" else " " for char in message) for message in messages]

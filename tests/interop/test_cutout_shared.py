"""Cut-outs of every image of the shared data beside astropy's: the same pixels, the same sky, also by position."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales
from conftest import find_shared_data

import radcodec

_ROOT = find_shared_data()
_FOLDERS = ("cubes", "oddities", "reports", "telescopes")
NAMES = sorted(
    str(path.relative_to(_ROOT))
    for folder in (_FOLDERS if _ROOT is not None else ())
    for path in (_ROOT / folder).iterdir()  # type: ignore[operator]
    if path.name.endswith((".fits", ".fits.gz")) and path.stat().st_size < 200_000
)
pytestmark = pytest.mark.filterwarnings("ignore")


def plain_bytes(path: Path) -> bytes:
    """The FITS file without gzip."""
    content = path.read_bytes()
    return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


def make_wcs(header: Any, hdus: fits.HDUList) -> WCS | None:
    """World coordinates as astropy reads them; None where there are none or it cannot."""
    if not any(keyword.startswith(("CTYPE", "CRVAL", "CD1_")) for keyword in header):
        return None
    try:
        return WCS(header, hdus)
    except Exception:
        return None


def merged(header: fits.Header, primary: fits.Header) -> fits.Header:
    """A header with the primary's coordinates frame, as INHERIT = T asks for."""
    header = header.copy()
    if header.get("INHERIT") is True:
        for keyword in ("RADESYS", "EQUINOX"):
            if keyword in primary and keyword not in header:
                header[keyword] = primary[keyword]
    return header


def same_places(before: WCS, after: WCS, first: list[int], lengths: list[int]) -> None:
    """Every corner and the middle of a cut-out has the world coordinates that it had."""
    grid = np.array([[0.0] * len(first), [(n - 1) / 2 for n in lengths], [n - 1.0 for n in lengths]])
    grid = np.vstack([grid, [n - 1.0 if axis % 2 else 0.0 for axis, n in enumerate(lengths)]])
    n = before.naxis
    grid, shift = (np.pad(part, [(0, 0), (0, n - len(first))]) for part in (grid, np.array([first], float)))
    try:
        expected = before.all_pix2world(grid + shift, 0)
    except Exception as error:
        with pytest.raises(type(error)):
            after.all_pix2world(grid, 0)
        return
    found = after.all_pix2world(grid, 0)
    scale = np.maximum(np.abs(expected), 1.0)
    celestial = [axis for axis in (before.wcs.lng, before.wcs.lat) if axis >= 0]
    scale[:, celestial] = 1.0
    np.testing.assert_allclose(found / scale, expected / scale, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_every_image_of_every_file(shared_data: Path, name: str) -> None:
    """The upper right three quarters of each image are astropy's pixels, and have the sky that they had."""
    content = plain_bytes(shared_data / name)
    packed = io.BytesIO()
    radcodec.compress(io.BytesIO(content), packed, preview=0, threads=1, verify=False)
    with radcodec.open(packed.getvalue(), threads=1) as file, fits.open(io.BytesIO(content)) as hdus:
        for image in file.images:
            original = hdus[image.hdu_number]
            if not image.shape or not isinstance(original, (fits.PrimaryHDU, fits.ImageHDU)):
                continue
            first = [length // 4 for length in reversed(image.shape)]
            lengths = [max(1, length // 2) for length in reversed(image.shape)]
            region = ",".join(f"{a}:{a + n}" for a, n in zip(first, lengths, strict=True))
            cut = io.BytesIO()
            radcodec.cutout(packed.getvalue(), cut, region, hdu=image.hdu_number, threads=1)
            with fits.open(io.BytesIO(cut.getvalue())) as parts:
                key = tuple(slice(a, a + n) for a, n in zip(first[::-1], lengths[::-1], strict=True))
                assert parts[0].data.dtype == original.data.dtype
                assert np.ascontiguousarray(original.data[key]).tobytes() == parts[0].data.tobytes()
                before = make_wcs(merged(original.header, hdus[0].header), hdus)
                after = make_wcs(parts[0].header, parts)
                assert (before is None) == (after is None)
                if before is not None and after is not None:
                    same_places(before, after, first, lengths)


SKIES = [
    "oddities/1904-66_SIN_3d.fits",
    "oddities/1904-66_AIR.fits",
    "oddities/dist_lookup.fits.gz",
    "reports/bdsf_pyrank.fits",
    "reports/cc_mexinputtest.fits",
    "telescopes/mwa-fornaxa.fits",
]


@pytest.mark.parametrize("name", SKIES)
def test_fields_on_the_sky(shared_data: Path, name: str) -> None:
    """A field about the sky position of a pixel has the pixels and the sky of Cutout2D, and all of the other axes."""
    content = plain_bytes(shared_data / name)
    packed = io.BytesIO()
    radcodec.compress(io.BytesIO(content), packed, preview=0, threads=1, verify=False)
    with radcodec.open(packed.getvalue(), threads=1) as file, fits.open(io.BytesIO(content)) as hdus:
        image = file.images[0]
        original = hdus[image.hdu_number]
        wcs = WCS(merged(original.header, hdus[0].header), hdus)
        sky = wcs if wcs.naxis == 2 else wcs.celestial
        height, width = image.shape[-2:]
        x, y = width * 0.4 + 0.23, height * 0.55 - 0.3
        longitude, latitude = (float(value) for value in sky.all_pix2world(x, y, 0))
        arcsec = proj_plane_pixel_scales(sky) * 3600
        size = (float(arcsec[0] * (width // 3)), float(arcsec[1] * (height // 4)))  # width, height
        cut = io.BytesIO()
        radcodec.cutout(
            packed.getvalue(),
            cut,
            center=f"{longitude!r} {latitude!r}",
            size=f"{size[0]!r}arcsec {size[1]!r}arcsec",
            threads=1,
        )
        with fits.open(io.BytesIO(cut.getvalue())) as parts:
            data = original.data.reshape(-1, height, width)
            expected = Cutout2D(data[0], (x, y), (height // 4, width // 3) * units.pix, wcs=sky, mode="strict")
            assert parts[0].data.shape == (*image.shape[:-2], *expected.shape)
            assert np.array_equal(parts[0].data.reshape(-1, *expected.shape)[0], expected.data, equal_nan=True)
            found = WCS(parts[0].header, parts)
            found = found if found.naxis == 2 else found.celestial
            corners = np.array([[0.0, 0.0], [expected.shape[1] - 1.0, expected.shape[0] - 1.0]])
            x0, y0 = expected.origin_original
            there = sky.all_pix2world(corners + [x0, y0], 0)
            np.testing.assert_allclose(found.all_pix2world(corners, 0), there, rtol=0, atol=1e-9)

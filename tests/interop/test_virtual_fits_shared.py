"""Every file of the shared data as a virtual FITS file: its bytes, and what astropy makes of it."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from conftest import find_shared_data

import radcodec

_ROOT = find_shared_data()
NAMES = sorted(
    str(path.relative_to(_ROOT))
    for folder in (_ROOT.iterdir() if _ROOT is not None else ())
    for path in (folder.rglob("*") if folder.is_dir() else ())
    if path.name.endswith((".fits", ".fits.gz", ".fits.bz2", ".fz"))
)
# Images of one survey are of one kind: every so many of them are tried.
NAMES = [name for number, name in enumerate(NAMES) if not name.startswith("first/") or number % 24 == 0]
pytestmark = pytest.mark.filterwarnings("ignore")


def plain_fits(path: Path) -> bytes | None:
    """The FITS file that a file is or holds, None where it is none."""
    content = path.read_bytes()
    if content.startswith(b"\x1f\x8b"):
        content = gzip.decompress(content)
    elif content.startswith(b"BZh"):
        content = bz2.decompress(content)
    return content if content.startswith(b"SIMPLE  =") else None


def compressed(plain: bytes, **options: Any) -> bytes:
    """A FITS file as ``.rcz``."""
    out = io.BytesIO()
    radcodec.compress(io.BytesIO(plain), out, preview=0, threads=1, tile=64, verify=False, **options)
    return out.getvalue()


def content_of(hdu: Any) -> Any:
    """Data of an HDU as bytes and types, or the error that astropy has for them."""
    try:
        data = hdu.data
        if data is None:
            return None
        if isinstance(hdu, (fits.BinTableHDU, fits.TableHDU)) and not isinstance(hdu, fits.CompImageHDU):
            return [(name, repr(np.asarray(data[name]).tolist())) for name in data.names]
        return data.dtype.str, data.shape, np.asarray(data).tobytes()
    except Exception as err:
        return type(err), str(err)


def section_of(hdu: Any) -> Any:
    """A section of an image away from its borders, or the error that astropy has for it."""
    if not isinstance(hdu, (fits.PrimaryHDU, fits.ImageHDU)) or not hdu.shape:
        return None
    try:
        part = hdu.section[tuple(slice(length // 3, length // 2 + 1) for length in hdu.shape)]
        return part.dtype.str, part.shape, part.tobytes()
    except Exception as err:
        return type(err), str(err)


def described(file: Any, **options: Any) -> Any:
    """Everything that astropy says of a FITS file, HDU by HDU, or its error."""
    found = []
    try:
        with fits.open(file, memmap=False, **options) as hdus:
            for hdu in hdus:
                found.append([card.image for card in hdu.header.cards] if "NAXIS" in hdu.header else repr(hdu.header))
                found.append((type(hdu).__name__, section_of(hdu), content_of(hdu)))
    except Exception as err:
        found.append((type(err), str(err)))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_file_of_the_shared_data(name: str) -> None:
    """The virtual file has the bytes of the original; headers, sections, data and tables are those of astropy."""
    assert _ROOT is not None
    plain = plain_fits(_ROOT / name)
    if plain is None:
        pytest.skip("no FITS file")
    with radcodec.open(compressed(plain), threads=1) as file:
        with file.fits_file() as virtual:
            assert hashlib.sha256(virtual.read()).digest() == hashlib.sha256(plain).digest()
        for options in ({}, {"do_not_scale_image_data": True}):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                assert described(file.fits_file(), **options) == described(io.BytesIO(plain), **options)
        with fits.open(io.BytesIO(plain), memmap=False, ignore_missing_simple=True) as hdus:
            images = {image.hdu_number: image.header for image in file.images}
            for number, header in images.items():
                assert repr(header) == repr(hdus[number].header)


def size_of(name: str) -> int:
    """Bytes of a file of the shared data."""
    assert _ROOT is not None
    return (_ROOT / name).stat().st_size


SMALL = [name for name in NAMES if not name.startswith("first/") and size_of(name) < 300_000]
LOSSY = [name for name in SMALL if name.startswith(("cubes/", "telescopes/", "reports/"))]


@pytest.mark.parametrize(
    ("name", "options"),
    [*((name, {"max_error": "0.25sigma"}) for name in SMALL), *((name, {"lossy": True}) for name in LOSSY)],
    ids=str,
)
def test_bounded_and_lossy_files(name: str, options: dict[str, Any]) -> None:
    """In modes with a loss the virtual file has the bytes that decompress writes."""
    assert _ROOT is not None
    plain = plain_fits(_ROOT / name)
    if plain is None:
        pytest.skip("no FITS file")
    packed, out = compressed(plain, **options), io.BytesIO()
    radcodec.decompress(packed, out, threads=1)
    with radcodec.open(packed, threads=1) as file, file.fits_file() as virtual:
        assert hashlib.sha256(virtual.read()).digest() == hashlib.sha256(out.getvalue()).digest()

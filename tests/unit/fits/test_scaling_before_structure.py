"""Tile-compressed images whose scaling cards stand before the cards of the image, as astropy 6.1 wrote them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from astropy.io import fits

import radcodec


def _as_astropy_6_1_wrote(image: np.ndarray) -> bytes:
    """A file with BSCALE and BZERO between TFIELDS and TTYPE1 of the table; funpack refuses it, astropy reads it."""
    out = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(image, compression_type="RICE_1")]).writeto(out)
    data = out.getvalue()
    cards = [data[start : start + 80] for start in range(2880, 5760, 80)]
    scaling = [card for card in cards if card[:8] in (b"BSCALE  ", b"BZERO   ")]
    rest = [card for card in cards if card not in scaling]
    place = next(number for number, card in enumerate(rest) if card.startswith(b"TTYPE1"))
    return data[:2880] + b"".join([*rest[:place], *scaling, *rest[place:]]) + data[5760:]


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32])
def test_the_restored_image_starts_as_fits_demands(dtype: type) -> None:
    """XTENSION is the first card (FITS 4.0, 3.4.1), and the pixels are those that went in."""
    image = (np.arange(70 * 64).reshape(70, 64) % 1000 + 40000).astype(dtype)
    source, packed, restored = io.BytesIO(_as_astropy_6_1_wrote(image)), io.BytesIO(), io.BytesIO()
    report = radcodec.compress(source, packed, recompress=True, preview=0)
    assert [hdu["kind"] for hdu in report.hdus] == ["empty", "image"]
    radcodec.decompress(packed.getvalue(), restored)
    data = restored.getvalue()
    keywords = [data[start : start + 8].decode().rstrip() for start in range(2880, 2880 + 7 * 80, 80)]
    assert keywords == ["XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT"]
    with fits.open(io.BytesIO(data)) as hdul:
        assert type(hdul[1]) is fits.ImageHDU
        assert np.array_equal(hdul[1].data, image)
        assert hdul[1].data.dtype == image.dtype

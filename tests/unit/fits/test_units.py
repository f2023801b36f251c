"""Bounds with units."""

from __future__ import annotations

from fractions import Fraction

import pytest

from radcodec.errors import BoundError
from radcodec.fits.units import convert_bound


@pytest.mark.parametrize(
    ("text", "bunit", "exact"),
    [
        ("20uJy/beam", "JY/BEAM", "2e-5"),
        ("20uJy/beam", "Jy/beam", "2e-5"),
        ("2 mJy / beam", "Jy beam-1", "2e-3"),
        ("20 uJy/beam", "mJy/bm", "2e-2"),
        ("3mK", "K", "3e-3"),
        ("1Jy/sr", "MJY/SR", "1e-6"),
        ("1.5Jy/beam", "JY/BEAM  ", "1.5"),
    ],
)
def test_conversions_round_downwards(text: str, bunit: str, exact: str) -> None:
    """Prefixes convert as decimal numbers, to the largest float64 that is not over the exact value."""
    found = convert_bound(text, bunit)
    assert Fraction(found) <= Fraction(exact)
    assert found == pytest.approx(float(exact), rel=1e-15)


@pytest.mark.parametrize(
    ("text", "bunit", "match"),
    [("3K", "JY/BEAM", "converts"), ("3parrot", "Jy", "parrot"), ("3Jy", "parrot", "parrot"), ("3", "Jy", "a unit")],
)
def test_units_that_do_not_convert(text: str, bunit: str, match: str) -> None:
    """Unknown units, and ones of another kind, are refused."""
    with pytest.raises(BoundError, match=match):
        convert_bound(text, bunit)

"""The line about a compressed file names its bound in the image's unit and in units of the noise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from radcodec.cli.compress import summary
from radcodec.container.report import Report


def _report(**values: Any) -> Report:
    """A report of a bounded file of two images, one of them exact."""
    report = Report(
        mode="bounded", kind="fits", size_bytes=1000, original_bytes=4000, pixels=1000, bits_per_pixel=8.0,
        payload_bits_per_pixel=7.0, max_error=2.5e-5, max_error_sigma=None, sigma=None, model=None, format_version=0,
        writer="", base_only=False, layers=[], original_sha256=None, restored_sha256="", path="x.rcz",
        hdus=[{"kind": "image", "max_error": None, "unit": "K"},
              {"kind": "image", "max_error": 2.5e-5, "unit": "Jy/beam"}],
    )  # fmt: skip
    return replace(report, **values)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"max_error_sigma": 0.125, "sigma": 2e-4}, "bounded (max error 2.5e-05 Jy/beam = 0.125 sigma)"),
        ({"sigma": 1e-4}, "bounded (max error 2.5e-05 Jy/beam = 0.25 sigma)"),
        ({}, "bounded (max error 2.5e-05 Jy/beam)"),
        ({"hdus": [{"kind": "image", "max_error": 2.5e-5, "unit": ""}]}, "bounded (max error 2.5e-05)"),
        ({"mode": "lossless", "max_error": None}, "  lossless  4.00 kB -> 1.00 kB  4.00x  8.000 bits/px"),
    ],
)
def test_the_bound_in_the_summary(values: dict[str, Any], words: str) -> None:
    """The unit is that of the image whose bound is the largest; the noise is given where it is known."""
    assert words in summary("x.fits", _report(**values))

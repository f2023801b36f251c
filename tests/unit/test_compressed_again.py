"""Images that were compressed before: the noise on record, and headers that never claim less error than there is."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pytest
from astropy.io import fits

import radcodec

Options = dict[str, object]


def _correlated(*shape: int, seed: int = 5) -> np.ndarray:
    white = np.random.default_rng(seed).normal(size=shape)
    for axis in (-2, -1):
        white = sum(np.roll(white, shift, axis) * weight for shift, weight in ((-1, 0.6), (0, 1.0), (1, 0.6)))
    return np.asarray(white, np.float32)


def _file(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    fits.PrimaryHDU(image).writeto(buffer, checksum=True)
    return buffer.getvalue()


def _again(data: bytes, **options: object) -> tuple[bytes, radcodec.Report]:
    packed, restored = io.BytesIO(), io.BytesIO()
    report = radcodec.compress(io.BytesIO(data), packed, threads=1, preview=0, **options)  # type: ignore[arg-type]
    radcodec.decompress(io.BytesIO(packed.getvalue()), restored, threads=1)
    return restored.getvalue(), report


def _hdu(data: bytes) -> fits.PrimaryHDU:
    return fits.open(io.BytesIO(data), checksum=True)[0]


def _part(data: np.ndarray, header: fits.Header) -> bytes:
    """A file of changed pixels that kept its header."""
    buffer = io.BytesIO()
    kept = header.copy()
    kept.remove("CHECKSUM")
    kept.remove("DATASUM")
    fits.PrimaryHDU(np.ascontiguousarray(data, np.float32), kept).writeto(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("bound", ["0.125sigma", "0.5sigma", "1sigma"])
def test_the_same_bound_in_sigma_changes_nothing_more(bound: str) -> None:
    """Each generation after the first restores to the file of the first, byte for byte."""
    first, report = _again(_file(_correlated(96, 96)), max_error=bound)
    assert report.max_error is not None
    for _ in range(2):
        again, report = _again(first, max_error=bound)
        assert again == first
    assert any("compressed before" in warning for warning in report.warnings)


def test_planes_of_a_cube_change_nothing_more() -> None:
    """Planes that each have their own noise are found on their own steps again."""
    cube = _correlated(4, 64, 64) * np.array([1, 3, 0.2, 1.7], np.float32)[:, None, None]
    first, _ = _again(_file(cube), max_error="0.25sigma")
    assert _again(first, max_error="0.25sigma")[0] == first


@pytest.mark.parametrize(
    "steps",
    [
        [{"max_error": "0.5sigma"}, {"max_error": "0.25sigma"}, {"max_error": "1sigma"}],
        [{"max_error": 0.3}, {"max_error": 0.2}, {"max_error": "0.25sigma"}],
        [{"max_error": "0.5localsigma"}, {"max_error": "0.5sigma"}, {"max_error": "0.5localsigma"}],
        [{"max_error": 0.3, "dither": True}, {"max_error": "0.5sigma", "dither": True}, {"max_error": 0.3}],
    ],
)
def test_the_header_never_claims_less_error_than_there_is(steps: Sequence[Options]) -> None:
    """In any mix of bounds, RCZMAXE is at least the error against the first original, and not over the sum of E."""
    image = _correlated(80, 80)
    data, total = _file(image), 0.0
    for options in steps:
        data, report = _again(data, **options)
        total += report.max_error or 0.0
        hdu = _hdu(data)
        error = np.abs(hdu.data.astype(np.float64) - image).max()
        assert error <= hdu.header["RCZMAXE"] <= total * (1 + 1e-12)
    assert hdu.header["RCZMODE"] == "bounded"


def test_changed_images_are_measured_anew() -> None:
    """A smoothed image lies on no steps on record: its own noise counts, and a warning names the earlier bound."""
    first, _ = _again(_file(_correlated(96, 96)), max_error="0.5sigma")
    hdu = _hdu(first)
    before = hdu.header["RCZMAXE"]
    smooth = sum(np.roll(hdu.data, shift, 0) for shift in range(8)) / np.float32(8)
    data, report = _again(_part(smooth, hdu.header), max_error="0.5sigma")
    expected = 0.5 * 1.4826 * float(np.median(np.abs(smooth - np.median(smooth))))
    assert report.max_error == pytest.approx(expected, rel=0.15)
    assert any("measured anew" in warning and f"{before:.6g}" in warning for warning in report.warnings)
    assert _hdu(data).header["RCZMAXE"] >= before + (report.max_error or 0.0)


def test_a_quieter_part_is_measured_anew() -> None:
    """A part cut out where the noise is a third of that on record has a bound of its own noise."""
    image = _correlated(96, 288)
    image[:, 224:] /= 3
    first, _ = _again(_file(image), max_error="0.125sigma")
    hdu = _hdu(first)
    report = _again(_part(hdu.data[:, 224:], hdu.header), max_error="1sigma")[1]
    sigma = 1.4826 * float(np.median(np.abs(image[:, 224:])))
    assert report.max_error == pytest.approx(sigma, rel=0.2)
    assert any("measured anew" in warning for warning in report.warnings)


def test_without_provenance_the_old_card_is_named() -> None:
    """Where the header is left alone, a warning says that its largest error is no longer true."""
    first, _ = _again(_file(_correlated(64, 64)), max_error=0.3)
    report = _again(first, max_error=0.5, no_provenance=True)[1]
    assert any("still says a largest error of 0.3" in warning for warning in report.warnings)


def test_after_a_lossy_compression_the_error_is_not_known() -> None:
    """A bound on pixels that were compressed lossily before claims no largest error, then and later."""
    image = _correlated(64, 64)
    hdu = fits.PrimaryHDU(image)
    for keyword, value in (("RCZMODE", "lossy"), ("RCZMAXE", None), ("RCZMODEL", "some-model"), ("RCZSHA", "ab")):
        hdu.header[keyword] = value
    buffer = io.BytesIO()
    hdu.writeto(buffer)
    data = buffer.getvalue()
    for bound in (0.3, 0.5):
        data, report = _again(data, max_error=bound)
        header = _hdu(data).header
        assert header["RCZMODE"] == "lossy"
        assert "RCZMAXE" in header
        assert not isinstance(header["RCZMAXE"], float)
        assert header["RCZMODEL"] == "some-model"
        assert header["RCZLAST"] == bound
        assert any("not known" in warning for warning in report.warnings)


@pytest.mark.parametrize(("unit", "scale"), [("mJy/beam", 1000.0), ("K", 1000.0), (None, 1000.0), ("JY/BEAM", 1.0)])
def test_errors_in_another_unit_are_not_added(unit: str | None, scale: float) -> None:
    """After a change of BUNIT the error against the first original is not known: a warning says so, none is written."""
    hdu = fits.PrimaryHDU(_correlated(64, 64))
    hdu.header["BUNIT"] = "Jy/beam"
    buffer = io.BytesIO()
    hdu.writeto(buffer)
    first = _hdu(_again(buffer.getvalue(), max_error=0.1)[0])
    assert first.header["RCZMAXE"] == 0.1
    first.header["BUNIT"] = unit
    if unit is None:
        del first.header["BUNIT"]
    changed = io.BytesIO()
    fits.PrimaryHDU((first.data * scale).astype("f4"), first.header).writeto(changed)
    restored, report = _again(changed.getvalue(), max_error=0.23 * scale)
    header = fits.open(io.BytesIO(restored))[0].header
    assert header["RCZMODE"] == "bounded"
    assert header["RCZMAXE"] is None
    assert header["RCZLAST"] == pytest.approx(0.23 * scale)
    assert any("an error that is not known" in warning for warning in report.warnings)

"""Which images of a file a bound or the lossy mode applies to: masks and other units stay exact, names decide."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

import radcodec
from radcodec.cli.app import run
from radcodec.encoding.fidelity import is_mask_name

RNG = np.random.default_rng(0)
SCI = RNG.normal(100, 10, (64, 64)).astype(np.float32)
FLAGS = (1 << RNG.integers(0, 8, SCI.shape)).astype(np.int16)


def _file(*hdus: Any) -> bytes:
    out = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(out)
    return out.getvalue()


def _image(data: np.ndarray, name: str = "", **cards: Any) -> fits.ImageHDU:
    hdu = fits.ImageHDU(data, name=name)
    hdu.header.update(cards)
    return hdu


def _round_trip(data: bytes, **options: Any) -> tuple[radcodec.Report, fits.HDUList]:
    packed, restored = io.BytesIO(), io.BytesIO()
    report = radcodec.compress(io.BytesIO(data), packed, threads=1, preview=0, **options)
    radcodec.verify(packed.getvalue(), against=io.BytesIO(data), threads=1)
    radcodec.decompress(packed.getvalue(), restored, threads=1)
    return report, fits.open(io.BytesIO(restored.getvalue()), do_not_scale_image_data=True)


def _fidelities(report: radcodec.Report) -> list[str]:
    return [hdu["fidelity"] for hdu in report.hdus if "fidelity" in hdu]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((name, True) for name in ("DQ", "DQ1", "dq_2", "MASK", "DATA_MASK", "DataMask", "FLAGS", "QUALITY")),
        *((name, True) for name in ("SEGMENTATION", "SEG", "SEGMAP", "IFU3.DQ", "BPM", "QUALITY FLAGS", "MASK2D")),
        *((name, False) for name in ("SCI", "WHT", "ERR", "MASKED", "UNMASKED", "", "VAR", "FLAGSTAFF", "SEQUENCE")),
    ],
)
def test_names_of_masks(name: str, expected: bool) -> None:
    """A word of the name says that it holds flags; words that only begin like one do not."""
    assert is_mask_name(name) == expected


@pytest.mark.parametrize("options", [{"max_error": 5.0}, {"max_error": "0.5sigma"}, {"lossy": True}])
@pytest.mark.parametrize("name", ["DQ", ""])
def test_flags_beside_an_image_stay_exact(name: str, options: dict[str, Any]) -> None:
    """Flags, named as such or integers without unit and scale, keep every bit, and the image does not."""
    report, restored = _round_trip(_file(_image(SCI, "SCI"), _image(FLAGS, name)), **options)
    assert np.array_equal(restored[2].data, FLAGS)
    assert not np.array_equal(restored[1].data, SCI)
    assert _fidelities(report) == ["lossy" if "lossy" in options else "bounded", "lossless"]
    assert report.exact_hdus == [name or "2"]
    assert "RCZMODE" in restored[1].header
    assert "RCZMODE" not in restored[2].header


def test_integers_that_are_data_are_bounded() -> None:
    """Integers with a unit, or with a scale, beside floats are data, and so are integers without floats beside them."""
    counts = RNG.normal(1000, 30, SCI.shape).astype(np.int16)
    data = _file(_image(SCI, "SCI"), _image(counts, "A", BUNIT="ct"), _image(counts, "B", BSCALE=0.5))
    report, restored = _round_trip(data, max_error=5.0)
    assert _fidelities(report) == ["bounded"] * 3
    assert 0 < np.abs(restored[2].data.astype(int) - counts).max() <= 5
    assert 0 < np.abs(restored[3].data.astype(int) - counts).max() <= 10
    assert _fidelities(_round_trip(_file(_image(counts)), max_error=5.0)[0]) == ["bounded"]


def test_named_images_alone_are_bounded() -> None:
    """``hdu`` bounds what it names, masks too, and keeps all else; a name means all HDUs of that name."""
    data = _file(_image(SCI, "SCI"), _image(SCI, "ERR"), _image(FLAGS, "DQ"), _image(SCI, "SCI", EXTVER=2))
    kept, bounded = "lossless", "bounded"
    for choice, expected in (
        ("sci", [bounded, kept, kept, bounded]),
        ("SCI,2", [kept, kept, kept, bounded]),
        (("SCI", 2), [kept, kept, kept, bounded]),
        ([2, "DQ"], [kept, bounded, bounded, kept]),
    ):
        assert _fidelities(_round_trip(data, max_error=5.0, hdu=choice)[0]) == expected
    report, restored = _round_trip(data, max_error=5.0, exact_hdu=["ERR", 4])
    assert _fidelities(report) == [bounded, kept, kept, kept]
    assert np.array_equal(restored[2].data, SCI)


def test_a_lossy_file_keeps_its_rate_beside_exact_images() -> None:
    """The rate of a lossy file counts all of it, the exact image too."""
    data = _file(_image(np.tile(SCI, (2, 2)), "SCI"), _image(np.zeros((64, 64), np.int16), "DQ"))
    report, restored = _round_trip(data, lossy_bpp=1.5)
    assert report.bits_per_pixel is not None
    assert report.bits_per_pixel <= 1.5
    assert not restored[2].data.any()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"hdu": "NONE"}, "image HDU of this file .*1 SCI; 2 DQ.*no HDU 'NONE'"),
        ({"hdu": 0}, "'0', which is no image"),
        ({"exact_hdu": "FLAT"}, "no HDU 'FLAT'"),
        ({"hdu": "SCI", "exact_hdu": 1}, "either exact or not"),
        ({"hdu": 1.5}, "expected an HDU"),
    ],
)
def test_an_hdu_that_is_not_there_is_refused(options: dict[str, Any], match: str) -> None:
    """Names without an image are refused with the images there are; so is one HDU for both."""
    data = _file(_image(SCI, "SCI"), _image(FLAGS, "DQ"))
    with pytest.raises(radcodec.InputError, match=match):
        radcodec.compress(io.BytesIO(data), io.BytesIO(), max_error=5.0, threads=1, **options)


def test_a_name_without_a_bound_has_no_effect() -> None:
    """In a lossless file there is nothing to choose."""
    data = _file(_image(SCI, "SCI"))
    report, restored = _round_trip(data, hdu="SCI")
    assert report.mode == "lossless"
    assert np.array_equal(restored[1].data, SCI)


def test_a_unit_holds_where_it_converts() -> None:
    """A bound in kJy/sr applies to the image in MJy/sr; one without a unit stays exact, and a warning names it."""
    data = _file(_image(SCI, "SCI", BUNIT="MJy/sr"), _image(SCI, "ALPHA"), _image(FLAGS, "DQ"))
    report, restored = _round_trip(data, max_error="5000kJy/sr")
    assert _fidelities(report) == ["bounded", "lossless", "lossless"]
    assert 1 < np.abs(restored[1].data - SCI).max() <= 5
    assert np.array_equal(restored[2].data, SCI)
    assert [warning for warning in report.warnings if "2 (ALPHA) stays exact" in warning and "no BUNIT" in warning]


def test_a_unit_that_converts_nowhere_is_refused() -> None:
    """Where it converts to no image's unit, or not to that of one that is named, the error names the HDU."""
    data = _file(_image(SCI, "SCI", BUNIT="MJy/sr"), _image(SCI, "ALPHA"))
    for options, match in (({"hdu": "ALPHA"}, "ALPHA"), ({}, "SCI")):
        unit = "5K" if not options else "5kJy/sr"
        with pytest.raises(radcodec.BoundError, match=match):
            radcodec.compress(io.BytesIO(data), io.BytesIO(), max_error=unit, threads=1, **options)


def test_masks_alone_are_no_silent_matter() -> None:
    """A bound on a file of masks changes nothing, says so and how to change it."""
    report, restored = _round_trip(_file(_image(FLAGS, "DQ")), max_error=5.0)
    assert np.array_equal(restored[1].data, FLAGS)
    assert [warning for warning in report.warnings if "1 (DQ)" in warning and "--hdu" in warning]


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Options repeat, the summary names the exact images, info shows each one's fidelity, a wrong name is usage."""
    (tmp_path / "x.fits").write_bytes(_file(_image(SCI, "SCI"), _image(SCI, "ERR"), _image(FLAGS, "DQ")))
    source, target = str(tmp_path / "x.fits"), str(tmp_path / "x.rcz")
    command = ["compress", source, target, "--max-error", "5", "--no-preview", "--threads", "1", "--overwrite"]
    assert run(command) == 0
    assert "exact: DQ" in capsys.readouterr().out
    assert run([*command, "--hdu", "SCI", "--hdu", "3", "--fill", "100"]) == 0
    assert "exact: ERR" in capsys.readouterr().out
    assert run(["info", target]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  HDU") and "image" in line]
    assert ["lossless" in line for line in lines] == [False, True, False]
    for wrong, message in ((["--exact-hdu", "FLAT"], "1 SCI; 2 ERR; 3 DQ"), (["--fill", "x"], "finite number")):
        assert run([*command, *wrong]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize("name", ["WCSDVARR", "D2IMARR"])
@pytest.mark.parametrize("options", [{"max_error": "0.5sigma"}, {"lossy": True}])
def test_distortion_tables_stay_exact(name: str, options: dict[str, Any]) -> None:
    """The images that distort positions are not rounded with the image of the sky."""
    table = RNG.normal(0, 1, (16, 16)).astype(np.float32)
    report, restored = _round_trip(_file(_image(SCI, "SCI"), _image(table, name)), **options)
    assert (restored[name].data == table).all()
    assert _fidelities(report)[1] == "lossless"


@pytest.mark.parametrize("option", ["hdu", "exact_hdu"])
def test_names_that_are_not_there_are_errors_without_a_bound(option: str) -> None:
    """A slip in a name is found in a lossless file, too, where the option has no effect."""
    with pytest.raises(radcodec.InputError, match="NOSUCH"):
        radcodec.compress(io.BytesIO(_file(_image(SCI, "SCI"))), io.BytesIO(), preview=0, **{option: "NOSUCH"})
    report, _ = _round_trip(_file(_image(SCI, "SCI")), **{option: "SCI"})
    assert _fidelities(report) == ["lossless"]

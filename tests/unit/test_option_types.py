"""An option of the wrong type is an InputError that names the option, what is expected and what was found."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

import radcodec

IMAGE = np.random.default_rng(0).normal(size=(40, 50)).astype(np.float32)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"lossy_bpp": "3"}, r"lossy_bpp to be a number, found '3'"),
        ({"lossy_bpp": 10**400}, r"lossy_bpp to be a number that a float64 can hold, found 1000"),
        ({"lossy_bpp": 10**9999}, r"lossy_bpp to be a number that a float64 can hold, found an int too long to show"),
        ({"lossy_bpp": True}, r"lossy_bpp to be a number, found True"),
        ({"lossy_bpp": 1j}, r"lossy_bpp to be a number, found 1j"),
        ({"lossy_bpp": np.ones(1)}, r"lossy_bpp to be a number, found array"),
        ({"preview": "a"}, r"preview to be a number, found 'a'"),
        ({"preview": True}, r"preview to be a number, found True"),
        ({"lossy_stages": 2.5}, r"lossy_stages to be a whole number, found 2\.5"),
        ({"lossy_stages": True}, r"lossy_stages to be a whole number, found True"),
        ({"model": 5}, r"model to be a name or a path, found 5"),
        ({"model": b"x"}, r"model to be a name or a path, found b'x'"),
        ({"threads": "2"}, r"threads to be a whole number, found '2'"),
        ({"threads": 1.5}, r"threads to be a whole number, found 1\.5"),
        ({"threads": True}, r"threads to be a whole number, found True"),
        ({"threads": np.True_}, r"threads to be a whole number, found (np\.)?True"),
        ({"effort": 5.0}, r"an effort of 1 \(fast\) to 9 \(smallest\), found 5\.0"),
        ({"verify": "no"}, r"verify to be True or False, found 'no'"),
        ({"verify": None}, r"verify to be True or False, found None"),
        ({"lossy": "yes"}, r"lossy to be True or False, found 'yes'"),
        ({"max_error": 1.0, "dither": "no"}, r"dither to be True or False, found 'no'"),
        ({"max_error": 1.0, "force": 1}, r"force to be True or False, found 1"),
        ({"max_error": "1sigma", "sigma": "1"}, r"sigma to be a number, found '1'"),
        ({"max_error": "1sigma", "sigma": 10**400}, r"sigma to be a number that a float64 can hold, found 1000"),
        ({"max_error": np.True_}, r"number or text for the largest error, found"),
        ({"max_error": 10**9999}, r"number or text for the largest error, found an int too long to show"),
        ({"fill": np.True_}, r"fill value that is a finite number, found"),
        ({"fill": 10**9999}, r"fill value that is a finite number, found an int too long to show"),
        ({"tile": True}, r"the side of a tile to be a whole number, found True"),
        ({"tile": (True, 64)}, r"the side of a tile to be a whole number, found True"),
    ],
)
def test_wrong_type_of_an_option(options: dict[str, Any], text: str) -> None:
    """`encode` refuses it with one sentence, before it looks at the array."""
    with pytest.raises(radcodec.InputError, match=f"expected .*{text}"):
        radcodec.encode(IMAGE, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"lossy_bpp": np.float32(8)},
        {"lossy_bpp": np.int16(8)},
        {"lossy_stages": np.uint8(2)},
        {"preview": np.float64(5), "threads": np.int64(1), "verify": np.True_},
        {"max_error": "1sigma", "sigma": np.array(1.0), "dither": np.False_},
        {"effort": np.int8(3), "tile": np.int32(64)},
        {"tile": "64"},
    ],
)
def test_scalars_of_numpy_are_taken(options: dict[str, Any]) -> None:
    """A scalar of NumPy is as good as a number of Python, and a tile may be the text that the command line has."""
    assert radcodec.decode(radcodec.encode(IMAGE, **options)).shape == IMAGE.shape


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Give a folder with x.fits and its x.rcz."""
    fits.PrimaryHDU(IMAGE).writeto(tmp_path / "x.fits")
    radcodec.compress(tmp_path / "x.fits", tmp_path / "x.rcz", threads=1)
    return tmp_path


def test_options_of_reading(files: Path) -> None:
    """Reading functions check the types of their options as well."""
    packed = files / "x.rcz"
    with pytest.raises(radcodec.InputError, match="expected threads to be a whole number, found '2'"):
        radcodec.decode(packed, threads="2")  # type: ignore[arg-type]
    with pytest.raises(radcodec.InputError, match=r"expected threads to be a whole number, found 1\.5"):
        radcodec.verify(packed, threads=1.5)  # type: ignore[arg-type]
    with pytest.raises(radcodec.InputError, match=r"expected threads to be a whole number, found 1\.5"):
        radcodec.open(packed, threads=1.5)  # type: ignore[arg-type]
    with pytest.raises(radcodec.InputError, match="expected plane to be a whole number, found 'a'"):
        radcodec.preview(packed, plane="a")  # type: ignore[arg-type]
    with pytest.raises(radcodec.InputError, match=r"expected size to be a whole number, found 9\.5"):
        radcodec.preview(packed, io.BytesIO(), size=9.5)  # type: ignore[arg-type]
    with pytest.raises(radcodec.InputError, match="expected full to be True or False, found 'no'"):
        radcodec.preview(packed, full="no")  # type: ignore[arg-type]
    with pytest.raises(radcodec.InputError, match="expected partial to be True or False, found 'no'"):
        radcodec.cutout(packed, io.BytesIO(), "0:5,0:5", partial="no")  # type: ignore[arg-type]
    with pytest.raises(radcodec.InputError, match="expected model to be a name or a path, found 5"):
        radcodec.estimate(IMAGE, model=5)  # type: ignore[arg-type]
    with pytest.raises(radcodec.InputError, match="expected recompress to be True or False, found 'no'"):
        radcodec.compress(files / "x.fits", files / "y.rcz", recompress="no")  # type: ignore[arg-type]


def test_overwrite_is_true_or_false(files: Path) -> None:
    """``overwrite="no"`` does not overwrite: each function that writes refuses it, and the file stays."""
    source, packed, target = files / "x.fits", files / "x.rcz", files / "there"
    target.write_bytes(b"there")
    wrong: Any = "no"
    for call in (
        lambda: radcodec.compress(source, target, overwrite=wrong),
        lambda: radcodec.decompress(packed, target, overwrite=wrong),
        lambda: radcodec.cutout(packed, target, "0:5,0:5", overwrite=wrong),
        lambda: radcodec.preview(packed, target, overwrite=wrong),
        lambda: radcodec.recover(packed, target, overwrite=wrong),
        lambda: radcodec.create(target, shape=(None, 8, 8), dtype="f4", overwrite=wrong),
    ):
        with pytest.raises(radcodec.InputError, match="expected overwrite to be True or False, found 'no'"):
            call()
    assert target.read_bytes() == b"there"

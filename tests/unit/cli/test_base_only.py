"""``radcodec preview --base-only`` and ``radcodec.preview(..., base_only=True)``: copies with the base layer alone."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

import radcodec
from radcodec.cli.app import run
from radcodec.simulate import simulate_fits, simulate_image


@pytest.fixture(scope="module")
def compressed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with a FITS file of 160 x 160 pixels and its lossless copy with a preview."""
    folder = tmp_path_factory.mktemp("compressed")
    (folder / "a.fits").write_bytes(simulate_fits((160, 160), seed=3))
    radcodec.compress(folder / "a.fits", folder / "a.rcz", preview=4.0, threads=1)
    return folder


@pytest.fixture
def folder(compressed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a working folder with copies of these files."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.fits", "a.rcz"):
        (tmp_path / name).write_bytes((compressed / name).read_bytes())
    return tmp_path


def info_of(name: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return the object of ``radcodec info --json``."""
    assert run(["info", name, "--json"]) == 0
    value: dict[str, Any] = json.loads(capsys.readouterr().out)
    return value


def test_a_copy_is_small_and_says_what_it_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The copy has the base layer's size, names itself in ``info``, and claims neither a bound nor a restored hash."""
    assert run(["preview", "a.rcz", "copy.rcz", "--base-only"]) == 0
    assert "base-only copy" in capsys.readouterr().out
    whole, copy = info_of("a.rcz", capsys), info_of("copy.rcz", capsys)
    layers = {layer["name"]: layer["bytes"] for layer in whole["layers"]}
    assert (folder / "copy.rcz").stat().st_size < 0.1 * (folder / "a.rcz").stat().st_size
    assert {layer["name"]: layer["bytes"] for layer in copy["layers"]}["base"] == layers["base"]
    assert (copy["base_only"], copy["mode"], copy["max_error"]) == (True, "lossy", None)
    assert copy["restored_sha256"] is None
    assert copy["original_sha256"] == hashlib.sha256((folder / "a.fits").read_bytes()).hexdigest()
    assert run(["info", "copy.rcz"]) == 0
    assert "restores the base layer, not the pixels" in capsys.readouterr().out


@pytest.mark.slow
def test_a_copy_of_a_bounded_file_claims_no_bound(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The record of the bound is that of the whole file; the copy does not meet it and does not claim it."""
    radcodec.compress("a.fits", "b.rcz", max_error="0.5sigma", details_on_base="never", preview=20.0, threads=1)
    radcodec.preview("b.rcz", "copy.rcz", base_only=True, threads=1)
    copy = info_of("copy.rcz", capsys)
    assert (copy["max_error"], copy["max_error_sigma"]) == (None, None)
    assert (copy["hdus"][0]["fidelity"], copy["hdus"][0]["max_error"]) == ("lossy", None)


def test_the_copy_draws_what_the_whole_file_draws(folder: Path) -> None:
    """Preview of the copy, in Python and as a picture, is that of the file that it was made from."""
    picture = radcodec.preview("a.rcz", threads=1)
    returned = radcodec.preview("a.rcz", "copy.rcz", base_only=True, threads=1)
    np.testing.assert_array_equal(returned, picture)
    np.testing.assert_array_equal(radcodec.preview("copy.rcz", threads=1), picture)
    assert run(["preview", "a.rcz", "a.png", "--quiet"]) == 0
    assert run(["preview", "copy.rcz", "copy.png", "--quiet"]) == 0
    assert (folder / "copy.png").read_bytes() == (folder / "a.png").read_bytes()


def test_decompress_of_a_copy_warns(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The restored file holds the base layer; a warning and the summary line say so, also with --json."""
    assert run(["preview", "a.rcz", "copy.rcz", "--base-only", "--quiet"]) == 0
    assert run(["decompress", "copy.rcz", "back.fits"]) == 0
    streams = capsys.readouterr()
    assert "lossy, base-only copy" in streams.out
    assert "warning: copy.rcz: this is a base-only copy: it restores the base layer, not the pixels" in streams.err
    with fits.open("back.fits") as restored, fits.open("a.fits") as original:
        error = np.std(restored[0].data - original[0].data)
        assert 0 < error < 2 * np.std(original[0].data)
    assert run(["decompress", "copy.rcz", "again.fits", "--json"]) == 0
    assert "base-only copy" in json.loads(capsys.readouterr().out)["warnings"][0]
    assert run(["verify", "copy.rcz"]) == 0
    assert "(lossy, base-only copy)" in capsys.readouterr().out


@pytest.mark.slow
def test_a_file_without_a_base_layer_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 3: the input is not what the command needs. The message names the HDU and what to do."""
    radcodec.compress("a.fits", "plain.rcz", preview=0, threads=1)
    assert run(["preview", "plain.rcz", "copy.rcz", "--base-only"]) == 3
    assert "plain.rcz: expected a base layer in every image for a base-only copy, found none in HDU 0: " in (
        error := capsys.readouterr().err
    )
    assert "--preview" in error
    assert not (folder / "copy.rcz").exists()
    array = radcodec.encode(np.ones((8, 8), np.float32))
    with pytest.raises(radcodec.UnsupportedDataError, match="found an array without one"):
        radcodec.preview(array, "copy.rcz", base_only=True)


def test_a_file_without_images_is_refused(tmp_path: Path) -> None:
    """A FITS file of a table alone has nothing to copy."""
    table = fits.BinTableHDU.from_columns([fits.Column("A", "J", array=np.arange(3))])
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / "t.fits")
    radcodec.compress(tmp_path / "t.fits", tmp_path / "t.rcz")
    with pytest.raises(radcodec.UnsupportedDataError, match="found a file without images"):
        radcodec.preview(tmp_path / "t.rcz", tmp_path / "c.rcz", base_only=True)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["copy.png", "--base-only"], "expected a name that ends in .rcz for a base-only copy, found copy.png"),
        (["copy.rcz", "--base-only", "--size", "100"], "without plane, hdu, full and size"),
        (["copy.rcz", "--base-only", "--full"], "without plane, hdu, full and size"),
        (["copy.rcz", "--base-only", "--plane", "1"], "without plane, hdu, full and size"),
        (["copy.rcz", "--base-only", "--hdu", "0"], "without plane, hdu, full and size"),
        (["a.rcz", "--base-only"], "the output exists"),
        (["a.rcz", "--base-only", "--overwrite"], "expected an output other than the input"),
        (["copy.rcz"], "expected a picture's name that ends in"),
    ],
)
def test_wrong_arguments_are_usage_errors(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], text: str
) -> None:
    """Exit code 2, one line, and no file: another ending, options of pictures, an output that exists."""
    before = (folder / "a.rcz").read_bytes()
    assert run(["preview", "a.rcz", *arguments]) == 2
    error = capsys.readouterr().err
    assert text in error
    assert error.count("\n") == 1
    assert not (folder / "copy.rcz").exists()
    assert (folder / "a.rcz").read_bytes() == before


def test_overwrite_replaces_an_older_copy(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An existing copy is kept without --overwrite and replaced with it."""
    (folder / "copy.rcz").write_bytes(b"old")
    assert run(["preview", "a.rcz", "copy.rcz", "--base-only"]) == 2
    assert (folder / "copy.rcz").read_bytes() == b"old"
    assert run(["preview", "a.rcz", "copy.rcz", "--base-only", "--overwrite"]) == 0
    capsys.readouterr()
    assert info_of("copy.rcz", capsys)["base_only"]


@pytest.mark.slow
def test_a_copy_of_an_array_opens() -> None:
    """An array with a preview, from bytes to a binary stream."""
    data = radcodec.encode(simulate_image((128, 128), seed=1), preview=10, threads=1)
    out = io.BytesIO()
    picture = radcodec.preview(data, out, base_only=True, threads=1)
    with radcodec.open(out.getvalue()) as file:
        assert file.info.base_only
        assert file.info.original_sha256 is None
    np.testing.assert_array_equal(radcodec.decode(out.getvalue()), picture.astype(np.float32))
    with pytest.raises(radcodec.InputError, match="expected a name for the base-only copy"):
        radcodec.preview(data, base_only=True)

"""Files that use nothing learned from survey data: `clean=True` takes other tables, dictionary and default model."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import reference_decoder

import radcodec
from radcodec.cli.app import run
from radcodec.container.reader import Reader
from radcodec.detail.tables import clean_tables, default_tables, find_tables
from radcodec.errors import ModelNotFoundError
from radcodec.pixels.tiles import count_tiles
from radcodec.runtime import resources
from radcodec.simulate import simulate_fits, simulate_image

MODELS = Path(__file__).resolve().parents[2] / "models"


def sha256(name: str) -> bytes:
    """SHA-256 of a file that ships."""
    return hashlib.sha256((MODELS / name).read_bytes()).digest()


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """A simulated image."""
    return simulate_image((64, 64), seed=3)


@pytest.fixture
def fits(tmp_path: Path) -> Path:
    """A simulated FITS file."""
    path = tmp_path / "x.fits"
    path.write_bytes(simulate_fits((64, 64), seed=5, n_axes=4, nan_border_px=3))
    return path


@pytest.mark.parametrize("options", [{}, {"max_error": 2e-5}, {"max_error": 1.5e-4}], ids=str)
def test_array_names_the_clean_tables(image: np.ndarray, options: dict[str, float]) -> None:
    """The stream holds the name of the clean table set alone, and both decoders restore what is asked for."""
    data = radcodec.encode(image, clean=True, **options)
    reader = Reader(data, count_tiles=count_tiles, dictionaries=resources.header_dictionaries())
    block = reader.params[0].predictors
    assert block.startswith(sha256("clean.tables")[:8])
    back = radcodec.decode(data)
    assert np.array_equal(back, reference_decoder.decode_file(data))
    assert np.abs(back.astype(np.float64) - image).max() <= options.get("max_error", 0.0)


def test_without_the_option_the_default_tables_are_named(image: np.ndarray) -> None:
    """Of two streams of the same image only the clean one names the clean set."""
    assert sha256("clean.tables")[:8] not in radcodec.encode(image)


def test_fits_file_names_the_clean_dictionary_and_model(fits: Path, tmp_path: Path) -> None:
    """META names the clean dictionary; the preview's model is the one from simulations; the file comes back."""
    report = radcodec.compress(fits, tmp_path / "x.rcz", clean=True, preview=20)
    data = (tmp_path / "x.rcz").read_bytes()
    assert sha256("clean.zdict") in data
    assert sha256("headers.zdict") not in data
    assert report.model is not None
    assert report.model["name"] == "vqvae-v2"
    radcodec.decompress(tmp_path / "x.rcz", tmp_path / "back.fits")
    assert (tmp_path / "back.fits").read_bytes() == fits.read_bytes()
    assert reference_decoder.decode_file(data) == fits.read_bytes()


def test_a_named_model_stays(fits: Path, tmp_path: Path) -> None:
    """Who names a model gets it, whatever it was trained on."""
    report = radcodec.compress(fits, tmp_path / "x.rcz", clean=True, preview=20, model="lapped-v3")
    assert report.model is not None
    assert report.model["name"] == "lapped-v3"


def test_command_line_has_the_option(fits: Path, tmp_path: Path) -> None:
    """`--clean` is `clean=True`."""
    assert run(["compress", str(fits), str(tmp_path / "a.rcz"), "--clean", "--quiet"]) == 0
    radcodec.compress(fits, tmp_path / "b.rcz", clean=True)
    assert (tmp_path / "a.rcz").read_bytes() == (tmp_path / "b.rcz").read_bytes()


def test_unknown_tables_are_refused_by_all_names() -> None:
    """The message names the set that is asked for and both that are there."""
    known = f"{default_tables().sha256[:8].hex()} and {clean_tables().sha256[:8].hex()}"
    with pytest.raises(ModelNotFoundError, match=f"needs table set 0707070707070707, installed are {known}"):
        find_tables(bytes([7] * 8))


def test_missing_clean_tables_are_named(image: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without the clean set refuses the option, and reads and writes all other files."""
    shutil.copyfile(MODELS / "detail.tables", tmp_path / "detail.tables")
    clean_tables.cache_clear()
    monkeypatch.setattr(resources, "find_models_folder", lambda: tmp_path)
    try:
        with pytest.raises(ModelNotFoundError, match=r"expected clean\.tables"):
            radcodec.encode(image, clean=True)
        assert np.array_equal(radcodec.decode(radcodec.encode(image)), image)
    finally:
        clean_tables.cache_clear()

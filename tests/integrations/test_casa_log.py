"""CASA images whose log cannot be read, and estimates of CASA images."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import radcodec

pytest.importorskip("casa_formats_io")
images = pytest.importorskip("casacore.images")
pytestmark = [
    # casa-formats-io leaves the files of its tables to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A CASA image of 64 x 80 pixels of noise."""
    path = tmp_path / "x.image"
    values = np.random.default_rng(3).normal(size=(64, 80)).astype(np.float32)
    images.image(str(path), values=values).unlock()
    return path


def test_a_log_that_cannot_be_read_is_a_warning(image: Path) -> None:
    """The image is read without its log, and a warning names it; a sound log gives none."""
    good = io.BytesIO()
    radcodec.compress(image, good, preview=0)
    log = image / "logtable"
    if not log.exists():
        log.mkdir()
    for name in list(log.iterdir()):
        name.unlink() if name.is_file() else shutil.rmtree(name)
    (log / "table.dat").write_bytes(b"no table" * 20)
    out = io.BytesIO()
    with pytest.warns(
        UserWarning, match=r"the log of the CASA image .*x\.image is left out: casa-formats-io cannot read"
    ):
        radcodec.compress(image, out, preview=0)
    assert np.array_equal(radcodec.decode(out.getvalue()), radcodec.decode(good.getvalue()))


def test_an_estimate_of_a_casa_image(image: Path) -> None:
    """Its rates are those of the FITS file with the same pixels."""
    plain = image.with_name("x.fits")
    fits.PrimaryHDU(np.asarray(images.image(str(image)).getdata(), dtype=np.float32)).writeto(plain)
    found, wanted = radcodec.estimate(image, tile=32), radcodec.estimate(plain, tile=32)
    assert [row["mode"] for row in found] == [row["mode"] for row in wanted]
    for mine, theirs in zip(found, wanted, strict=True):
        assert mine["bits_per_pixel"] == pytest.approx(theirs["bits_per_pixel"], rel=1e-6)

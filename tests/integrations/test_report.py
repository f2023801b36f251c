"""radcodec report and the notebook view: what they say is right, no header can act, a phone shows all of it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from headless import Browser, find_browser

import radcodec
from radcodec.cli.app import run
from radcodec.pages.charts import measure, ring_power
from radcodec.pages.html import text
from radcodec.pages.report import report_page
from radcodec.simulate import simulate_fits

ATTACK = "</pre><script>document.title='owned'</script><img src=x onerror=document.title='owned'>"


def _hostile(shape: tuple[int, ...] = (64, 96)) -> bytes:
    """An image whose header, unit and names are HTML that would act if it were not escaped."""
    header = fits.Header()
    header["OBJECT"] = ATTACK[:60]
    header["BUNIT"] = "<b>JY</b>"
    header["EXTNAME"] = "'\"><script>1"
    for start in range(0, len(ATTACK), 60):
        header["HISTORY"] = ATTACK[start : start + 60]
    out = io.BytesIO()
    image = np.random.default_rng(1).normal(0, 1, shape).astype(np.float32)
    fits.PrimaryHDU(image, header).writeto(out)
    return out.getvalue()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a simulated image and a hostile one, bounded."""
    monkeypatch.chdir(tmp_path)
    Path("sky.fits").write_bytes(simulate_fits((150, 120), seed=2))
    Path("evil.fits").write_bytes(_hostile())
    radcodec.compress("sky.fits", max_error=1e-4)
    radcodec.compress("evil.fits", max_error=0.25)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_the_page_says_what_the_file_is(capsys: pytest.CaptureFixture[str]) -> None:
    """Mode, bound with its unit, hash, axes with the position of the centre, beam, layers and every card."""
    assert run(["report", "sky.fits.rcz"]) == 0
    assert "sky.fits.rcz -> sky.fits.html" in capsys.readouterr().out
    page = Path("sky.fits.html").read_text()
    info = radcodec.open("sky.fits.rcz").info
    for words in (
        "Bounded: no pixel is off by more than 0.0001 JY/BEAM", info.restored_sha256, "RA---SIN", ">180<",
        "7.2 x 5.76 arcsec at 20 deg", "TELESCOP= &#x27;RADCODEC&#x27;", "120 x 150", "detail",
    ):  # fmt: skip
        assert words in page, words
    assert "<script" not in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert run(["report", "sky.fits.rcz"]) == 2
    assert run(["report", "sky.fits.rcz", "--overwrite", "--quiet"]) == 0


@pytest.mark.usefixtures("folder")
def test_errors_against_the_original() -> None:
    """Largest error and rms are what NumPy finds; another original is exit code 1 and nothing is written."""
    radcodec.decompress("sky.fits.rcz", "back.fits")
    difference = fits.getdata("back.fits").astype(float) - fits.getdata("sky.fits").astype(float)
    assert run(["report", "sky.fits.rcz", "errors.html", "--against", "sky.fits"]) == 0
    page = Path("errors.html").read_text()
    assert f"{np.abs(difference).max():.6g} JY/BEAM" in page
    assert f"{np.sqrt(np.mean(difference**2)):.6g} JY/BEAM" in page
    assert page.count("<svg") == 2
    Path("other.fits").write_bytes(simulate_fits((150, 120), seed=3))
    assert run(["report", "sky.fits.rcz", "none.html", "--against", "other.fits"]) == 1
    assert not Path("none.html").exists()


def test_power_of_white_noise_is_its_variance() -> None:
    """Parseval: the power at each frequency of white noise of variance 4 is 4; of a wave it is in its own ring."""
    noise = np.random.default_rng(3).normal(0.0, 2.0, (256, 192))
    frequency, power = ring_power(noise)
    assert power.mean() == pytest.approx(4.0, rel=0.03)
    assert frequency[0] > 0
    assert frequency[-1] < 0.5
    wave = np.sin(2 * np.pi * 0.25 * np.arange(128))[None, :] * np.ones((64, 1))
    frequency, power = ring_power(wave)
    assert abs(frequency[power.argmax()] - 0.25) < 0.02


def test_errors_of_a_plane_by_hand() -> None:
    """NaN is left out; a plane that is the same has no error; one without finite pixels has none to measure."""
    original = np.array([[1.0, 2.0], [np.nan, 4.0]])
    found = measure(original, np.array([[1.5, 2.0], [7.0, 3.0]]))
    assert found is not None
    assert (found.n_pixels, found.largest) == (3, 1.0)
    assert found.mean == pytest.approx(-0.5 / 3)
    assert found.rms == pytest.approx(np.sqrt(1.25 / 3))
    assert found.counts.sum() == 3
    same = measure(original, original)
    assert same is not None
    assert same.largest == 0.0
    assert measure(np.full((2, 2), np.nan), original) is None


@pytest.mark.parametrize(
    "array",
    [np.zeros(()), np.arange(5.0), np.zeros((0, 4)), np.full((8, 8), np.nan), np.zeros((2, 3, 4, 5), np.int16),
     np.full((4, 4), np.inf), np.array([[1e300, -1e300]])],
    ids=["no axes", "one axis", "empty", "NaN", "four axes", "infinite", "huge"],
)  # fmt: skip
def test_any_array_has_a_page(array: np.ndarray, tmp_path: Path) -> None:
    """Also without pixels or finite ones, alone and against itself, and in a notebook."""
    path = tmp_path / "a.rcz"
    path.write_bytes(radcodec.encode(array))
    radcodec.decompress(path, tmp_path / "a.fits")
    with radcodec.open(path) as file:
        for against in (None, tmp_path / "a.fits") if array.size else (None,):
            page = report_page(file, against=against)
            assert "Lossless" in page
            assert ("Every checksum holds" in page) == (against is not None)
        assert "Lossless" in file._repr_html_()


def test_text_of_a_file_cannot_act() -> None:
    """Markup is escaped, and control and direction characters are shown as what they are not."""
    assert text("<a href='x'>&\"") == "&lt;a href=&#x27;x&#x27;&gt;&amp;&quot;"
    assert text("a\x1b[2J\x00\u202eb\n") == "a\ufffd[2J\ufffd\ufffdb\n"


def test_files_without_images_and_shared_files(shared_data: Path, tmp_path: Path) -> None:
    """Tables alone, damaged headers and other oddities have a page as well."""
    done = 0
    small = (path for path in (shared_data / "oddities").glob("*.fits") if path.stat().st_size < 1 << 18)
    for path in sorted(small)[:8]:
        target = tmp_path / f"{path.name}.rcz"
        radcodec.compress(path, target, preview=0)
        with radcodec.open(target) as file:
            assert "<h2>HDUs</h2>" in report_page(file, against=path)
            assert "radcodec" in file._repr_html_()
        done += 1
    assert done


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless browser."""
    program = find_browser()
    if program is None:
        pytest.skip("no browser")
    with Browser(program) as found:
        yield found


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("width", [375, 1200])
@pytest.mark.parametrize("name", ["sky", "evil"])
def test_in_a_browser(browser: Browser, width: int, name: str) -> None:
    """No script runs, nothing is asked for, pictures show, and nothing is wider than a phone."""
    target = Path(f"{name}.html").resolve()
    assert run(["report", f"{name}.fits.rcz", str(target), "--against", f"{name}.fits", "--quiet"]) == 0
    browser.open(target, width=width)
    assert browser.errors() == []
    assert browser.requests() == [target.as_uri()]
    assert browser.value("document.title") == f"{name}.fits.rcz: bounded"
    browser.value("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert browser.value("document.documentElement.scrollWidth <= window.innerWidth")
    assert browser.value("[...document.images].every(one => one.complete && one.naturalWidth > 0)")
    assert browser.value("document.querySelectorAll('script').length") == 0
    assert browser.value("document.querySelectorAll('svg polyline').length") == 3
    if name == "evil":
        shown = browser.value("document.body.textContent")
        assert "</pre><script>document.title='owned'</script>" in shown


@pytest.mark.usefixtures("folder")
def test_in_a_notebook(browser: Browser) -> None:
    """The fragment shows a picture and the facts, and a hostile header stays text."""
    with radcodec.open("evil.fits.rcz") as file:
        Path("cell.html").write_text(f"<!DOCTYPE html><meta charset=utf-8><title>cell</title>{file._repr_html_()}")
    browser.open(Path("cell.html").resolve(), width=375)
    assert browser.errors() == []
    assert browser.value("document.title") == "cell"
    assert browser.value("document.images.length") == 1
    assert browser.value("document.images[0].naturalWidth") == 96
    assert browser.value("document.documentElement.scrollWidth <= window.innerWidth")


def test_to_aladin() -> None:
    """The widget gets the image as FITS, as ipyaladin takes it: the sky of the original, one plane if asked for."""
    ipyaladin = pytest.importorskip("ipyaladin")
    sent = []

    class Widget(ipyaladin.Aladin):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self._is_loaded = True

        def send(self, content: object, buffers: object = None) -> None:
            sent.append((content, buffers))

    source = simulate_fits((40, 50), seed=4)
    out = io.BytesIO()
    radcodec.compress(io.BytesIO(source), out)
    with radcodec.open(out.getvalue()) as file:
        file.to_aladin(Widget(), name="field")
        with pytest.raises(TypeError, match="ipyaladin"):
            file.to_aladin(object())
    content, buffers = sent[-1]
    assert content == {"event_name": "add_fits", "options": {"name": "field"}}
    with fits.open(io.BytesIO(buffers[0])) as given, fits.open(io.BytesIO(source)) as original:
        assert np.array_equal(given[0].data, original[0].data)
        assert given[0].header["CRVAL2"] == original[0].header["CRVAL2"]

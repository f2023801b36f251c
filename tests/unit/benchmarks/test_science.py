"""Science checks: nothing changes is perfect, and every kind of harm shows as itself and in its size."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from benchmarks.data.datasets import images
from benchmarks.rivals.base import Unsupported
from benchmarks.science import stacking
from benchmarks.science.beams import FALLBACK, Beam, beam_of, stamp
from benchmarks.science.coders import Coder, at_size
from benchmarks.science.command import PACKAGES
from benchmarks.science.fpack import FpackSteps
from benchmarks.science.jobs import all_jobs
from benchmarks.science.moments import moment_figures, physical
from benchmarks.science.noise import ANNULI, ks_distance, noise_figures
from benchmarks.science.run import FINDERS, Choice, pictures, run_science, run_stack, stack_rows
from benchmarks.science.scenes import AMPLITUDES, CELL, Scene, blank_cells, inject, place_sources, simulated_scenes
from benchmarks.science.sources import Catalogue, fate, joined, match, share, source_figures, spread
from benchmarks.types import Array
from radcodec.simulate import simulate_fits

BEAM = Beam(major=4.0, minor=3.0, angle_deg=30.0)
PLACES = np.array([[20.3, 30.6], [60.0, 90.2], [100.7, 40.1], [140.5, 140.5], [50.2, 150.9]])
PEAKS = np.array([40.0, 60.0, 80.0, 100.0, 200.0])


def sky() -> np.ndarray:
    """White noise of deviation 1 with five bright point sources."""
    noise = np.random.default_rng(3).normal(size=(180, 180))
    return inject(noise, PLACES, PEAKS, BEAM)


def told(finder: str, before: np.ndarray, after: np.ndarray) -> dict[tuple[str, str], Any]:
    """Figures of the sources of an image in another one, at a threshold of 15."""
    catalogues = [FINDERS[finder](image, 15.0, BEAM) for image in (before, after)]
    assert len(catalogues[0]) == 5
    return source_figures(fate(catalogues[0], catalogues[1], 1.0, BEAM))


def fake(change: Callable[[Array], Array] = lambda samples: samples, **options: Any) -> Coder:
    """A coder of that harm; its streams have 1e5 bytes over the knob."""

    def run(samples: Array, quality: float) -> tuple[int, Array]:
        return int(1e5 / quality), change(samples)

    known: dict[str, Any] = {"name": "fake", "variant": "", "setting": "", "version": "1", "knob": "k"}
    return Coder(**(known | {"run": run, "limits": (1e-3, 1e6)} | options))


@pytest.mark.parametrize("finder", list(FINDERS))
def test_sources_of_the_same_image(finder: str) -> None:
    """All come back where they were, as they were, and no others."""
    pytest.importorskip(PACKAGES[finder])
    found = told(finder, sky(), sky())
    assert found["peak_ratio", ">30"].value == found["flux_ratio", ">30"].value == 1
    assert found["peak_ratio", ">30"].scatter == found["flux_ratio", ">30"].scatter == 0
    assert found["offset_px", ">30"].value == 0
    assert (found["completeness", ">30"].value, found["completeness", ">30"].n) == (1, 5)
    assert found["spurious", ">30"].value == 0


@pytest.mark.parametrize("finder", list(FINDERS))
def test_scaled_image_loses_flux(finder: str) -> None:
    """A codec that gives 0.9 of everything gives 0.9 of peaks; of fluxes too where the aperture is the same."""
    pytest.importorskip(PACKAGES[finder])
    found = told(finder, sky(), 0.9 * sky())
    # PyBDSF fits to the pixels above a threshold, and fewer remain.
    exact = pytest.approx(0.9, abs=1e-6) if finder != "pybdsf" else pytest.approx(0.9, abs=0.005)
    assert found["peak_ratio", ">30"].value == exact
    # Within an isophote at t a Gaussian of peak p has 1 - t/p of its flux: for 80 and 72, at 15, 0.877 of it.
    assert found["flux_ratio", ">30"].value == (exact if finder != "photutils" else pytest.approx(0.877, abs=0.02))
    assert found["offset_px", ">30"].value == pytest.approx(0.0, abs=0.05)


def test_pybdsf_finds_nothing_in_what_it_refuses() -> None:
    """A coarse step leaves one level but for a bright pixel: PyBDSF stops at an rms of zero, the benchmark does not."""
    pytest.importorskip("bdsf")
    image = np.zeros((160, 160), np.float32)
    image[80, 80] = 80.0
    assert FINDERS["pybdsf"](image, 15.0, BEAM).x.size == 0


@pytest.mark.parametrize("finder", list(FINDERS))
def test_shifted_image_moves_sources(finder: str) -> None:
    """A shift of one pixel is an offset of one pixel and nothing else."""
    pytest.importorskip(PACKAGES[finder])
    found = told(finder, sky(), np.roll(sky(), 1, axis=1))
    assert found["offset_px", ">30"].value == pytest.approx(1.0, abs=1e-6)
    assert found["flux_ratio", ">30"].value == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("finder", list(FINDERS))
def test_lost_and_made_up_sources(finder: str) -> None:
    """Of five sources one is wiped out, and one of 50 sigma is new: completeness 4/5, spurious 1/5."""
    pytest.importorskip(PACKAGES[finder])
    after = sky()
    after[15:26, 25:37] = 0
    found = told(finder, sky(), inject(after, np.array([[120.0, 90.0]]), np.array([50.0]), BEAM))
    assert found["completeness", ">30"].value == pytest.approx(0.8)
    assert found["spurious", ">30"].value == pytest.approx(0.2)
    assert found["spurious", "10-30"].n == 0


@pytest.mark.parametrize("finder", list(FINDERS))
def test_nothing_to_find(finder: str) -> None:
    """An image without sources, or missing half its samples, is no error."""
    pytest.importorskip(PACKAGES[finder])
    assert len(FINDERS[finder](np.zeros((50, 50)), 1.0, BEAM)) == 0
    image = sky().astype(np.float32)
    image[:, :60] = np.nan
    assert len(FINDERS[finder](image, 15.0, BEAM)) == 3


def test_fluxes_in_beams() -> None:
    """A source of peak 100 has 100 beams of flux; a circle of 1.5 widths holds all but 2^-9 of it."""
    pytest.importorskip("sep")
    round_beam = Beam(major=5.0, minor=5.0)
    image = inject(np.zeros((60, 60)), np.array([[30.2, 29.7]]), np.array([100.0]), round_beam)
    found = FINDERS["sep"](image, 5.0, round_beam)
    assert found.flux[0] == pytest.approx(100 * (1 - 2**-9), rel=0.005)
    assert (found.y[0], found.x[0]) == pytest.approx((30.2, 29.7), abs=0.02)


def test_match_by_hand() -> None:
    """Each other's nearest only, and none beyond the radius."""
    zero = np.zeros(3)
    before = Catalogue(np.array([0.0, 0.0, 50.0]), np.array([0.0, 3.0, 0.0]), zero, zero)
    after = Catalogue(np.array([0.0, 0.0, 60.0]), np.array([1.0, 9.0, 0.0]), zero, zero)
    assert [list(part) for part in match(before, after, 4.0)] == [[0], [0]]
    assert [list(part) for part in match(before, after, 12.0)] == [[0, 2], [0, 2]]


def test_statistics_by_hand() -> None:
    """Median 3 and MAD 1 of 1, 2, 3, 4, 50; three of four with their binomial error."""
    got = spread(np.array([1.0, 2.0, 3.0, 4.0, 50.0, np.nan]))
    assert (got.value, got.scatter, got.n) == (3, pytest.approx(1.4826), 5)
    assert (share(3, 4).value, share(3, 4).scatter) == (0.75, pytest.approx(np.sqrt(0.75 * 0.25 / 4)))
    assert len(joined([fate(*[Catalogue(*np.ones((4, 2)))] * 2, 1.0, BEAM)] * 3).snr) == 6


def test_noise_of_the_same_image() -> None:
    """All ratios and the gain are 1, all distances and correlations 0."""
    for (metric, _), value in noise_figures(sky(), sky()).items():
        assert value == pytest.approx(1.0 if metric.endswith("ratio") or metric == "gain" else 0.0, abs=1e-12)


def test_noise_of_a_scaled_image() -> None:
    """0.9 of everything: rms, MAD and gain 0.9, powers 0.81, error fully against the image."""
    image = np.random.default_rng(4).normal(size=(128, 128))
    got = noise_figures(image, 0.9 * image)
    assert got["gain", ""] == pytest.approx(0.9)
    assert got["rms_ratio", ""] == pytest.approx(0.9)
    assert got["mad_ratio", ""] == pytest.approx(0.9)
    assert got["power_ratio", "0.1-0.15"] == pytest.approx(0.81, rel=0.02)
    assert got["residual_correlation", ""] == pytest.approx(-1.0)


def test_noise_that_is_added() -> None:
    """Half as much noise again: rms root of 1.25, every annulus 1.25, and errors that know nothing of the image."""
    rng = np.random.default_rng(5)
    image = rng.normal(size=(400, 400))
    got = noise_figures(image, image + 0.5 * rng.normal(size=image.shape))
    assert got["rms_ratio", ""] == pytest.approx(np.sqrt(1.25), rel=0.01)
    assert got["residual_correlation", ""] == pytest.approx(0.0, abs=0.01)
    assert got["gain", ""] == pytest.approx(1.0, abs=0.01)
    for low, high in pairwise(ANNULI[1:]):
        assert got["power_ratio", f"{low:g}-{high:g}"] == pytest.approx(1.25, rel=0.1)


def test_noise_that_is_rounded() -> None:
    """Steps of 1 sigma make a distance of the largest step of the distribution: the half of P(|x| < 0.5)."""
    image = np.random.default_rng(6).normal(size=(300, 300))
    assert noise_figures(image, np.rint(image))["ks", ""] == pytest.approx(0.3829 / 2, abs=0.01)


def test_ks_by_hand() -> None:
    """1, 2, 3, 4 against 3, 4, 5, 6 are half apart."""
    assert ks_distance(np.array([1.0, 2, 3, 4]), np.array([3.0, 4, 5, 6])) == 0.5


@cache
def scene() -> Scene:
    """A field of few cells."""
    return next(simulated_scenes(1, 12))


def stacked(one: Scene, decoded: Array) -> dict[float, dict[str, Any]]:
    """Last row of each amplitude."""
    rows = stack_rows(stacking.stacks([one], [decoded]), stacking.stacks([one], [one.samples]))
    return {float(str(row["amplitude"])): row for row in rows}


def test_stack_of_the_same_image() -> None:
    """What was put in comes out: no change, all recovered, and the uncoded stack agrees with the truth."""
    one = scene()
    for amplitude, row in stacked(one, one.samples).items():
        assert row["n"] == 144
        assert float(row["change"]) == float(row["bias_in_errors"]) == float(row["median_change"]) == 0
        assert abs(float(row["mean"]) - amplitude) < 4 * float(row["mean_error"])
        assert amplitude == 0 or float(row["recovered"]) == 1


def test_stack_of_a_scaled_image() -> None:
    """0.9 of everything is a tenth less than the uncoded stack, mean and median."""
    one = scene()
    row = stacked(one, (0.9 * one.samples).astype(np.float32))[3.0]
    assert float(row["change"]) == pytest.approx(-0.1 * float(row["mean"]) / 0.9, rel=1e-4)
    assert float(row["median_change"]) == pytest.approx(-0.1 * float(row["median"]) / 0.9, rel=1e-3)
    assert float(row["recovered"]) == pytest.approx(0.9, abs=4 * float(row["mean_error"]) / 30)


def test_zeroing_codec_loses_the_stack() -> None:
    """Zero wherever the image is under 3 sigma: of 1 sigma under a tenth or so is left (Gauss: 0.077), of 0.3 less."""
    one = scene()
    harmed = np.where(np.abs(one.samples) < 3 * one.noise, 0, one.samples)
    rows = stacked(one, harmed)
    assert float(rows[1.0]["mean"]) == pytest.approx(0.077, abs=0.1)
    assert float(rows[1.0]["bias_in_errors"]) < -10
    assert float(rows[1.0]["median"]) == 0
    nothing = stacked(one, np.zeros_like(one.samples))
    assert {float(row["mean"]) for row in nothing.values()} == {0}
    assert nothing[3.0]["found"] == "0.0000"


def test_stack_with_noise_is_unbiased() -> None:
    """Noise that knows nothing of the sources leaves the stack within its errors, which it makes larger."""
    one = scene()
    noisy = one.samples + np.random.default_rng(8).normal(0, one.noise, one.samples.shape)
    for row in stacked(one, noisy).values():
        assert abs(float(row["bias_in_errors"])) < 4
        assert float(row["change_error"]) > 0.01


def test_stack_that_is_shifted_up() -> None:
    """A codec that adds half a sigma everywhere shows it at blank places (0.5 sum B / sum B^2 over 3 x 3)."""
    one = scene()
    row = stacked(one, one.samples + np.float32(0.5 * one.noise))[0.0]
    _, _, profile = stamp(0.0, 0.0, one.beam, 1)
    assert float(row["change"]) == pytest.approx(0.5 * profile.sum() / (profile**2).sum(), rel=1e-3)


def test_places_of_sources() -> None:
    """One of each amplitude a cell, none nearer than 24 pixels to another, blank places 16 from any."""
    cells = [(row * CELL, column * CELL) for row in range(4) for column in range(4)]
    places = place_sources(cells, np.random.default_rng(1))
    assert {len(some) for some in places.values()} == {16}
    sources = np.concatenate([places[amplitude] for amplitude in AMPLITUDES])
    apart = np.hypot(*(sources[:, None] - sources[None]).transpose(2, 0, 1))
    assert apart[apart > 0].min() >= 24
    assert np.hypot(*(sources[:, None] - places[0.0][None]).transpose(2, 0, 1)).min() >= 16


def test_injected_source() -> None:
    """A source in the middle of a pixel has its peak there and half of it half a width away; the rest is as it was."""
    image = inject(np.zeros((40, 40)), np.array([[20.0, 20.0]]), np.array([7.0]), Beam(major=4.0, minor=4.0))
    assert image[20, 20] == pytest.approx(7.0)
    assert image[22, 20] == pytest.approx(3.5)
    assert image.sum() == pytest.approx(7.0 * Beam(major=4.0, minor=4.0).area, rel=1e-4)
    assert image[5, 5] == 0


def test_beam_by_hand() -> None:
    """At 90 degrees the major axis lies along x; FIRST's beam stands in where a header has none."""
    beam = Beam(major=6.0, minor=2.0, angle_deg=90.0)
    assert beam.profile(np.array([0.0, 1.0]), np.array([3.0, 0.0])) == pytest.approx([0.5, 0.5])
    assert beam.width == pytest.approx(np.sqrt(12))


def test_beam_of_a_header(tmp_path: Path) -> None:
    """Simulated files name their beam in degrees."""
    (tmp_path / "a.fits").write_bytes(simulate_fits((64, 64), seed=1, beam_fwhm_px=(5.0, 3.5)))
    beam = beam_of(tmp_path / "a.fits", 0)
    assert (beam.major, beam.minor, beam.angle_deg) == (pytest.approx(5.0), pytest.approx(3.5), 20.0)
    assert (FALLBACK.major, FALLBACK.minor) == (5.4 / 1.8, 5.4 / 1.8)


def test_blank_cells(tmp_path: Path) -> None:
    """Of 2 x 2 cells that fit 150 pixels the one with a bright source gets none."""
    from astropy.io import fits

    noise = np.random.default_rng(2).normal(0, 1, (150, 150)).clip(-3, 3)
    noise[100, 100] = 50
    fits.PrimaryHDU(noise.astype(np.float32)).writeto(tmp_path / "a.fits")
    image = next(iter(images(tmp_path, "a.fits")))
    assert blank_cells(image, 1.0) == [(11, 11), (11, 75), (75, 11)]


@pytest.mark.parametrize("rising", [False, True])
def test_size_is_met_from_below(rising: bool) -> None:
    """Streams whose size goes as a power of the knob end within 3 % below the size, from any start."""

    def run(samples: Array, quality: float) -> tuple[int, Array]:
        return 1 + int(1e4 * quality ** (1.7 if rising else -0.6)), samples

    coder, samples = fake(run=run, rising=rising), np.zeros((100, 100))
    for bits in (0.1, 1.0, 8.0):
        for start in (None, 0.01, 300.0):
            coded = at_size(coder, samples, bits, start)
            assert coded is not None
            assert 0.97 * bits <= 8 * coded.n_bytes / samples.size <= bits


def test_size_between_steps() -> None:
    """Streams of 1000, 2000, ... bytes only: the largest that fits is taken."""
    coder = fake(run=lambda samples, quality: (1000 * int(1 + quality), samples), rising=True, limits=(0.5, 50.0))
    coded = at_size(coder, np.zeros((100, 100)), 8 * 3500 / 10000)
    assert coded is not None
    assert coded.n_bytes == 3000


def test_size_out_of_reach() -> None:
    """None where even the smallest stream is too large, where the codec refuses, and where a direct one exceeds."""

    def refuse(samples: Array, quality: float) -> tuple[int, Array]:
        raise Unsupported("never")

    samples = np.zeros((100, 100))
    assert at_size(fake(limits=(1.0, 2.0)), samples, 1.0) is None
    assert at_size(fake(run=refuse), samples, 1.0) is None
    assert at_size(fake(run=lambda s, q: (int(q * s.size / 8) + 1, s), direct=True), samples, 1.0) is None


def test_size_of_a_direct_coder_is_not_searched() -> None:
    """It is asked once, for the size itself."""
    asked = []

    def run(samples: Array, quality: float) -> tuple[int, Array]:
        asked.append(quality)
        return 1, samples

    assert at_size(fake(run=run, direct=True), np.zeros((100, 100)), 0.5) is not None
    assert asked == [0.5]


def test_jobs() -> None:
    """The control once; bounded coders at five bounds and four sizes; two modes of one codec not both at equal size."""
    jobs = list(all_jobs([fake(knob="", sized=False), fake(bounded=True), fake(bounded=True, sized=False), fake()]))
    assert [job.comparison for job in jobs].count("exact") == 1
    assert [job.comparison for job in jobs].count("bound") == 10
    assert [job.comparison for job in jobs].count("size") == 8


def test_jobs_of_some_levels() -> None:
    """A level is a divisor of sigma and a size; the control stays."""
    jobs = all_jobs([fake(knob="", sized=False), fake(bounded=True)], levels=(8.0, 0.25, 1.0))
    assert [(job.comparison, job.level) for job in jobs] == [
        ("exact", 0), ("bound", 1.0), ("bound", 8.0), ("size", 0.25), ("size", 1.0)
    ]  # fmt: skip


def test_moments_by_hand() -> None:
    """A line of 10, 20, 10 in channels 1 to 3; doubled in channel 3 the flux is 5/4 and the mean channel 2.2."""
    rng = np.random.default_rng(1)
    cube = rng.normal(0, 0.1, (5, 20, 20)).clip(-0.25, 0.25)
    cube[1:4, 5, 5] = 10, 20, 10
    same = moment_figures(cube, cube)
    assert (same["moment0_rms", ""], same["moment0_ratio", ""], same["moment1_max", ""]) == (0, 1, 0)
    other = cube.copy()
    other[3, 5, 5] = 20
    got = moment_figures(cube, other)
    assert got["moment0_ratio", ""] == pytest.approx(1.25)
    assert got["moment1_rms", ""] == pytest.approx(0.2)
    assert moment_figures(cube, 0.9 * cube)["moment0_ratio", ""] == pytest.approx(0.9)
    assert moment_figures(np.zeros((5, 9, 9)), np.zeros((5, 9, 9))) == {}


def test_integer_cubes_are_physical(tmp_path: Path) -> None:
    """BSCALE, BZERO and BLANK are applied to what was coded as integers."""
    (tmp_path / "a.fits").write_bytes(simulate_fits((64, 64), seed=1, bitpix=16, nan_border_px=2))
    image = next(iter(images(tmp_path, "a.fits")))
    values = physical(image, tmp_path, image.samples)
    assert np.isnan(values[0, 0])
    from radcodec.simulate import simulate_image

    floats = simulate_image((64, 64), seed=1)[2:-2, 2:-2]
    assert values[2:-2, 2:-2] == pytest.approx(floats, abs=float(np.ptp(floats)) / 65000)


def test_every_finder_has_a_package() -> None:
    """What can be asked for is what there is."""
    assert list(PACKAGES) == list(FINDERS)


def test_finders_are_measured_apart(tmp_path: Path) -> None:
    """A job that one finder has done is not done for another."""
    pytest.importorskip("sep")
    pytest.importorskip("photutils")
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "a.fits").write_bytes(simulate_fits((160, 160), seed=3))
    options: dict[str, Any] = {"data": tmp_path, "sets": ["some"], "commit": "c"}
    coders, out = [fake(knob="", sized=False)], tmp_path / "science.csv"
    assert run_science(coders, Choice(), out=out, finders=["sep"], **options) > 0
    assert run_science(coders, Choice(), out=out, finders=["sep"], **options) == 0
    assert run_science(coders, Choice(), out=out, finders=["photutils"], **options) > 0


def test_integer_images_are_left_out_beside_floats(tmp_path: Path) -> None:
    """Of a set with both kinds only floats are measured, which every codec takes; an integer image by itself is."""
    for name, bitpix in (("a", -32), ("b", 16)):
        (tmp_path / f"{name}.fits").write_bytes(simulate_fits((64, 64), seed=1, bitpix=bitpix))
    assert [one.file for one in pictures(tmp_path, "")] == ["a.fits"]
    assert [one.file for one in pictures(tmp_path, "b.fits")] == ["b.fits"]


def test_each_cube_is_a_set(tmp_path: Path) -> None:
    """Rows of a folder of cubes are of one cube each, so that a codec which refuses one is measured on the others."""
    rng = np.random.default_rng(1)
    (tmp_path / "cubes").mkdir()
    for name in ("a", "b"):
        cube = rng.normal(size=(5, 30, 30)).astype(np.float32)
        cube[1:4, 10:20, 10:20] += 20
        fits.PrimaryHDU(cube).writeto(tmp_path / "cubes" / f"{name}.fits")
    out = tmp_path / "science.csv"
    run_science([fake(knob="", sized=False)], Choice(), data=tmp_path, sets=["cubes"], out=out, commit="c")
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {(row["set"], row["bin"], row["files"]) for row in rows} == {
        ("cubes/a.fits", "a", "1"), ("cubes/b.fits", "b", "1")
    }  # fmt: skip


def test_fpack_steps() -> None:
    """Plain steps are multiples of 2E; dithered ones are not, and no error exceeds E but for rounding."""
    if shutil.which("fpack") is None or shutil.which("funpack") is None:
        pytest.skip("fpack is not installed")
    samples = np.random.default_rng(1).normal(size=(64, 100)).astype(np.float32)
    levels = []
    for dither in (False, True):
        rival = FpackSteps(dither=dither)
        decoded = rival.decode(rival.encode(samples, max_error=0.25), shape=samples.shape, dtype=samples.dtype)
        assert np.abs(decoded - samples).max() <= 0.25 + 1e-6
        levels.append(len(np.unique(decoded)))
    assert levels[0] < 20 < 2000 < levels[1]


def test_rows_are_measured_once(tmp_path: Path) -> None:
    """A control is perfect in every row, a second run adds none, a codec that cannot leaves a row that says so."""
    pytest.importorskip("sep")
    pytest.importorskip("photutils")

    def refuse(samples: Array, quality: float) -> tuple[int, Array]:
        raise Unsupported("never")

    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "a.fits").write_bytes(simulate_fits((160, 160), seed=3))
    coders = [fake(knob="", sized=False), fake(run=refuse, name="none", bounded=True, sized=False)]
    options: dict[str, Any] = {"data": tmp_path, "sets": ["some"], "commit": "c"}
    for run, out in ((run_science, tmp_path / "science.csv"), (run_stack, tmp_path / "stack.csv")):
        n_rows = run(coders, Choice(), out=out, **options)
        with out.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == n_rows
        assert run(coders, Choice(), out=out, **options) == 0
        perfect = [row for row in rows if row["codec"] == "fake"]
        assert perfect
        assert {row["status"] for row in perfect} == {"ok"}
        assert [row["status"] for row in rows if row["codec"] == "none"] == ["none: never"] * 5
        for row in perfect:
            if row.get("metric") and row["value"] != "nan":
                ones = row["metric"].endswith(("ratio", "gain", "completeness"))
                assert float(row["value"]) == pytest.approx(1.0 if ones else 0.0, abs=1e-9)
            assert float(row.get("change") or 0) == 0

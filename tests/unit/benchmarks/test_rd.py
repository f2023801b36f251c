"""Curves of bits against error, their read-out by hand, the Gaussian bound, and the lossy rivals that are installed."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import __main__ as command_line
from benchmarks.data.datasets import Image
from benchmarks.rivals.base import Unsupported
from benchmarks.rivals.lossy import LossyRival, MappedRival, Mapping, compand, expand, ladder
from benchmarks.rivals.registry import lossy_rivals
from benchmarks.run.curves import Curve, curves_of, read_out
from benchmarks.run.distortion import COLUMNS, distortion, estimate_rows, run_rd, water_filling
from benchmarks.run.spectrum import LocalSpectrum, local_spectrum
from radcodec.simulate import simulate_fits

RIVALS = {f"{rival.name}, {rival.variant}": rival for rival in lossy_rivals() if rival.name != "radcodec"}


def image(shape: tuple[int, ...] = (64, 80)) -> np.ndarray:
    """Smoothed noise with one bright and one missing pixel."""
    noise = np.random.default_rng(5).normal(size=shape)
    smooth = 1e-3 * (noise + np.roll(noise, 1, -1) + np.roll(noise, 1, -2))
    smooth[..., 3, 4], smooth[..., 9, 9] = 0.5, np.nan
    return smooth.astype(np.float32)


class Rounding:
    """Rounds to multiples of its quality; its streams hold as many bytes as it has bits."""

    name, variant, setting, knob, qualities = "rounding", "plain", "", "step", (1.0, 4.0, 9.0)

    def version(self) -> str:
        return "1"

    def encode(self, array: np.ndarray, quality: float) -> bytes:
        if quality == 9:
            raise Unsupported("nine")
        return (np.rint(array / quality) * quality).astype(np.float32).tobytes()

    def decode(self, data: bytes, *, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
        return np.frombuffer(data, np.float32).reshape(shape).astype(dtype)


def test_companding_by_hand() -> None:
    """The median is 0, a third of sinh(1) of 3s above it is 3, and small values count in s; expanding undoes it."""
    values = np.array([7.0, 7.0 + 3 * 2 * np.sinh(1.0), 7.0 + 2e-6])
    companded = compand(values, 7.0, 2.0)
    assert companded == pytest.approx([0.0, 3.0, 1e-6])
    assert expand(companded, 7.0, 2.0) == pytest.approx(values, rel=1e-12)


def test_ladder_by_hand() -> None:
    """Three steps from 0.01 to 1 are decades, and 1/3 has three digits."""
    assert ladder(0.01, 1.0, 3) == (0.01, 0.1, 1.0)
    assert ladder(1 / 3, 1 / 3, 1) == (0.333,)


def test_distortion_by_hand() -> None:
    """Of -1, 0, 0, 1, 1, 1000 and NaN with s = 1.4826 / 2: half a unit on a faint sample and 10 on the bright one."""
    before = np.array([[-1.0, 0.0, 0.0, 1.0, 1.0, 1000.0, np.nan]])
    after = before + np.array([[0.0, 0.5, 0.0, 0.0, 0.0, 10.0, 0.0]])
    got, s = distortion(before, after), 1.4826 * 0.5
    assert got.max_error == 10
    assert got.rmse_faint == pytest.approx(0.5 / s / np.sqrt(5))
    moved = 3 * np.arcsinh((0.5 - 0.5) / (3 * s)) - 3 * np.arcsinh((0.0 - 0.5) / (3 * s))
    bright = 3 * np.arcsinh(1009.5 / (3 * s)) - 3 * np.arcsinh(999.5 / (3 * s))
    assert got.rmse_companded == pytest.approx(np.sqrt((moved**2 + bright**2) / 6))
    perfect = distortion(before, before)
    assert (perfect.rmse_companded, perfect.rmse_faint, perfect.max_error) == (0, 0, 0)


def test_curve_by_hand() -> None:
    """Error is linear in the logarithm of the rate both ways; points that another beats in both are left out."""
    curve = Curve.of([(4.0, 1.0), (1.0, 3.0), (2.0, 3.5), (0.25, 5.0), (0.0, 9.0)])
    assert list(curve.bits) == [0.25, 1.0, 4.0]
    assert curve.error_at(2.0) == pytest.approx(2.0)
    assert curve.error_at(0.5) == pytest.approx(4.0)
    assert curve.bits_at(2.0) == pytest.approx(2.0)
    assert curve.bits_at(3.0) == pytest.approx(1.0)


def test_curves_are_not_extrapolated() -> None:
    """Outside the rates there is no error; a larger error than any takes the least rate, a smaller one has none."""
    curve = Curve.of([(1.0, 3.0), (4.0, 1.0)])
    assert curve.error_at(0.9) is None
    assert curve.error_at(4.1) is None
    assert curve.bits_at(7.0) == pytest.approx(1.0)
    assert curve.bits_at(0.9) is None
    assert Curve.of([]).error_at(1.0) is None
    assert Curve.of([]).bits_at(1.0) is None


@pytest.mark.parametrize(
    ("level", "rmse", "bits"),
    [
        (0.5, 0.5, 1.0),  # distortion (1/4 + 1/4) / 2, half of (log2 16) / 2
        (1.0, np.sqrt(0.625), 0.5),  # distortion (1 + 1/4) / 2, half of (log2 4) / 2
        (2.0, np.sqrt(2.125), 0.0),  # all is given up: (4 + 1/4) / 2
    ],
)
def test_water_filling_by_hand(level: float, rmse: float, bits: float) -> None:
    """Reverse water-filling over two frequencies of known power."""
    spectrum = LocalSpectrum(power=np.array([[4.0, 0.25]]), amplitude=np.ones(1), n_blocks=1, finite=1.0)
    assert water_filling(spectrum, level) == pytest.approx((rmse, bits))


@pytest.mark.parametrize("level", [0.1, 0.3, 0.6])
def test_bound_of_white_noise(level: float) -> None:
    """White noise of variance s^2 takes 0.5 log2(s^2 / D), within 0.03 bit."""
    spectrum = local_spectrum(2.0 * np.random.default_rng(1).normal(size=(256, 256)))
    assert spectrum is not None
    rmse, bits = water_filling(spectrum, 2.0 * level)
    assert bits == pytest.approx(0.5 * np.log2(4.0 / rmse**2), abs=0.03)


@pytest.mark.parametrize("level", [0.2, 0.5, 1.0])
def test_bound_of_noise_with_a_beam(level: float) -> None:
    """Noise with a beam of 3 pixels takes what its own spectrum says at that error, within 4 %."""
    f = np.fft.fftfreq(256)
    power = np.exp(-((2 * np.pi * 3 / 2.3548) ** 2) * (f[:, None] ** 2 + f**2))
    power = power / power.mean() + 1e-4
    white = np.fft.fft2(np.random.default_rng(2).normal(size=power.shape))
    spectrum = local_spectrum(np.fft.ifft2(white * np.sqrt(power)).real)
    assert spectrum is not None
    rmse, bits = water_filling(spectrum, level)
    levels = np.geomspace(0.05, 3, 400)
    errors = [np.sqrt(np.minimum(power, t**2).mean()) for t in levels]
    rates = [0.5 * np.log2(np.maximum(power, t**2) / t**2).mean() for t in levels]
    assert bits == pytest.approx(np.interp(rmse, errors, rates), rel=0.04)


def test_bound_counts_finite_samples_only() -> None:
    """Of an image that is half NaN the bound has half the bits."""
    samples = np.random.default_rng(3).normal(size=(256, 256)).astype(np.float32)
    samples[:, :128] = np.nan
    rows = estimate_rows(Image(file="f", hdu=0, sha256="", samples=samples, header_zstd_bytes=0))
    bits = {float(str(row["rmse_companded"])): float(str(row["bits_per_pixel"])) for row in rows}
    variance = float(np.var(compand(samples[:, 128:], 0.0, 1.0)))
    error = min(bits, key=lambda rmse: abs(rmse - 0.1))
    assert bits[error] == pytest.approx(0.5 * 0.5 * np.log2(variance / error**2), abs=0.05)


@pytest.mark.parametrize("name", sorted(RIVALS))
def test_rival_trades_bits_for_error(name: str) -> None:
    """Every rival keeps NaN, and its best quality has more bits and less error than its worst."""
    pytest.importorskip("imagecodecs")
    rival, samples = RIVALS[name], image()
    assert rival.version()
    measured = []
    for quality in (min(rival.qualities), max(rival.qualities)):
        data = rival.encode(samples, quality)
        decoded = rival.decode(data, shape=samples.shape, dtype=samples.dtype)
        assert decoded.dtype == samples.dtype
        assert np.array_equal(np.isnan(decoded), np.isnan(samples))
        measured.append((len(data), distortion(samples, decoded).rmse_companded))
    (fewest, worst), (most, best) = sorted(measured)
    assert fewest < most
    # What the plain autoencoder's network cannot give sets its least error, which no finer step lowers.
    assert best < (0.6 if rival.name == "ae" else 0.5) * worst


def test_rates_of_sperr_are_kept() -> None:
    """SPERR's quality is its rate, to which heads of up to 60 bytes are added."""
    pytest.importorskip("imagecodecs")
    rival, samples = RIVALS["sperr, companded"], np.nan_to_num(image((128, 128)))
    for quality in (0.25, 1.0):
        assert 0 <= len(rival.encode(samples, quality)) - quality * samples.size / 8 < 60


@pytest.mark.parametrize("mapping", list(Mapping))
def test_mapping_is_undone(mapping: Mapping) -> None:
    """With a coder that keeps its floats, floats come back to 1e-6 of s or of themselves, integers and NaN exactly."""

    class Kept(MappedRival):
        name = "kept"

        def code(self, image: np.ndarray, quality: float) -> bytes:
            return image.tobytes()

        def restore(self, data: bytes, shape: tuple[int, ...]) -> np.ndarray:
            return np.frombuffer(data).reshape(shape)

    rival, samples = Kept(mapping), image((2, 64, 80))
    assert np.allclose(
        rival.decode(rival.encode(samples, 1), shape=samples.shape, dtype=samples.dtype),
        samples, rtol=1e-6, atol=1e-9, equal_nan=True,
    )  # fmt: skip
    whole = (np.nan_to_num(samples) * 30000).astype(np.int16)
    assert np.array_equal(rival.decode(rival.encode(whole, 1), shape=whole.shape, dtype=whole.dtype), whole)
    with pytest.raises(Unsupported, match="no noise"):
        rival.encode(np.zeros((8, 8)), 1)


def test_radcodec_stages() -> None:
    """Two stages of the base layer take more bits than one; more than the model has is no result."""
    rival = next(rival for rival in lossy_rivals() if rival.knob == "stages")
    samples = np.nan_to_num(image())
    one, two = (rival.encode(samples, n) for n in (1, 2))
    assert len(one) < len(two)
    assert rival.decode(two, shape=samples.shape, dtype=samples.dtype).shape == samples.shape
    with pytest.raises(Unsupported, match="stages"):
        rival.encode(samples, max(rival.qualities))


def test_rows_are_measured_once(tmp_path: Path) -> None:
    """A row for each quality that there is, errors as counted by hand, and none again in a second run."""
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "a.fits").write_bytes(simulate_fits((128, 128), seed=3))
    rivals: list[LossyRival] = [Rounding()]
    options: dict[str, Any] = {"estimate": True, "data": tmp_path, "sets": ["some"], "commit": "c"}
    out = tmp_path / "rows.csv"
    n_rows = run_rd(rivals, out=out, **options)
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    coded = [row for row in rows if row["codec"] == "rounding"]
    assert len(rows) == n_rows
    assert [(row["quality"], row["bits_per_pixel"]) for row in coded] == [("1", "32.00000"), ("4", "32.00000")]
    assert {row["codec"] for row in rows} == {"rounding", "R(D)"}
    assert run_rd(rivals, out=out, **options) == 0


def write_rows(path: Path, rows: list[dict[str, object]]) -> None:
    """A CSV of rows of one set."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        for number, row in enumerate(rows):
            writer.writerow({"set": "s", "hdu": 0, "status": "ok", "knob": "k", "quality": number} | row)


def points(codec: str, variant: str, file: str, *pairs: tuple[float, float]) -> list[dict[str, object]]:
    """Rows of (bits, companded RMSE)."""
    known = {"codec": codec, "variant": variant, "file": file}
    return [known | {"bits_per_pixel": bits, "rmse_companded": error} for bits, error in pairs]


def test_read_out_by_hand(tmp_path: Path) -> None:
    """Errors of radcodec at 1 bit are 2 and 4; variant x needs 2 and 1 bits, y 4 and 4, z has one image only."""
    rows = [
        *points("radcodec", "model", "a", (0.5, 3.0), (2.0, 1.0)),
        *points("radcodec", "model", "b", (1.0, 4.0), (2.0, 1.0)),
        *points("rival", "x", "a", (1.0, 3.0), (4.0, 1.0)),
        *points("rival", "x", "b", (1.0, 4.0), (4.0, 1.0)),
        *points("rival", "y", "a", (4.0, 2.0)),
        *points("rival", "y", "b", (4.0, 4.0)),
        *points("rival", "z", "a", (0.1, 2.0)),
        *points("part", "x", "a", (1.0, 3.0)),
        *points("part", "x", "b", (0.5, 4.0)),
    ]
    write_rows(tmp_path / "one.csv", rows[:4])
    write_rows(tmp_path / "two.csv", rows[4:])
    lines = read_out([tmp_path / "one.csv", tmp_path / "two.csv"])
    assert lines[0].startswith("**s, 2 images, model: bits a pixel at equal rmse_companded")
    assert lines[2] == "| radcodec, bits a pixel | mean RMSE | part | rival |"
    assert lines[-2] == "| 1 | 3.000 | 0.500 (0.50, x, 1 of 2) | 1.500 (1.50, x) |"


def test_failed_rows_and_missing_errors_do_not_count() -> None:
    """Rows that are not ok, and the bound's without that error, make no curve."""
    known = {"codec": "c", "variant": "v", "file": "f", "hdu": "0", "bits_per_pixel": "1"}
    rows = [known | {"status": "failed: x", "rmse_faint": "1"}, known | {"status": "ok", "rmse_faint": ""}]
    assert curves_of(rows, "rmse_faint") == {}


def test_command_without_sets_reads_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without sets the command prints tables of what there is and writes no file."""
    write_rows(tmp_path / "rows.csv", points("radcodec", "model", "a", (0.5, 3.0), (2.0, 1.0)))
    words = ["benchmarks", "rd", "--with", str(tmp_path / "rows.csv"), "--out", str(tmp_path / "new.csv")]
    monkeypatch.setattr(sys, "argv", [*words, "--commit", "c"])
    command_line.main()
    header, _, row = capsys.readouterr().out.splitlines()[2:5]
    assert (header, row) == ("| radcodec, bits a pixel | mean RMSE |", "| 0.5 | 3.000 |")
    assert not (tmp_path / "new.csv").exists()

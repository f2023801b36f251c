"""Taps on the image and on a base: fits to fields whose best predictor is known, and what they leave."""

from __future__ import annotations

import numpy as np
import pytest

import radcodec
from benchmarks.studies import base_under
from benchmarks.studies.base_under import (
    base_lines,
    base_part,
    context_gain,
    joint_fit,
    left_over,
    response,
    square_offsets,
    window_offsets,
)


def noise(seed: int, shape: tuple[int, int] = (96, 96)) -> np.ndarray:
    """White noise."""
    return np.random.default_rng(seed).normal(size=shape)


def test_offsets_by_hand() -> None:
    """A window of radius 1 has the four pixels before a pixel, a square of reach 1 nine."""
    assert window_offsets(1) == [(-1, -1), (-1, 0), (-1, 1), (0, -1)]
    assert len(square_offsets(1)) == 9


def test_transfer_function_by_hand() -> None:
    """Half the pixel to the left: half of the image moved by one, as the transfer function makes it."""
    image = noise(1)
    found = np.fft.ifft2(np.fft.fft2(image) * response(np.array([0.5]), [(0, -1)], (96, 96))).real
    assert found == pytest.approx(0.5 * np.roll(image, 1, axis=1))


def test_fit_finds_the_taps() -> None:
    """x = 0.6 left + 0.5 base + noise: these taps and no others."""
    pytest.importorskip("scipy")
    base, image, error = noise(2), np.zeros((96, 96)), 0.1 * noise(3)
    for column in range(96):
        image[:, column] = (0.6 * image[:, column - 1] if column else 0) + 0.5 * base[:, column] + error[:, column]
    c, g = joint_fit(image, base)
    assert c[-1] == pytest.approx(0.6, abs=0.02)
    assert g[len(g) // 2] == pytest.approx(0.5, abs=0.02)
    assert np.abs(np.delete(c, -1)).max() < 0.02
    assert np.abs(np.delete(g, len(g) // 2)).max() < 0.02


def test_what_is_left_is_predicted_as_well_as_with_the_base() -> None:
    """For that field, the predictor 0.6 on what is left has the noise alone as its error, away from the borders."""
    pytest.importorskip("scipy")
    base, image, error = noise(2), np.zeros((96, 96)), 0.1 * noise(3)
    for column in range(96):
        image[:, column] = (0.6 * image[:, column - 1] if column else 0) + 0.5 * base[:, column] + error[:, column]
    c, g = np.zeros(len(window_offsets(base_under.RADIUS))), np.zeros(25)
    c[-1], g[12] = 0.6, 0.5
    left = image - base_part(base, c, g)
    assert (left[:, 1:] - 0.6 * left[:, :-1])[:, 20:] == pytest.approx(error[:, 21:], abs=1e-6)


def test_a_perfect_base_leaves_nothing() -> None:
    """Where the base is the image, the difference is zero."""
    pytest.importorskip("scipy")
    image = 5 + noise(4)
    assert np.abs(left_over(image, image, 1.0)["difference"][0]).max() == 0


def test_rows_count_the_base(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bits of a row are those of the base, of the taps and of what is left, a pixel; no base is the image alone."""
    pytest.importorskip("scipy")
    image = noise(5, (80, 80)).astype(np.float32)
    monkeypatch.setattr(base_under, "bits", lambda samples, _: 6400.0 * (10 if np.array_equal(samples, image) else 1))
    rows = list(base_under.image_rows(image, {("lapped-v2", 1.0)}))
    assert {(row["bound"], row["way"]) for row in rows} == {
        ("sigma/8", "difference"), ("sigma/2", "difference"), ("sigma/8", "taps"), ("lossless", "taps"),
        ("sigma/8", "difference, context"), ("sigma/2", "difference, context"),
    }  # fmt: skip
    base = float(str(rows[0]["base_bits"]))
    lossy = radcodec.encode(image, lossy_bpp=1.0, model="lapped-v2", threads=1)
    with radcodec.open(lossy) as file:
        streams = sum(layer["bytes"] for layer in file.info.layers if layer["name"] == "base")
    assert 600 < streams < len(lossy) <= 800
    assert base == pytest.approx(8 * (base_under.BESIDE_BYTES + streams) / 6400, abs=1e-5)
    assert float(str(rows[0]["bits_per_pixel"])) == pytest.approx(base + 1, abs=1e-4)
    assert rows[0]["plain_bits_per_pixel"] == "10.00000"
    taps = next(row for row in rows if row["way"] == "taps")
    assert float(str(taps["bits_per_pixel"])) == pytest.approx(base + 1 + 25 * base_under.TAP_BITS / 6400, abs=1e-4)


def test_smooth_images_have_no_lossless_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight bits a pixel at the finest bound are too few for what holds there to hold for lossless streams."""
    pytest.importorskip("scipy")
    monkeypatch.setattr(base_under, "bits", lambda samples, _: 8.0 * samples.size)
    rows = list(base_under.image_rows(noise(5, (80, 80)).astype(np.float32), {("lapped-v2", 1.0)}))
    assert [row["bound"] for row in rows if row["way"] != "difference, context"] == ["sigma/8", "sigma/2", "sigma/8"]


def test_context_helps_where_errors_follow_the_base() -> None:
    """Isolated errors where the base is busy are foreseen by it; errors that know nothing of it are not."""
    pytest.importorskip("scipy")
    rng = np.random.default_rng(6)
    busy = np.kron(rng.random((20, 20)) < 0.3, np.ones((6, 6)))
    base = busy * rng.normal(size=(120, 120))
    followed, free = (rng.normal(size=(120, 120)) * scale for scale in (0.2 + 3 * busy, 1.0))
    saved, nothing = (context_gain(left, base, 0.5) for left in (followed, free))
    assert saved > 0.02 * left_bits(followed)
    assert nothing < 0.01 * left_bits(free)


def left_bits(left: np.ndarray) -> float:
    """Bits of a float64 image at a bound of a half."""
    return base_under.bits(left, 0.5)


def test_table_by_hand() -> None:
    """Changes are those of the sums of bits: 3 and 1 become 2 and 1.5, an eighth less; at best 2 and 1, a quarter."""
    known = {"bound": "sigma/2", "set": "s", "way": "taps", "model": "lapped-v2", "rate": "0.2"}
    rows = [
        known | {"file": "a", "plain_bits_per_pixel": "3", "bits_per_pixel": "2"},
        known | {"file": "b", "plain_bits_per_pixel": "1", "bits_per_pixel": "1.5"},
    ]
    line = base_lines(rows)[-1]
    assert line.startswith("| sigma/2 | s (2) | taps | 2.000 | -12.5 % | -25.0 % |")


def test_telescopes_have_a_line_each() -> None:
    """Images of the set telescopes are not summed up."""
    known = {"bound": "sigma/2", "set": "telescopes", "way": "taps", "model": "lapped-v2", "rate": "0.2"}
    rows = [known | {"file": f"{n}.fits", "plain_bits_per_pixel": "2", "bits_per_pixel": "1"} for n in "ab"]
    assert [line.split(" | ")[1] for line in base_lines(rows)[-2:]] == ["a", "b"]

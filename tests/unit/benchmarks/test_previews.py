"""Sources seen in previews of images whose sources are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import figures
from benchmarks.studies import previews
from benchmarks.studies.previews import near, preview_lines, side_by_side
from radcodec.decoding.picture import png_bytes


def sky(places: list[tuple[int, int]]) -> np.ndarray:
    """Unit noise with round sources of peak 60 at (y, x)."""
    image = np.random.default_rng(8).normal(size=(160, 180))
    y, x = np.mgrid[:160, :180]
    for row, column in places:
        image += 60 * np.exp(-0.5 * ((y - row) ** 2 + (x - column) ** 2) / 2.5**2)
    return image


PLACES = [(30, 40), (80, 90), (120, 30), (100, 150)]


def test_the_image_itself_shows_all_its_sources() -> None:
    """A perfect preview has every source and no other."""
    pytest.importorskip("sep")
    image = sky(PLACES)
    assert previews.seen_cells(image, image) == {"sources": 4, "seen": 4, "seen_low": 4, "false": 0}


def test_a_lost_and_a_false_source_are_counted() -> None:
    """A preview without one source and with another elsewhere sees three of four, and one that is false."""
    pytest.importorskip("sep")
    got = previews.seen_cells(sky(PLACES), sky([*PLACES[:3], (30, 140)]))
    assert got == {"sources": 4, "seen": 3, "seen_low": 3, "false": 1}


def test_faint_in_the_preview_is_seen_at_the_lower_threshold_alone() -> None:
    """Sources of four times the noise are seen at 3, not at 5."""
    pytest.importorskip("sep")
    smooth = (sky(PLACES) - sky([])) * 4 / 60
    assert previews.seen_cells(sky(PLACES), smooth) == {"sources": 4, "seen": 0, "seen_low": 4, "false": 0}


def test_near_by_hand() -> None:
    """Five pixels are near, more are not, and nothing is near nothing."""
    places = np.array([[0.0, 0.0], [10.0, 0.0]])
    assert near(places, np.array([[3.0, 4.0]])).tolist() == [True, False]
    assert near(places, np.empty((0, 2))).tolist() == [False, False]
    assert near(np.empty((0, 2)), places).tolist() == []


def test_difference_is_grey_where_there_is_none() -> None:
    """Original and preview that are the same: equal panels, and a third one of middle grey."""
    image = sky(PLACES)[:, :150]
    picture = side_by_side(image, image)
    panels = picture[:, :150], picture[:, 156:306], picture[:, 312:]
    assert np.array_equal(panels[0], panels[1])
    assert np.unique(panels[2]).tolist() == [128]
    assert np.array_equal(panels[0][::-1] == 255, panels[0][::-1] >= 255)


def test_pictures_that_are_too_large_are_refused(tmp_path: Path) -> None:
    """A picture of noise too large for the docs is an error; a plain one is coarsened to few greys."""
    noise = np.random.default_rng(1).integers(0, 256, (900, 900)).astype(np.uint8)
    with pytest.raises(SystemExit, match="expected at most 200000 bytes"):
        figures.save_greys(noise, tmp_path / "a.png")
    figures.save_greys(np.array([[3, 4, 5, 250]], np.uint8), tmp_path / "b.png")
    assert (tmp_path / "b.png").read_bytes() == png_bytes(np.array([[0, 0, 8, 247]], np.uint8))


def test_page_by_hand() -> None:
    """Bits of the file are 8 times its bytes by its pixels; a cube's plane is named; the picture follows."""
    row = {
        "file": "cubes/a.fits", "shape": "3x5x4", "plane": "2", "pixels": "60", "file_bytes": "90", "figure": "x.png",
        "preview_bytes": "6", "preview_percent": "6.667", "preview_bits_per_pixel": "0.8", "rmse_companded": "0.5",
        "rmse_faint": "0.6", "seen": "1", "seen_low": "2", "sources": "3", "false": "0",
    }  # fmt: skip
    lines = preview_lines([row])
    assert "| a, plane 2 | 3x5x4 | 12.00 | 6 | 6.67 | 0.8000 | 0.50 | 0.60 | 1, 2 | 3 | 0 |" in lines
    assert lines[-1] == "![a, plane 2](figures/x.png)"

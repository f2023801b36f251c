"""Folders are divided and thinned out before they are read; pieces are those of the planes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("astropy")

from radcodec.errors import InputError
from radcodec.simulate import simulate_fits
from radcodec.training.datasets import load_source
from radcodec.training.sources import (
    Item,
    cuts,
    divide,
    list_items,
    list_pieces,
    load_held_out,
    load_images,
    thin,
    thin_pixels,
)

IMAGE = np.zeros((1, 1), np.float32)


def items_of(*sizes: int) -> list[Item]:
    """Items of files of so many planes."""
    return [Item(file=number, content=IMAGE) for number, size in enumerate(sizes) for _ in range(size)]


def test_of_ten_files_one_is_held_out_with_all_its_planes() -> None:
    """Files 5 and 15 of 20, all of two planes."""
    kept, held = divide(items_of(*[2] * 20), 10)
    assert [item.file for item in held] == [5, 5, 15, 15]
    assert len(kept) == 36


def test_of_few_files_the_middle_planes_are_held_out() -> None:
    """Of 20 and 5 planes: planes 9 and 10 of the first file."""
    items = items_of(20, 5)
    kept, held = divide(items, 10)
    assert [items.index(item) for item in held] == [0, 0]  # equal items
    assert [item.file for item in held] == [0, 0]
    assert len(kept) == 23
    numbered = [Item(file=0, content=np.full((1, 1), n, np.float32)) for n in range(20)]
    _, middle = divide(numbered, 10)
    assert [float(item.content[0, 0]) for item in middle if isinstance(item.content, np.ndarray)] == [9.0, 10.0]


def test_of_very_few_planes_one_is_held_out() -> None:
    """Three files of one, three and one planes: the middle plane of the second."""
    _, held = divide(items_of(1, 3, 1), 10)
    assert [item.file for item in held] == [1]


@pytest.mark.parametrize("sizes", [(), (1,), (1, 1, 1)])
def test_what_cannot_be_divided_is_refused(sizes: tuple[int, ...]) -> None:
    """A few files of one plane: nothing can be held out of them."""
    with pytest.raises(InputError, match="at least 10 files"):
        divide(items_of(*sizes), 10)


def test_nothing_is_held_out_where_none_is_wanted() -> None:
    """With 0 all is kept."""
    items = items_of(1, 2)
    assert divide(items, 0) == (items, [])


def test_thinning_is_even() -> None:
    """Three of seven: 0, 2 and 4; all if they are few enough or none is said."""
    items = [Item(file=n, content=IMAGE) for n in range(7)]
    assert [item.file for item in thin(items, 3)] == [0, 2, 4]
    assert len(thin(items, 0)) == len(thin(items, 9)) == 7
    images = [np.full((10, 10), n, np.float32) for n in range(10)]
    assert [int(image[0, 0]) for image in thin_pixels(images, 500)] == [0, 2, 4, 6, 8]
    assert len(thin_pixels(images, 10)) == 1


def test_axes_are_cut_into_nearly_equal_parts() -> None:
    """512 is one part; 1300 three of 433 or 434."""
    assert cuts(512) == [(0, 512)]
    assert cuts(1300) == [(0, 433), (433, 866), (866, 1300)]


def test_pieces_are_the_pixels_of_planes(tmp_path: Path) -> None:
    """Two pieces of a wide image are its halves in units of the plane's noise; small HDUs and others are no pieces."""
    (tmp_path / "wide.fits").write_bytes(simulate_fits((40, 600), seed=1))
    (tmp_path / "small.fits").write_bytes(simulate_fits((15, 600), seed=2))
    (plane,) = (image for image in load_source(str(tmp_path)) if image.shape[0] == 40)
    left, right = load_images([str(tmp_path)])
    assert np.array_equal(np.hstack([left, right]), plane)
    assert [piece.box for piece in list_pieces(tmp_path / "wide.fits")] == [(0, 40, 0, 300), (0, 40, 300, 600)]


def test_kept_and_held_out_are_all(tmp_path: Path) -> None:
    """Of twelve files one is held out, the sixth; each image is in one of both."""
    for number in range(12):
        (tmp_path / f"{number:02d}.fits").write_bytes(simulate_fits((24, 30), seed=number))
    every = load_images([str(tmp_path)])
    kept, held = load_images([str(tmp_path)], every=10), load_held_out([str(tmp_path)], every=10)
    assert np.array_equal(held, every[5:6])
    assert np.array_equal(kept, every[:5] + every[6:])


def test_files_that_are_none_are_named(tmp_path: Path) -> None:
    """A file that is no FITS, a folder of too small images, a missing folder."""
    (tmp_path / "page.fits").write_text("<!DOCTYPE html>")
    with pytest.raises(InputError, match=r"page\.fits: expected a FITS file to train on, found an HTML page"):
        list_items([str(tmp_path)])
    (tmp_path / "page.fits").write_bytes(simulate_fits((8, 8), seed=1))
    with pytest.raises(InputError, match="at least 16 pixels"):
        list_items([str(tmp_path)])
    with pytest.raises(InputError, match="no such folder"):
        list_items([str(tmp_path / "none")])

"""Labelled pictures and the demo: letters, scales, and a picture that says what it shows."""

from __future__ import annotations

import math
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from radcodec.pages.figure import FIRE, Panel, Scale, draw
from radcodec.pages.lettering import letters

LETTERS = {
    "I": ".###. ..#.. ..#.. ..#.. ..#.. ..#.. .###.",
    "7": "##### ....# ...#. ..#.. .#... .#... .#...",
    "/": "..... ....# ...#. ..#.. .#... #.... .....",
}


@pytest.mark.parametrize("char", LETTERS)
def test_letters_by_hand(char: str) -> None:
    """A letter is five by seven pixels and a gap, and larger ones are the same in squares."""
    wanted = np.array([[pixel == "#" for pixel in row] for row in LETTERS[char].split()])
    assert np.array_equal(letters(char)[:, :5], wanted)
    assert not letters(char)[:, 5].any()
    assert np.array_equal(letters(char, scale=3)[::3, ::3], letters(char))
    assert letters("ab c").shape == (7, 24)


def test_all_letters_differ() -> None:
    """Each character from ! to ~ has ink of its own; what is no ASCII is a question mark."""
    drawn = {letters(chr(code)).tobytes() for code in range(0x21, 0x7F)}
    assert len(drawn) == 0x7F - 0x21
    assert np.array_equal(letters("é"), letters("?"))
    assert not letters(" ").any()


def test_a_scale_by_hand() -> None:
    """Ends are the ends of the colours; between them asinh, or linear without ``soft``; NaN is the lowest."""
    scale = Scale(low=-3.0, high=100.0, soft=3.0, ticks=(0,), colours=FIRE, name="sigma")
    places = scale.place(np.array([-3.0, 100.0, 0.0, np.nan, 1e9]))
    middle = math.asinh(1) / (math.asinh(100 / 3) + math.asinh(1))
    assert places == pytest.approx([0.0, 1.0, middle, 0.0, 1.0])
    assert scale.paint(np.array([0.0, 1.0])).tolist() == [list(FIRE[0]), list(FIRE[-1])]
    linear = Scale(low=0.0, high=2.0, soft=None, ticks=(), colours=((0, 0, 0), (200, 100, 0)), name="")
    assert linear.paint(linear.place(np.array([1.0]))).tolist() == [[100, 50, 0]]


def _pixels(png: bytes) -> np.ndarray:
    """Pixels [H, W, 3] of a PNG whose rows are all filtered by the one above."""
    width, height = struct.unpack(">II", png[16:24])
    size = struct.unpack(">I", png[33:37])[0]
    rows = np.frombuffer(zlib.decompress(png[41 : 41 + size]), np.uint8).reshape(height, 1 + 3 * width)
    return np.cumsum(rows[:, 1:], axis=0, dtype=np.uint8).reshape(height, width, 3)


def test_a_drawing_has_its_images_as_they_are() -> None:
    """Panels stand side by side, the first row of an image at the bottom, with dark letters above."""
    scale = Scale(low=0.0, high=1.0, soft=None, ticks=(0, 1), colours=((0, 0, 255), (255, 0, 0)), name="unit")
    image = np.zeros((30, 90))
    image[0] = 1.0
    pixels = _pixels(draw([Panel(image=image, title=("two", "lines"), scale=scale)] * 2))
    assert pixels.shape[1] == 2 * 90 + 3 * 10
    red = np.all(pixels == (255, 0, 0), axis=-1)
    row = np.flatnonzero(red[:, 10:100].all(axis=1))
    assert len(row) == 1
    assert np.all(pixels[row[0] - 29 : row[0], 10:100] == (0, 0, 255))
    assert np.all(pixels[row[0] - 29 : row[0], 110:200] == (0, 0, 255))
    assert (pixels[: row[0] - 29, 10:100] < 100).any()


def test_the_demo_ends_with_what_to_try_next(tmp_path: Path) -> None:
    """Its table has three modes, its picture four panels, and its last lines three commands that exist."""
    done = subprocess.run(
        [sys.executable, "-m", "radcodec", "demo", "--output", "demo.png"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["lossless", "bounded", "lossy"]
    commands = [re.match(r"  radcodec (\w+) IMAGE", line) for line in lines[-3:]]
    assert [found and found[1] for found in commands] == ["estimate", "compress", "report"]
    pixels = _pixels((tmp_path / "demo.png").read_bytes())
    assert pixels.shape[1] == 4 * 256 + 5 * 10

"""Load the images of a configuration's folders: list, divide and thin out pieces, then read them.

::

    folders -> planes of files, cut into pieces -> kept | held out -> thinned out evenly -> images in units of noise

A piece has at most PIECE_PX pixels a side, like tiles. Data sets (``NAME:ROOT``) are read as a whole.
"""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from radcodec.errors import InputError
from radcodec.fits.sniff import describe_bytes
from radcodec.training.datasets import Image, load_source, normalise
from radcodec.training.datasets.folders import find_files

#: Largest side of a piece, and the smallest worth learning from.
PIECE_PX = 512
LEAST_PX = 16

Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Part of a plane of an image HDU: rows box[0]:box[1], columns box[2]:box[3]; `plane` counts over all axes."""

    path: Path
    hdu: int
    plane: tuple[int, ...]
    box: Box


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An item to train on: a piece of a file or an image of a data set, and the number of its file."""

    file: int
    content: Piece | Image


def load_images(sources: Sequence[str], *, every: int = 0, most: int = 0) -> list[Image]:
    """Return the images of sources in units of their noise, float32, without held-out ones (see `divide`).

    At most `most` of them unless that is 0, evenly spread.

    Raises
    ------
    InputError
        A folder or data set is missing, a file is unreadable, or there is too little data to hold any out.
    """
    return load_items(thin(divide(list_items(sources), every)[0], most))


def load_held_out(sources: Sequence[str], *, every: int) -> list[Image]:
    """Return the images that are held out, as `load_images` does the others."""
    return load_items(divide(list_items(sources), every)[1])


def divide(items: Sequence[Item], every: int) -> tuple[list[Item], list[Item]]:
    """Divide items into those to train on and those to hold out (none if `every` is 0).

    One file in `every` is held out; with fewer files, the middle part of each one's planes or pieces.

    Raises
    ------
    InputError
        There is only one image, which cannot be divided.
    """
    if not every:
        return list(items), []
    files = [list(group) for _, group in groupby(items, key=lambda item: item.file)]
    if len(files) >= every:
        return (
            [item for number, file in enumerate(files) if number % every != every // 2 for item in file],
            [item for number, file in enumerate(files) if number % every == every // 2 for item in file],
        )
    counts = [len(file) // every for file in files]
    if not any(counts):
        largest = max(range(len(files)), key=lambda number: len(files[number]), default=0)
        if not files or len(files[largest]) < 2:
            raise InputError(f"expected at least {every} files, or one of at least two planes, to hold some out")
        counts[largest] = 1
    kept: list[Item] = []
    held: list[Item] = []
    for file, count in zip(files, counts, strict=True):
        start = (len(file) - count) // 2
        held += file[start : start + count]
        kept += file[:start] + file[start + count :]
    return kept, held


def thin(items: Sequence[Item], most: int) -> list[Item]:
    """Return at most `most` of the items, evenly spread; all if `most` is 0."""
    if not most or len(items) <= most:
        return list(items)
    return [items[number * len(items) // most] for number in range(most)]


def thin_pixels(images: Sequence[Image], most_px: int) -> list[Image]:
    """Return images of about `most_px` pixels in all, at least one, evenly spread."""
    pixels = sum(image.size for image in images)
    count = max(1, len(images) * most_px // max(1, pixels))
    return [images[number * len(images) // count] for number in range(count)] if count < len(images) else list(images)


def list_items(sources: Sequence[str]) -> list[Item]:
    """Return everything that sources hold, in the order of their files; of FITS files only the headers are read."""
    items: list[Item] = []
    for source in sources:
        first = items[-1].file + 1 if items else 0
        if Path(source).is_dir():
            for number, path in enumerate(find_files(Path(source))):
                items += [Item(file=first + number, content=piece) for piece in list_pieces(path)]
            if not items or items[-1].file < first:
                raise InputError(f"{source}: expected images of at least {LEAST_PX} pixels a side, found none")
        else:
            items += [Item(file=first + number, content=image) for number, image in enumerate(load_source(source))]
    return items


def list_pieces(path: Path) -> Iterator[Piece]:
    """Yield the pieces of every plane of every image HDU of a file.

    Raises
    ------
    InputError
        It is not FITS.
    """
    with _opened(path) as hdus:
        shapes = [
            (number, tuple(hdu.shape))
            for number, hdu in enumerate(hdus)
            if isinstance(hdu, fits.PrimaryHDU | fits.ImageHDU) and len(hdu.shape) >= 2 and 0 not in hdu.shape
        ]
    for number, shape in shapes:
        rows, columns = cuts(shape[-2]), cuts(shape[-1])
        for plane in np.ndindex(shape[:-2]):
            for top, bottom in rows:
                for left, right in columns:
                    if min(bottom - top, right - left) >= LEAST_PX:
                        yield Piece(path=path, hdu=number, plane=plane, box=(top, bottom, left, right))


def cuts(length: int) -> list[tuple[int, int]]:
    """Return the ranges of an axis cut into the fewest nearly equal parts of at most PIECE_PX."""
    parts = -(-length // PIECE_PX)
    return [(length * part // parts, length * (part + 1) // parts) for part in range(parts)]


def load_items(items: Sequence[Item]) -> list[Image]:
    """Return the images of items in units of their noise; constant ones are left out."""
    images = (_cut(item.content) if isinstance(item.content, Piece) else item.content for item in items)
    return [image for image in images if image.any()]


def _cut(piece: Piece) -> Image:
    """Return a piece in units of its plane's noise."""
    top, bottom, left, right = piece.box
    return _plane(piece.path, piece.hdu, piece.plane)[top:bottom, left:right].copy()


@lru_cache(maxsize=1)
def _plane(path: Path, hdu: int, plane: tuple[int, ...]) -> Image:
    """Return a plane in units of its noise; the pieces of one follow one another."""
    with _opened(path) as hdus:
        return normalise(np.asarray(hdus[hdu].section[plane] if plane else hdus[hdu].data, dtype=np.float64))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Yield the HDUs of a file; an unreadable one is an InputError, and astropy's warnings are suppressed."""
    with (gzip.open if path.suffix.lower() == ".gz" else open)(path, "rb") as stream:
        start = stream.read(300)
    if start[8:9] != b"=":
        raise InputError(f"{path}: expected a FITS file to train on, found {describe_bytes(start)}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            with fits.open(path, memmap=False, ignore_missing_simple=True) as hdus:
                yield hdus
    except (OSError, ValueError, TypeError, IndexError) as err:
        raise InputError(f"{path}: expected images to train on, found unreadable ones: {err}") from err

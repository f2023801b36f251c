"""List all data sets by name; each has a folder of its name below one root folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from radcodec.errors import InputError
from radcodec.training.datasets.archives import fetch_archive
from radcodec.training.datasets.batches import BatchSet, load_batches
from radcodec.training.datasets.cifar10 import CIFAR10
from radcodec.training.datasets.first import fetch_first, load_first
from radcodec.training.datasets.folders import load_planes
from radcodec.training.datasets.images import LabelledImages, Split
from radcodec.training.datasets.mirabest import MIRABEST, MIRABEST_F
from radcodec.training.datasets.ratio import Image, normalise, training_images
from radcodec.training.datasets.rgz108k import RGZ108K


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """One data set: summary, terms of use, loader and download."""

    summary: str
    terms: str
    load: Callable[[Path, Split, int | None], LabelledImages]
    fetch: Callable[[Path], Path]


def _of_batches(batches: BatchSet, summary: str, terms: str) -> DataSet:
    """Return the data set of an archive of batches."""
    return DataSet(
        summary=summary,
        terms=terms,
        load=partial(load_batches, batches),
        fetch=partial(fetch_archive, batches.archive),
    )


DATASETS = {
    "mirabest": _of_batches(MIRABEST, "792 FRI and FRII galaxies, 8-bit 150 x 150", "CC BY 4.0"),
    "mirabest-f": _of_batches(MIRABEST_F, "1256 galaxies of ten classes, 8-bit 150 x 150", "CC BY 4.0"),
    "first": DataSet(
        summary="310 galaxies of MiraBest as FIRST FITS images, float32 300 x 300",
        terms="FIRST: free for scholarly and non-commercial use; MiraBest: CC BY 4.0",
        load=load_first,
        fetch=fetch_first,
    ),
    "rgz108k": _of_batches(RGZ108K, "Radio Galaxy Zoo, about 108000 images, 8-bit 150 x 150", "ask its authors"),
    "cifar10": _of_batches(CIFAR10, "60000 photographs of ten classes, 8-bit 32 x 32 x 3", "none stated"),
}


def load_dataset(name: str, root: Path, split: str = "train", *, limit: int | None = None) -> LabelledImages:
    """Return the images of a data set in ``root/name``, at most ``limit`` of them.

    Raises
    ------
    InputError
        There is no such data set or split, or its files are missing or malformed.
    UnsupportedDataError
        A batch is more than plain data.
    """
    if split not in tuple(Split):
        raise InputError(f"{name}: expected one of the splits {', '.join(Split)}, found {split!r}")
    return _find(name).load(root / name, Split(split), limit)


def fetch_dataset(name: str, root: Path) -> Path:
    """Download the missing files of a data set and return its folder ``root/name``.

    Raises
    ------
    InputError
        There is no such data set, no public address of it, the download fails, or a hash differs.
    """
    return _find(name).fetch(root / name)


def load_source(source: str) -> list[Image]:
    """Return the training images of an entry of ``data.folders``, float32 [H, W] in units of their noise.

    ``PATH`` is a folder of FITS images; ``NAME:ROOT`` and ``NAME/SPLIT:ROOT`` are a data set below a root folder.

    Raises
    ------
    InputError
        The folder or the data set is missing.
    """
    head, colon, root = source.partition(":")
    name, _, split = head.partition("/")
    if colon and name in DATASETS:
        return training_images(load_dataset(name, Path(root), split or Split.TRAIN))
    return [normalise(plane) for plane in load_planes(Path(source))]


def _find(name: str) -> DataSet:
    """Return the data set of that name."""
    if name not in DATASETS:
        raise InputError(f"expected a data set of {', '.join(DATASETS)}, found {name!r}")
    return DATASETS[name]

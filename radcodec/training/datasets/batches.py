"""Read data sets of pickled batches as in CIFAR-10: each is a dictionary of data, labels and file names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.errors import InputError
from radcodec.training.datasets.archives import Archive
from radcodec.training.datasets.images import LabelledImages, Split, Value
from radcodec.training.datasets.pickles import read_pickle


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSet:
    """Layout of the batches of one data set.

    archive : its files. side_px, bands : images are [side, side] with 1 band, or [side, side, 3]; stored band by band.
    cut_sigma : see LabelledImages. has_labels : whether there are classes. columns : further keys of a batch.
    """

    archive: Archive
    side_px: int
    bands: int
    cut_sigma: float | None
    has_labels: bool
    columns: tuple[str, ...] = ()


def load_batches(batches: BatchSet, root: Path, split: Split, limit: int | None = None) -> LabelledImages:
    """Return the images of a split, at most ``limit`` of them, in the order of the batches below ``root``.

    Raises
    ------
    InputError
        The split does not exist, or a batch is missing or has another layout.
    UnsupportedDataError
        A batch holds more than plain data.
    """
    archive = batches.archive
    files = {Split.TRAIN: archive.train, Split.TEST: archive.test}.get(split)
    if files is None:
        raise InputError(f"{archive.folder}: expected the split train or test, found {split}")
    folder = root / archive.folder
    images: list[npt.NDArray[np.uint8]] = []
    names: list[str] = []
    labels: list[int] = []
    columns: dict[str, list[Value]] = {key: [] for key in batches.columns}
    for item in files:
        if limit is not None and len(images) >= limit:
            break
        path = folder / item.name
        batch = read_pickle(path)
        read = _read_images(path, batch, batches)
        images.extend(read)
        names.extend(map(str, _column(path, batch, "filenames", len(read))))
        if batches.has_labels:
            labels.extend(map(int, _column(path, batch, "labels", len(read))))
        for key, values in columns.items():
            values.extend(_column(path, batch, key, len(read)))
    label_names = _read_label_names(folder / archive.meta.name) if batches.has_labels else ()
    if labels and not 0 <= min(labels) <= max(labels) < len(label_names):
        found = f"{min(labels)}..{max(labels)}"
        raise InputError(f"{folder}: expected labels of the {len(label_names)} classes, found {found}")
    return LabelledImages(
        images=tuple(images[:limit]),
        names=tuple(names[:limit]),
        labels=tuple(labels[:limit]) if batches.has_labels else None,
        label_names=label_names,
        cut_sigma=batches.cut_sigma,
        columns={key: tuple(values[:limit]) for key, values in columns.items()},
    )


def _read_images(path: Path, batch: Any, batches: BatchSet) -> list[npt.NDArray[np.uint8]]:
    """Return the images of a batch, each a view of it, uint8 [H, W] or [H, W, 3]."""
    side, bands = batches.side_px, batches.bands
    if not isinstance(batch, dict) or not isinstance(batch.get("data"), list | np.ndarray):
        raise InputError(f"{path}: expected a dictionary with 'data', found none")
    images = []
    for row in batch["data"]:
        if not isinstance(row, np.ndarray) or row.dtype != np.uint8 or row.size != bands * side * side:
            raise InputError(f"{path}: expected images of {bands} x {side} x {side} uint8, found something else")
        cube = row.reshape(bands, side, side)
        images.append(cube[0] if bands == 1 else cube.transpose(1, 2, 0))
    return images


def _column(path: Path, batch: dict[str, Any], key: str, length: int) -> list[Any]:
    """Return the values of one key of a batch, one an image."""
    values = batch.get(key)
    values = values.tolist() if isinstance(values, np.ndarray) else values
    if not isinstance(values, list) or len(values) != length:
        raise InputError(f"{path}: expected a list of {length} '{key}', found {type(values).__name__}")
    if not all(isinstance(value, str | int | float) for value in values):
        raise InputError(f"{path}: expected numbers or text in '{key}', found something else")
    return values


def _read_label_names(path: Path) -> tuple[str, ...]:
    """Return the names of the classes."""
    meta = read_pickle(path)
    if not isinstance(meta, dict) or not isinstance(meta.get("label_names"), list):
        raise InputError(f"{path}: expected a dictionary with a list of 'label_names', found none")
    return tuple(map(str, meta["label_names"]))

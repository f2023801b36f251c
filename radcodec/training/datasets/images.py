"""The common result of all loaders: images with names and labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.float32]
#: Further values of an image in a batch.
Value = str | int | float


class Split(StrEnum):
    """Part of a data set; batches have no ``val``."""

    TRAIN = "train"
    VALIDATION = "val"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledImages:
    """Images of one data set, in the order of its files.

    images : uint8 or float32 [H, W] each, or uint8 [H, W, 3] (red, green, blue); sizes may differ in FITS folders.
    names : as many, from the data set.
    labels : as many, indices into label_names; None without classes.
    label_names : of the classes.
    cut_sigma : pixels below this many sigma were set to 0 by the data set; None if they were not.
    columns : further values of the data set, one an image.
    """

    images: tuple[Pixels, ...]
    names: tuple[str, ...]
    labels: tuple[int, ...] | None
    label_names: tuple[str, ...]
    cut_sigma: float | None = None
    columns: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)


def select_images(data: LabelledImages, chosen: Iterable[int]) -> LabelledImages:
    """Return the images at these indices, in their order, with what is known of them."""
    indices = list(chosen)
    return replace(
        data,
        images=tuple(data.images[index] for index in indices),
        names=tuple(data.names[index] for index in indices),
        labels=None if data.labels is None else tuple(data.labels[index] for index in indices),
        columns={key: tuple(values[index] for index in indices) for key, values in data.columns.items()},
    )

"""Arrays of xarray that stay in a ``.rcz`` file until they are indexed, and then decode the tiles that they need."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from xarray.backends import BackendArray
from xarray.core import indexing

if TYPE_CHECKING:
    from radcodec.decoding.image_handle import ImageHandle
    from radcodec.integrations.coordinates import SkyAxes

Array = npt.NDArray[Any]
Key = int | slice | Array


class _OuterArray(BackendArray):  # type: ignore[misc]
    """An array that is read by one integer, slice or list of integers for each axis."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Array:
        """Read a part, as xarray asks for it."""
        values = indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)
        return values  # type: ignore[no-any-return]

    def _read(self, key: tuple[Any, ...]) -> Array:
        raise NotImplementedError


class TileArray(_OuterArray):
    """An image of an open file in the axes of a data set.

    Parameters
    ----------
    image
        The image; its file has to stay open.
    axes
        For each axis of the array that of the image, None for a new one of length 1; all in order for None. Axes of
        the image that are not named are of length 1.
    order
        Where the pixels of an axis of the array are along that of the image, by the axis of the array.
    dtype
        Type of the values, that of the image for None.
    """

    def __init__(
        self,
        image: ImageHandle,
        *,
        axes: Sequence[int | None] | None = None,
        order: Mapping[int, Array] | None = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        self._image = image
        self._axes = tuple(range(image.ndim)) if axes is None else tuple(axes)
        self._order = dict(order or {})
        self.shape = tuple(1 if axis is None else image.shape[axis] for axis in self._axes)
        self.dtype = np.dtype(image.dtype if dtype is None else dtype)

    def _read(self, key: tuple[Any, ...]) -> Array:
        wanted: list[Key] = [0] * self._image.ndim
        for place, (axis, part) in enumerate(zip(self._axes, key, strict=True)):
            if axis is not None:
                wanted[axis] = self._order[place][part] if place in self._order else part
        values = read_outer(self._image, wanted)
        left = [axis for axis, part in enumerate(wanted) if np.ndim(_plain(part)) or isinstance(part, slice)]
        values = values.transpose([left.index(axis) for axis in self._axes if axis is not None and axis in left])
        place = 0
        for axis, part in zip(self._axes, key, strict=True):
            if axis is None and not _is_integer(part):
                values = np.expand_dims(values, place)
                values = values[(slice(None),) * place + (part,)]
            place += not _is_integer(part)
        return values.astype(self.dtype, copy=False)


class FlagArray(TileArray):
    """Where an image has no value: True at NaN."""

    def __init__(self, image: ImageHandle, **kwargs: Any) -> None:
        super().__init__(image, **kwargs)
        self.dtype = np.dtype(bool)

    def _read(self, key: tuple[Any, ...]) -> Array:
        array = TileArray(self._image, axes=self._axes, order=self._order)
        return np.asarray(np.isnan(array._read(key)))


class SkyArray(_OuterArray):
    """Longitude or latitude of the pixels of two axes, computed where it is asked for.

    Parameters
    ----------
    sky
        The axes.
    lengths
        How many pixels these have.
    is_latitude
        Which of the two it is.
    scale
        What degrees are multiplied by.
    swapped
        Whether the second axis of the image comes first.
    """

    def __init__(
        self, sky: SkyAxes, lengths: tuple[int, int], *, is_latitude: bool, scale: float = 1.0, swapped: bool = False
    ) -> None:
        self._sky = sky
        self._lengths = lengths
        self._is_latitude = is_latitude
        self._scale = scale
        self._swapped = swapped
        self.shape = lengths[::-1] if swapped else lengths
        self.dtype = np.dtype(np.float64)

    def _read(self, key: tuple[Any, ...]) -> Array:
        places = [np.atleast_1d(np.arange(length)[part]) for length, part in zip(self.shape, key, strict=True)]
        first, second = places[::-1] if self._swapped else places
        values = self._sky.world(first, second)[self._is_latitude] * self._scale
        values = values.T if self._swapped else values
        return values[tuple(0 if _is_integer(part) else slice(None) for part in key)]


def _is_integer(part: object) -> bool:
    return not isinstance(part, slice) and np.ndim(part) == 0  # type: ignore[arg-type]


def _plain(part: Key) -> Any:
    return 0 if isinstance(part, slice) else part


def read_outer(image: ImageHandle, key: Sequence[Key]) -> Array:
    """Read a part of an image: one integer, slice or list of integers for each axis, each by itself.

    Lists are read tile by tile, so that what lies between two of their pixels is not decoded.
    """
    lists = {axis: np.asarray(part, np.int64) for axis, part in enumerate(key) if not _is_basic(part)}
    basic: list[Any] = [
        part if isinstance(part, slice) or axis in lists else int(part) for axis, part in enumerate(key)
    ]
    if not lists:
        return np.asarray(image[tuple(basic)])
    groups = {axis: _by_tile(places, image.chunks[axis], image.shape[axis]) for axis, places in lists.items()}
    shape = _shape_of(basic, lists, image.shape)
    values = np.empty(shape, image.dtype)
    for chosen in itertools.product(*groups.values()):
        part: list[Any] = list(basic)
        out: dict[int, Array] = {}
        picks: dict[int, Array] = {}
        for axis, (where, places) in zip(groups, chosen, strict=True):
            low = int(places.min())
            part[axis], picks[axis], out[axis] = slice(low, int(places.max()) + 1), places - low, where
        block = np.asarray(image[tuple(part)])
        left = [axis for axis in range(len(key)) if isinstance(part[axis], slice)]
        for axis, pick in picks.items():
            block = block.take(pick, axis=left.index(axis))
        index = [np.arange(values.shape[place]) if axis not in picks else out[axis] for place, axis in enumerate(left)]
        values[np.ix_(*index)] = block
    return values


def _is_basic(part: Key) -> bool:
    return isinstance(part, slice) or np.ndim(part) == 0


def _by_tile(places: Array, chunks: Sequence[int], length: int) -> list[tuple[Array, Array]]:
    """Return the pixels of an axis by the tiles that hold them: where they are in the list, and where in the image."""
    places = np.where(places < 0, places + length, places)
    if len(places) and not (places.min() >= 0 and places.max() < length):
        raise IndexError(f"expected pixels of an axis of {length}, found {places.min()} to {places.max()}")
    tiles = np.searchsorted(np.cumsum(chunks), places, side="right")
    return [(found := np.flatnonzero(tiles == tile), places[found]) for tile in np.unique(tiles)]


def _shape_of(basic: Sequence[Any], lists: Mapping[int, Array], shape: Sequence[int]) -> tuple[int, ...]:
    """Return shape of what a key selects."""
    lengths: list[int] = []
    for axis, part in enumerate(basic):
        if axis in lists:
            lengths.append(len(lists[axis]))
        elif isinstance(part, slice):
            lengths.append(len(range(shape[axis])[part]))
    return tuple(lengths)


def preferred_chunks(image: ImageHandle, dims: Iterable[str]) -> dict[str, int | tuple[int, ...]]:
    """Return sizes of the tiles by dimension: one number where all but the last are equal, else each of them."""
    chunks: dict[str, int | tuple[int, ...]] = {}
    for dim, pieces in zip(dims, image.chunks, strict=True):
        is_regular = all(piece == pieces[0] for piece in pieces[:-1]) and pieces[-1] <= pieces[0]
        chunks[dim] = pieces[0] if is_regular else pieces
    return chunks

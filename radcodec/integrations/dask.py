"""Images of ``.rcz`` files as dask arrays: a tile is a chunk, and a task decodes its tiles with one thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from radcodec.runtime.extras import import_extra

if TYPE_CHECKING:
    from radcodec.decoding.image_handle import ImageHandle


class TaskImage:
    """An image as the tasks of a dask array read it: opened at the first read, once in each process.

    Parameters
    ----------
    open_image
        Opens the image.
    arguments
        Of ``open_image``.
    shape, dtype
        Of the image.
    """

    def __init__(
        self,
        open_image: Callable[..., ImageHandle],
        arguments: tuple[Any, ...],
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
    ) -> None:
        self._open_image = open_image
        self._arguments = arguments
        self.shape = shape
        self.ndim = len(shape)
        self.dtype = dtype
        self._image: ImageHandle | None = None
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return TaskImage, (self._open_image, self._arguments, self.shape, self.dtype)

    def __getitem__(self, key: object) -> npt.NDArray[Any]:
        """Physical values of a part of the image."""
        with self._lock:
            if self._image is None:
                self._image = self._open_image(*self._arguments)
        return self._image.read(key, threads=1)


class _OpenImage(TaskImage):
    """An image of a file object that cannot be opened again: the tasks of this process share it."""

    def __init__(self, image: ImageHandle) -> None:
        super().__init__(lambda: image, (), image.shape, image.dtype)
        self._shared = image

    def __reduce__(self) -> tuple[Any, ...]:
        # Raises the TypeError that says why it cannot be sent to another process.
        return self._shared.__reduce__()


def to_dask(image: ImageHandle, chunks: Any = "tiles") -> Any:
    """Make a ``dask.array.Array`` of an image; no pixel is decoded before it is computed.

    Parameters
    ----------
    chunks
        ``"tiles"``, or what ``dask.array.from_array`` takes. Chunks that cut through tiles decode these more than once.

    Raises
    ------
    ImportError
        If dask is not installed.
    """
    array = import_extra("dask.array", "dask", "to_dask()")
    tokenize = import_extra("dask.base", "dask", "to_dask()").tokenize
    if isinstance(chunks, str) and chunks == "tiles":
        cut = image.chunks
    else:
        cut = array.core.normalize_chunks(
            chunks, shape=image.shape, dtype=image.dtype, previous_chunks=image.chunks or None
        )
    again = image.open_again(threads=1)
    tasks = _OpenImage(image) if again is None else TaskImage(*again, image.shape, image.dtype)
    return array.from_array(
        tasks,
        chunks=cut,
        name=f"radcodec-{tokenize(image, cut)}",
        lock=False,
        asarray=False,
        fancy=False,
        meta=np.empty((0,) * image.ndim, image.dtype),
    )

"""One tile from its streams to its samples, and what all tiles of an image share.

A tile goes: mask stream -> special samples; detail stream, else base streams -> all others; then its pixel CRC.
"""

from __future__ import annotations

import hashlib
import threading
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from radcodec import detail
from radcodec.base.normalise import Normalisation, decode_base, find_stored_model, round_to_type
from radcodec.coding.samples import iter_sample_bytes, sample_bytes
from radcodec.container.layout import pixel_crc_prefix
from radcodec.container.meta import ImageRecord
from radcodec.errors import CorruptError
from radcodec.pixels.bounds import ImageBounds, tile_bound
from radcodec.pixels.masks import decode_mask
from radcodec.pixels.tiles import Box, TileGrid
from radcodec.types import SampleType

if TYPE_CHECKING:
    from radcodec.base.store import Model

Pixels = npt.NDArray[Any]


def checked_predictors(block: bytes, detail_bytes: int | None) -> detail.Predictors | None:
    """Load the predictors of a block, None of an empty one.

    Parameters
    ----------
    detail_bytes
        Of the detail streams that they are for, which say how much work they may make; None for any.

    Raises
    ------
    CorruptError
        If the block is unsound, or its border sets take more work than the details are worth.
    """
    found = detail.load_predictors(block)
    least = detail.least_detail_bytes(found)
    if detail_bytes is not None and detail_bytes < least:
        raise CorruptError(
            f"predictor block: expected {least} bytes of details or more for its border sets, found {detail_bytes}"
        )
    return found


class SharedParts:
    """Predictors and model of one image, which its tiles share and most files never need: made when first asked for.

    detail_bytes are those of the image's detail streams, which say how much work predictors may make; None for any.
    """

    def __init__(
        self, predictors: bytes, model: Model | tuple[str, bytes] | None, detail_bytes: int | None = None
    ) -> None:
        self._block = predictors
        self._detail_bytes = detail_bytes
        self._model = model
        self._predictors: detail.Predictors | None = None
        self._loaded = False
        self._lock = threading.Lock()

    def with_predictors(self, block: bytes) -> SharedParts:
        """Take other predictors with the same model."""
        return SharedParts(block, self._model)

    @property
    def predictors(self) -> detail.Predictors | None:
        """The image's predictors, None where it has none; raises CorruptError where their block is unsound."""
        with self._lock:
            if not self._loaded:
                self._predictors = checked_predictors(self._block, self._detail_bytes)
                self._loaded = True
            return self._predictors

    def predictors_of(self, tile: int) -> detail.Predictors | None:
        """Return the predictors of a tile: those of the image, in a late file those of its run; errors as there."""
        return self.predictors

    @property
    def model(self) -> Model:
        """The base model; raises ModelError where it is not there."""
        with self._lock:
            if self._model is None or isinstance(self._model, tuple):
                self._model = find_stored_model(self._model)
            return self._model


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageCoding:
    """What all tiles of an image share; ``is_copy`` for an image of a base-only copy (5.1)."""

    record: ImageRecord
    grid: TileGrid
    bounds: ImageBounds
    shared: SharedParts
    normalisation: Normalisation | None = None
    is_copy: bool = False


def _box_shape(box: Box) -> tuple[int, int, int]:
    return box[1] - box[0], box[3] - box[2], box[5] - box[4]


def leading_stages(streams: Sequence[bytes]) -> tuple[bytes, ...]:
    """Take the streams before the first empty one, where a tile's base layer ends.

    Raises
    ------
    CorruptError
        If a stream follows an empty one.
    """
    n_full = next((stage for stage, stream in enumerate(streams) if not stream), len(streams))
    if any(streams[n_full:]):
        raise CorruptError(f"expected no base stream after an empty one, stage {n_full}")
    return tuple(streams[:n_full])


def base_values(
    coding: ImageCoding, box: Box, streams: Sequence[bytes], *, picture: bool = False
) -> npt.NDArray[np.float64]:
    """Decode the base streams of a tile, at least one, to values float64 [p, h, w] in stored units."""
    if coding.normalisation is None:
        raise CorruptError("expected an offset and a scale for each plane beside base streams, found none")
    pairs = coding.normalisation[box[0] : box[1]]
    return decode_base(coding.shared.model, streams, _box_shape(box), pairs, picture=picture)


def restore_tile(
    coding: ImageCoding,
    tile: int,
    mask: bytes,
    detail_stream: bytes,
    stages: Sequence[bytes],
    base: npt.NDArray[np.float64] | None = None,
) -> Pixels:
    """Restore the samples [p, h, w] of a tile from its streams (7.2); its checksums are the caller's.

    Parameters
    ----------
    base
        The values [p, h, w] that the stages give, where the caller knows them.

    Raises
    ------
    CorruptError
        If a stream is unsound, or there is none for samples that need one.
    ModelError
        If it was made from base streams and the model is missing.
    """
    box, record, predictors = coding.grid.box(tile), coding.record, coding.shared.predictors_of(tile)
    shape = _box_shape(box)
    n_samples = shape[0] * shape[1] * shape[2]
    special, listed = decode_mask(mask, n_samples, record.sample_type) if mask else (None, None)
    marks = None if special is None else special.reshape(shape)
    if special is not None and special.all():
        if detail_stream or any(stages):
            raise CorruptError(f"expected no stream beside the mask of tile {tile}, whose samples are all special")
        samples = np.empty(shape, record.sample_type.dtype_str)
    elif detail_stream:
        bound = tile_bound(record, coding.bounds, box, tile)
        if bound is not None and record.on_base and detail.is_learned(detail_stream):
            if base is None and (full := leading_stages(stages)):
                base = base_values(coding, box, full)
            bound = replace(bound, base=base)
        samples = detail.decode_tile(detail_stream, shape, record.sample_type, marks, predictors, bound)
    elif full := leading_stages(stages):
        values = base_values(coding, box, full) if base is None else base
        samples = round_to_type(values, record.sample_type)
    elif coding.is_copy and coding.normalisation is not None:
        offsets = coding.normalisation[box[0] : box[1], 0, None, None]
        samples = round_to_type(np.broadcast_to(offsets, shape), record.sample_type)
    else:
        raise CorruptError(f"expected a detail or base stream for tile {tile}, found neither")
    if marks is not None and listed is not None:
        samples[marks] = listed
    return samples


def pixel_sha256(samples: Pixels, record_bytes: bytes) -> bytes:
    """Compute the SHA-256 of an array as kind array has it (3.3)."""
    digest = hashlib.sha256()
    for piece in iter_sample_bytes(samples, "<"):
        digest.update(piece)
    digest.update(record_bytes)
    return digest.digest()


def pixel_crc(sample_type: SampleType, tile: int, samples: Pixels) -> int:
    """Compute the pixel CRC of a tile (section 5) from its samples [p, h, w]."""
    planes, rows, columns = samples.shape
    return zlib.crc32(sample_bytes(samples, "<"), pixel_crc_prefix(sample_type, tile, (planes, rows, columns)))

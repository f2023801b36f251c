"""Arrays to ``.rcz`` files of kind array."""

from __future__ import annotations

import hashlib
import math
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from radcodec.coding.samples import native, sample_bytes
from radcodec.container.meta import ImageRecord, Meta, pack_image_record
from radcodec.container.writer import FileContents
from radcodec.decoding.tile import pixel_sha256
from radcodec.encoding.cube_sides import choose_sides
from radcodec.encoding.encoded_file import EncodedFile, count_bytes, stored_model
from radcodec.encoding.image_plan import SourceImage
from radcodec.encoding.image_set import EncodedImages, encode_images, smaller_images
from radcodec.encoding.options import Bounded, EncodeOptions
from radcodec.errors import InputError, LimitError, UnsupportedDataError
from radcodec.limits import MAX_AXES, MAX_PIXELS
from radcodec.pixels.tiles import plane_shape
from radcodec.types import Kind, SampleType
from radcodec.version import WRITER

_SAMPLE_TYPES = {member.dtype_str: member for member in SampleType}


def seed_of(sha256: bytes) -> int:
    """Derive the seed of a dither from the SHA-256 of what is dithered."""
    return int.from_bytes(sha256[:8], "little")


def _crc(samples: npt.NDArray[Any]) -> int:
    """Compute a checksum by which a change of an array that is not ours is noticed."""
    return zlib.crc32(samples.reshape(-1).view(np.uint8).data)


def _contents(encoded: EncodedImages, n_bytes: int) -> FileContents:
    """Put together the file of an image whose samples have so many bytes."""
    image = encoded.images[0]
    meta = Meta(
        writer=WRITER,
        original_bytes=n_bytes,
        restored_sha256=pixel_sha256(image.pixels, pack_image_record(image.record)),
        original_sha256=None,
        model=stored_model(encoded.model),
        images=(image.record,),
        hdus=(),
        text=b"",
    )
    return FileContents(kind=Kind.ARRAY, mode=encoded.mode, meta=meta, params=[image.params], tiles=[image.tiles])


def encode_array(array: npt.NDArray[Any], options: EncodeOptions, unit: str = "") -> EncodedFile:
    """Encode an array as a file of kind array.

    Parameters
    ----------
    array
        Of any strides, byte order and number of axes; int8 to int64, uint8 to uint64, float32 or float64.
    unit
        Of the array, for bounds with a unit.

    Raises
    ------
    UnsupportedDataError, BoundError, ModelError, GuaranteeError
        If the dtype, the bound, the model or the result is not what it should be.
    InputError
        If the array changed meanwhile.
    """
    sample_type = _SAMPLE_TYPES.get(array.dtype.str[1:])
    if sample_type is None:
        raise UnsupportedDataError(
            f"expected an array of integers of 8 to 64 bits, float32 or float64, found {array.dtype}: convert it first"
        )
    if array.ndim > MAX_AXES or math.prod(n for n in array.shape if n) > MAX_PIXELS:
        raise LimitError(f"expected at most {MAX_PIXELS} pixels, found {array.shape}")
    samples = native(array)
    sides = choose_sides(samples, options.tile)
    record = ImageRecord(sample_type=sample_type, shape=array.shape, sides=sides, unit=unit)
    dithers = isinstance(options.fidelity, Bounded) and options.fidelity.dither
    seed = seed_of(hashlib.sha256(sample_bytes(samples, "<")).digest()) if dithers else 0
    is_shared = np.may_share_memory(samples, array)
    before = _crc(samples) if is_shared else 0
    planes = samples.reshape(plane_shape(array.shape))
    encoded = encode_images([SourceImage(pixels=planes, record=record, fidelity=options.fidelity)], options, seed=seed)
    contents = _contents(encoded, samples.nbytes)
    while encoded.may_be_too_large and (smaller := smaller_images(encoded, count_bytes(contents))) is not None:
        encoded, contents = smaller, _contents(smaller, samples.nbytes)
    if is_shared and _crc(samples) != before:
        raise InputError(
            "the array changed while it was encoded: expected the same samples at the end, found others; give a copy"
        )
    return EncodedFile(contents=contents, model=encoded.model, warnings=encoded.warnings, noise=encoded.noise)

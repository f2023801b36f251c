"""Write base-only copies of ``.rcz`` files: small files for quick looks that cannot restore the pixels."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO

from radcodec.container.reader import Reader
from radcodec.container.units import iter_units
from radcodec.container.writer import cut_base_copy
from radcodec.decoding.needed_ranges import base_copy_ranges
from radcodec.decoding.rcz_file import RczFile, Source, StorageOptions, open_reader
from radcodec.errors import InputError, UnsupportedDataError
from radcodec.runtime.paths import check_output, is_rcz_name, output_file
from radcodec.types import Kind

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# Of a file behind a URL: more than that goes through a temporary file.
_IN_MEMORY_BYTES = 128 << 20


def copy_base(
    src: Source,
    dst: str | os.PathLike[str] | BinaryIO | None,
    *,
    overwrite: bool,
    threads: int | None,
    storage_options: StorageOptions | None = None,
) -> npt.NDArray[np.float64]:
    """Write a base-only copy of a file, and return the picture of its first image, float64 [H, W].

    The copy holds headers, masks, data of other units and all base stages, but no details. Its picture is decoded
    before it is written. Of a file behind a URL only that is fetched, and the details of tiles that have a mask.

    Parameters
    ----------
    storage_options
        What fsspec needs where ``src`` is a URL.

    Raises
    ------
    InputError
        If ``dst`` is None or a name that does not end in .rcz, or is the source.
    UnsupportedDataError
        If the file has no images, or one of them has no base layer.
    FileExistsError
        If ``dst`` exists and ``overwrite`` is false.
    FormatError, ModelError
        If the file is damaged, or needs a model that is not installed.
    """
    if dst is None:
        raise InputError("expected a name for the base-only copy, found none: give one that ends in .rcz")
    if isinstance(dst, (str, os.PathLike)) and not is_rcz_name(os.fspath(dst)):
        raise InputError(f"expected a name that ends in .rcz for a base-only copy, found {os.fspath(dst)}")
    check_output(dst, src, overwrite)
    with ExitStack() as stack:
        reader = open_reader(src, stack, storage_options=storage_options)
        _check_base(reader)
        if not reader.is_near:
            ranges = list(base_copy_ranges(reader))
            if sum(stop - start for start, stop in ranges) > _IN_MEMORY_BYTES:
                reader = open_reader(src, stack, storage_options=storage_options, whole=True)
            else:
                reader.fetch(ranges)
        copy = cut_base_copy(reader, max(image.n_stages for image in reader.meta.images))
    with RczFile(copy, threads=threads) as file:
        pixels = file.preview()
    with output_file(dst, overwrite=overwrite, like=None) as out:
        out.write(copy)
    return pixels


def _check_base(reader: Reader) -> None:
    """Raise UnsupportedDataError if the file has no image, or an image without a base layer."""
    images = reader.meta.images
    bare = [number for number, image in enumerate(images) if not image.n_stages]
    if images and not bare:
        return
    found = "a file without images"
    if bare:
        found = "an array without one"
        if reader.prelude.kind is Kind.FITS:
            places = [f"HDU {unit.number}" for unit in iter_units(reader) if unit.image in bare]
            found = f"none in {', '.join(places)}"
    raise UnsupportedDataError(
        f"expected a base layer in every image for a base-only copy, found {found}: "
        "compress the original with --preview or --lossy"
    )

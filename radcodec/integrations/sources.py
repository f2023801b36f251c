"""Where integrations get their files from: a path, a URL or an open file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from radcodec.decoding.rcz_file import RczFile, Source

if TYPE_CHECKING:
    from radcodec.decoding.image_handle import ImageHandle

StorageOptions = Mapping[str, Any]


def is_url(source: object) -> bool:
    """Whether a source is a URL (``https://...``, ``s3://...``, chained by ``::``) and not the name of a file."""
    return isinstance(source, str) and ("://" in source or "::" in source)


def open_source(
    source: Source, storage_options: StorageOptions | None = None, *, threads: int | None = None
) -> RczFile:
    """Open a ``.rcz`` file by its path or URL, or one that is open already.

    Parameters
    ----------
    storage_options
        What fsspec needs for a URL: credentials, endpoints.

    Raises
    ------
    ImportError
        If a URL is given and fsspec is missing.
    FormatError
        If it is no sound ``.rcz`` file.
    """
    if not is_url(source):
        return RczFile(source, threads=threads)
    try:
        from fsspec.core import url_to_fs
    except ImportError as err:
        raise missing_extra("remote", "fsspec", err) from err
    system, path = url_to_fs(os.fspath(source), **dict(storage_options or {}))  # type: ignore[arg-type]
    # Without a cache each read is one range: the default one fetches megabytes around it.
    return RczFile(system.open(path, "rb", cache_type="none"), threads=threads)


def missing_extra(extra: str, package: str, err: ImportError) -> ImportError:
    """Make the error for a package of an extra that is not installed; ``err`` is that of its import."""
    return ImportError(
        f'expected the package {package}, found none ({err}): install it with pip install "radcodec[{extra}]"'
    )


def header_text(image: ImageHandle) -> str:
    """Header of an image, cards of 80 characters without line ends."""
    text = getattr(image, "header_text", None)
    return str(image.header) if text is None else str(text)

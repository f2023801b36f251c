"""File systems of URLs, by fsspec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from radcodec.errors import InputError
from radcodec.runtime.extras import import_extra, missing_extra

StorageOptions = Mapping[str, Any]


def find_file_system(url: str, storage_options: StorageOptions | None) -> tuple[Any, str]:
    """Find the file system of a URL and the path in it; errors as `remote.RemoteRanges`."""
    url_to_fs = import_extra("fsspec.core", "remote", "reading a URL").url_to_fs
    try:
        system, path = url_to_fs(url, **dict(storage_options or {}))
    except ImportError as err:
        raise missing_extra("remote", "reading this URL", err) from err
    except (ValueError, TypeError) as err:
        raise InputError(f"expected a URL and storage options that fsspec knows, found {url} ({err})") from err
    return system, path


def request_options(system: Any) -> dict[str, Any]:
    """Make the options of each request beside its range: HTTP is asked for uncompressed bytes.

    Raises
    ------
    InputError
        If the storage options have headers that are none.
    """
    protocol = system.protocol
    if "http" not in ((protocol,) if isinstance(protocol, str) else protocol) or not hasattr(system, "kwargs"):
        return {}
    headers = system.kwargs.get("headers") or {}
    if not isinstance(headers, Mapping):
        raise InputError(f"expected headers in the storage options as a dict of names and texts, found {headers!r}")
    return {"headers": {**headers, "Accept-Encoding": "identity"}}

"""Read and write weights files of models: safetensors with metadata of ours as JSON (docs/format.md, 9.1)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import save

from radcodec.errors import ModelMismatchError

METADATA_KEY = "radcodec"

Tensors: TypeAlias = dict[str, npt.NDArray[Any]]


def pack_file(tensors: Tensors, metadata: dict[str, Any]) -> bytes:
    """Pack tensors and metadata as the bytes of a safetensors file."""
    contiguous = {name: np.ascontiguousarray(values) for name, values in tensors.items()}
    return bytes(save(contiguous, metadata={METADATA_KEY: json.dumps(metadata, sort_keys=True)}))


def read_metadata(data: bytes) -> dict[str, Any]:
    """Return our metadata; safetensors' NumPy loader drops it, but it is plain JSON at the front."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    found: dict[str, Any] = json.loads(header["__metadata__"][METADATA_KEY])
    return found


def is_of_kind(data: bytes, kind: str) -> bool:
    """Return whether a weights file declares itself a model of this kind."""
    try:
        return bool(read_metadata(data)["spec"]["kind"] == kind)
    except (KeyError, TypeError, ValueError):
        return False


def typed(values: npt.NDArray[Any], dtype: type[np.generic]) -> npt.NDArray[Any]:
    """Return ``values`` if it has the dtype; raises TypeError otherwise."""
    if values.dtype != dtype:
        raise TypeError(f"expected {np.dtype(dtype)}, found {values.dtype}")
    return values


@contextmanager
def reading(where: str, what: str) -> Iterator[None]:
    """Turn what reading a file raises that is not ``what`` into ModelMismatchError."""
    try:
        yield
    except (SafetensorError, KeyError, TypeError, ValueError) as err:
        raise ModelMismatchError(
            f"{where}: expected a radcodec {what} (safetensors), found {type(err).__name__}: {err}; "
            "give the weights.safetensors that `radcodec train` wrote"
        ) from err

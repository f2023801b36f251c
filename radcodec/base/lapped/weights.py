"""Read and write a lapped model as one safetensors file (docs/format.md, 9.1 and 9.5)."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from radcodec.base.lapped.spec import LAYER_SHAPES, TABLE_SHAPES, LappedArrays, LappedSpec, Layer, check_arrays
from radcodec.errors import ModelMismatchError

METADATA_KEY = "radcodec"
KIND = "lapped"


def pack_model(spec: LappedSpec, arrays: LappedArrays, known_answer: str) -> bytes:
    """Pack a model as the bytes of a safetensors file."""
    tensors: dict[str, npt.NDArray[Any]] = {"log_table": arrays.log_table, "sinh": arrays.sinh, **arrays.tables}
    for name, layer in arrays.layers.items():
        tensors[f"{name}.weight"], tensors[f"{name}.bias"] = layer.weight, layer.bias
    metadata = {
        "spec": {"kind": KIND, "name": spec.name, "stages": spec.stages},
        "layers": {name: {"shift": layer.shift} for name, layer in arrays.layers.items()},
        "known_answer": known_answer,
    }
    contiguous = {name: np.ascontiguousarray(values) for name, values in tensors.items()}
    return bytes(save(contiguous, metadata={METADATA_KEY: json.dumps(metadata, sort_keys=True)}))


def is_lapped(data: bytes) -> bool:
    """Return whether a weights file declares itself a lapped model."""
    try:
        return bool(read_metadata(data)["spec"]["kind"] == KIND)
    except (KeyError, TypeError, ValueError):
        return False


def read_metadata(data: bytes) -> dict[str, Any]:
    """Return our metadata; safetensors' NumPy loader drops it, but it is plain JSON at the front."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    found: dict[str, Any] = json.loads(header["__metadata__"][METADATA_KEY])
    return found


def unpack_model(data: bytes, where: str) -> tuple[LappedSpec, LappedArrays, str]:
    """Return spec, arrays and known answer of a model file; the inverse of ``pack_model``.

    Raises
    ------
    ModelMismatchError
        The bytes are not a lapped model of this version.
    """
    try:
        tensors = load(data)
        metadata = read_metadata(data)
        if metadata["spec"]["kind"] != KIND:
            raise ValueError(f"a model of kind {metadata['spec']['kind']!r}")
        spec = LappedSpec(name=str(metadata["spec"]["name"]), stages=int(metadata["spec"]["stages"]))
        layers = {
            name: Layer(
                weight=typed(tensors[f"{name}.weight"], np.int8),
                bias=typed(tensors[f"{name}.bias"], np.int32),
                shift=int(metadata["layers"][name]["shift"]),
            )
            for name in LAYER_SHAPES
        }
        arrays = LappedArrays(
            log_table=typed(tensors["log_table"], np.int16),
            layers=layers,
            tables={name: typed(tensors[name], np.uint32) for name in TABLE_SHAPES},
            sinh=typed(tensors["sinh"], np.float64),
        )
        known_answer = str(metadata["known_answer"])
    except (SafetensorError, KeyError, TypeError, ValueError) as err:
        raise ModelMismatchError(
            f"{where}: expected a radcodec lapped model (safetensors), found {type(err).__name__}: {err}; "
            "give the weights.safetensors that `radcodec train` wrote"
        ) from err
    check_arrays(spec, arrays)
    return spec, arrays, known_answer


def typed(values: npt.NDArray[Any], dtype: type[np.generic]) -> npt.NDArray[Any]:
    """Return ``values`` if it has the dtype; raises TypeError otherwise."""
    if values.dtype != dtype:
        raise TypeError(f"expected {np.dtype(dtype)}, found {values.dtype}")
    return values

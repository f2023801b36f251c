"""Read and write a lapped model as one safetensors file (docs/format.md, 9.1 and 9.5)."""

from __future__ import annotations

from typing import Any

import numpy as np
from safetensors.numpy import load

from radcodec.base.lapped.spec import LAYER_SHAPES, TABLE_SHAPES, LappedArrays, LappedSpec, Layer, check_arrays
from radcodec.base.weights_file import Tensors, is_of_kind, pack_file, read_metadata, reading, typed

KIND = "lapped"


def pack_model(spec: LappedSpec, arrays: LappedArrays, known_answer: str) -> bytes:
    """Pack a model as the bytes of a safetensors file."""
    tensors, layers = array_parts(arrays)
    return pack_file(tensors, metadata_of(KIND, spec, layers, known_answer))


def array_parts(arrays: LappedArrays) -> tuple[Tensors, dict[str, Any]]:
    """Return the tensors of the arrays, and what the metadata says of the layers."""
    tensors: Tensors = {"log_table": arrays.log_table, "sinh": arrays.sinh, **arrays.tables}
    for name, layer in arrays.layers.items():
        tensors[f"{name}.weight"], tensors[f"{name}.bias"] = layer.weight, layer.bias
    return tensors, {name: {"shift": layer.shift} for name, layer in arrays.layers.items()}


def metadata_of(kind: str, spec: LappedSpec, layers: dict[str, Any], known_answer: str) -> dict[str, Any]:
    """Return the metadata of a model."""
    return {
        "spec": {"kind": kind, "name": spec.name, "stages": spec.stages},
        "layers": layers,
        "known_answer": known_answer,
    }


def is_lapped(data: bytes) -> bool:
    """Return whether a weights file declares itself a lapped model."""
    return is_of_kind(data, KIND)


def unpack_model(data: bytes, where: str) -> tuple[LappedSpec, LappedArrays, str]:
    """Return spec, arrays and known answer of a model file; the inverse of ``pack_model``.

    Raises
    ------
    ModelMismatchError
        The bytes are not a lapped model of this version.
    """
    with reading(where, "lapped model"):
        tensors, metadata = load(data), read_metadata(data)
        spec, arrays = read_arrays(tensors, metadata, KIND)
        known_answer = str(metadata["known_answer"])
    check_arrays(spec, arrays)
    return spec, arrays, known_answer


def read_arrays(tensors: Tensors, metadata: dict[str, Any], kind: str) -> tuple[LappedSpec, LappedArrays]:
    """Return the spec and the arrays of a model of this kind; raises KeyError, TypeError or ValueError."""
    if metadata["spec"]["kind"] != kind:
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
    return spec, arrays

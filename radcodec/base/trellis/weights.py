"""Read and write a trellis model as one safetensors file (docs/format.md, 9.1 and 9.11)."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from radcodec.base.lapped.spec import LAYER_SHAPES, TABLE_SHAPES, LappedArrays, LappedSpec, Layer
from radcodec.base.lapped.weights import METADATA_KEY, read_metadata, typed
from radcodec.base.trellis.spec import WEIGHT_SHAPES, WIDE_TABLES, WideArrays, WideLayer, check_wide
from radcodec.errors import ModelMismatchError

KIND = "vqvae"


def pack_model(spec: LappedSpec, arrays: LappedArrays, wide: WideArrays, known_answer: str) -> bytes:
    """Pack a model as the bytes of a safetensors file."""
    tensors: dict[str, npt.NDArray[Any]] = {"log_table": arrays.log_table, "sinh": arrays.sinh, **arrays.tables}
    tensors |= {**wide.tables, "points": wide.points}
    shifts: dict[str, Any] = {}
    for name, layer in arrays.layers.items():
        tensors[f"{name}.weight"], tensors[f"{name}.bias"] = layer.weight, layer.bias
        shifts[name] = {"shift": layer.shift}
    for name, broad in wide.layers.items():
        tensors[f"{name}.weight"], tensors[f"{name}.bias"] = broad.weight, broad.bias
        shifts[name] = {"shifts": list(broad.shifts)}
    metadata = {
        "spec": {"kind": KIND, "name": spec.name, "stages": spec.stages},
        "layers": shifts,
        "known_answer": known_answer,
    }
    contiguous = {name: np.ascontiguousarray(values) for name, values in tensors.items()}
    return bytes(save(contiguous, metadata={METADATA_KEY: json.dumps(metadata, sort_keys=True)}))


def is_trellis(data: bytes) -> bool:
    """Return whether a weights file declares itself a trellis model."""
    try:
        return bool(read_metadata(data)["spec"]["kind"] == KIND)
    except (KeyError, TypeError, ValueError):
        return False


def unpack_model(data: bytes, where: str) -> tuple[LappedSpec, LappedArrays, WideArrays, str]:
    """Return spec, arrays and known answer of a model file; the inverse of ``pack_model``.

    Raises
    ------
    ModelMismatchError
        The bytes are not a trellis model of this version.
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
        wide = WideArrays(
            layers={
                name: WideLayer(
                    weight=typed(tensors[f"{name}.weight"], np.int8),
                    bias=typed(tensors[f"{name}.bias"], np.int32),
                    shifts=tuple(int(shift) for shift in metadata["layers"][name]["shifts"]),
                )
                for name in WEIGHT_SHAPES
            },
            tables={name: typed(tensors[name], np.uint32) for name in WIDE_TABLES},
            points=typed(tensors["points"], np.int16),
        )
        known_answer = str(metadata["known_answer"])
    except (SafetensorError, KeyError, TypeError, ValueError) as err:
        raise ModelMismatchError(
            f"{where}: expected a radcodec model of kind vqvae (safetensors), found {type(err).__name__}: {err}; "
            "give the weights.safetensors that `radcodec train` wrote"
        ) from err
    check_wide(spec, arrays, wide)
    return spec, arrays, wide, known_answer

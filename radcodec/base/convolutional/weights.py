"""Read and write a model as one safetensors file: arrays, spec and known answer, without torch.

Tensors: ``encoder.*`` float32, ``codebook{k}`` int16, ``penalty{k}`` float32, ``table{k}`` uint32,
``class_bias{k}`` int16, ``class_length{k}`` float32, ``sinh`` float64, ``<layer>.weight`` int8 and ``<layer>.bias``
int32 for every integer layer. Metadata: ``radcodec`` holds JSON with the
spec, each layer's shift and limits, and the known answer. The file is the whole model; its SHA-256 is its identity.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from radcodec.base.convolutional.spec import IntegerLayer, ModelArrays, ModelSpec, check_arrays
from radcodec.errors import ModelMismatchError

METADATA_KEY = "radcodec"


def pack_model(spec: ModelSpec, arrays: ModelArrays, known_answer: str) -> bytes:
    """Return a model as the bytes of a safetensors file."""
    tensors: dict[str, npt.NDArray[Any]] = {"sinh": arrays.sinh}
    for name, values in arrays.encoder.items():
        tensors[f"encoder.{name}"] = values
    for stage in range(spec.n_stages):
        tensors[f"codebook{stage}"] = arrays.codebooks[stage]
        tensors[f"penalty{stage}"] = arrays.penalties[stage]
        tensors[f"table{stage}"] = arrays.tables[stage]
        tensors[f"class_bias{stage}"] = arrays.class_biases[stage]
        tensors[f"class_length{stage}"] = arrays.class_lengths[stage]
    limits: dict[str, dict[str, int]] = {}
    for name, layer in arrays.layers.items():
        tensors[f"{name}.weight"] = layer.weight
        tensors[f"{name}.bias"] = layer.bias
        limits[name] = {
            "shift": layer.shift, "input_limit": layer.input_limit, "low": layer.low, "high": layer.high
        }  # fmt: skip
    metadata = {"spec": asdict(spec), "layers": limits, "known_answer": known_answer}
    contiguous = {name: np.ascontiguousarray(values) for name, values in tensors.items()}
    return bytes(save(contiguous, metadata={METADATA_KEY: json.dumps(metadata, sort_keys=True)}))


def unpack_model(data: bytes, where: str) -> tuple[ModelSpec, ModelArrays, str]:
    """Return the spec, arrays and known answer of a model file; the inverse of `pack_model`.

    Raises
    ------
    ModelMismatchError
        The bytes are not a model of this version: no safetensors, or a tensor is missing or has a wrong shape or type.
    """
    try:
        tensors = load(data)
        metadata = json.loads(_metadata(data))
        fields = dict(metadata["spec"])
        for name in ("strides", "entries", "prior_classes"):
            fields[name] = tuple(int(value) for value in fields[name])
        spec = ModelSpec(**fields)
        layers = {
            name: IntegerLayer(
                weight=_typed(tensors[f"{name}.weight"], np.int8),
                bias=_typed(tensors[f"{name}.bias"], np.int32),
                **limits,
            )
            for name, limits in metadata["layers"].items()
        }
        stages = range(spec.n_stages)
        arrays = ModelArrays(
            encoder={name[8:]: _typed(v, np.float32) for name, v in tensors.items() if name.startswith("encoder.")},
            codebooks=tuple(_typed(tensors[f"codebook{k}"], np.int16) for k in stages),
            penalties=tuple(_typed(tensors[f"penalty{k}"], np.float32) for k in stages),
            layers=layers,
            tables=tuple(_typed(tensors[f"table{k}"], np.uint32) for k in stages),
            class_biases=tuple(_typed(tensors[f"class_bias{k}"], np.int16) for k in stages),
            class_lengths=tuple(_typed(tensors[f"class_length{k}"], np.float32) for k in stages),
            sinh=_typed(tensors["sinh"], np.float64),
        )
        known_answer = str(metadata["known_answer"])
    except (SafetensorError, KeyError, TypeError, ValueError) as err:
        raise ModelMismatchError(
            f"{where}: expected a radcodec base-layer model (safetensors), found {type(err).__name__}: {err}; "
            "give the weights.safetensors that `radcodec train` wrote"
        ) from err
    check_arrays(spec, arrays)
    return spec, arrays, known_answer


def _metadata(data: bytes) -> str:
    """Return our metadata string; safetensors' NumPy loader drops it, but it is plain JSON at the front."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    return str(header["__metadata__"][METADATA_KEY])


def _typed(values: npt.NDArray[Any], dtype: type[np.generic]) -> npt.NDArray[Any]:
    """Return `values` if it has the dtype; raise TypeError otherwise."""
    if values.dtype != dtype:
        raise TypeError(f"expected {np.dtype(dtype)}, found {values.dtype}")
    return values

"""Read and write a model as one safetensors file: arrays, spec and known answer, without torch.

Tensors: ``encoder.*`` float32, ``codebook{k}`` int16, ``penalty{k}`` float32, ``table{k}`` uint32,
``class_bias{k}`` int16, ``class_length{k}`` float32, ``sinh`` float64, ``<layer>.weight`` int8 and ``<layer>.bias``
int32 for every integer layer. Metadata: ``radcodec`` holds JSON with the
spec, each layer's shift and limits, and the known answer. The file is the whole model; its SHA-256 is its identity.
"""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
from safetensors.numpy import load

from radcodec.base.convolutional.spec import IntegerLayer, ModelArrays, ModelSpec, check_arrays
from radcodec.base.weights_file import Tensors, pack_file, read_metadata, reading, typed


def pack_model(spec: ModelSpec, arrays: ModelArrays, known_answer: str) -> bytes:
    """Return a model as the bytes of a safetensors file."""
    tensors: Tensors = {"sinh": arrays.sinh}
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
    return pack_file(tensors, metadata)


def unpack_model(data: bytes, where: str) -> tuple[ModelSpec, ModelArrays, str]:
    """Return the spec, arrays and known answer of a model file; the inverse of `pack_model`.

    Raises
    ------
    ModelMismatchError
        The bytes are not a model of this version: no safetensors, or a tensor is missing or has a wrong shape or type.
    """
    with reading(where, "base-layer model"):
        tensors = load(data)
        metadata = read_metadata(data)
        fields = dict(metadata["spec"])
        for name in ("strides", "entries", "prior_classes"):
            fields[name] = tuple(int(value) for value in fields[name])
        spec = ModelSpec(**fields)
        layers = {
            name: IntegerLayer(
                weight=typed(tensors[f"{name}.weight"], np.int8),
                bias=typed(tensors[f"{name}.bias"], np.int32),
                **limits,
            )
            for name, limits in metadata["layers"].items()
        }
        stages = range(spec.n_stages)
        arrays = ModelArrays(
            encoder={name[8:]: typed(v, np.float32) for name, v in tensors.items() if name.startswith("encoder.")},
            codebooks=tuple(typed(tensors[f"codebook{k}"], np.int16) for k in stages),
            penalties=tuple(typed(tensors[f"penalty{k}"], np.float32) for k in stages),
            layers=layers,
            tables=tuple(typed(tensors[f"table{k}"], np.uint32) for k in stages),
            class_biases=tuple(typed(tensors[f"class_bias{k}"], np.int16) for k in stages),
            class_lengths=tuple(typed(tensors[f"class_length{k}"], np.float32) for k in stages),
            sinh=typed(tensors["sinh"], np.float64),
        )
        known_answer = str(metadata["known_answer"])
    check_arrays(spec, arrays)
    return spec, arrays, known_answer

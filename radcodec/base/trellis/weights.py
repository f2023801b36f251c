"""Read and write a trellis model as one safetensors file (docs/format.md, 9.1 and 9.11)."""

from __future__ import annotations

import numpy as np
from safetensors.numpy import load

from radcodec.base.lapped.spec import LappedArrays, LappedSpec
from radcodec.base.lapped.weights import array_parts, metadata_of, read_arrays
from radcodec.base.trellis.atoms import TENSORS, AtomArrays
from radcodec.base.trellis.spec import WEIGHT_SHAPES, WIDE_TABLES, WideArrays, WideLayer, check_wide
from radcodec.base.weights_file import Tensors, is_of_kind, pack_file, read_metadata, reading, typed

KIND = "vqvae"


def pack_model(spec: LappedSpec, arrays: LappedArrays, wide: WideArrays, known_answer: str) -> bytes:
    """Pack a model as the bytes of a safetensors file."""
    tensors, layers = array_parts(arrays)
    tensors |= {**wide.tables, "points": wide.points}
    if wide.atoms is not None:
        tensors |= wide.atoms.tensors()
    for name, layer in wide.layers.items():
        tensors[f"{name}.weight"], tensors[f"{name}.bias"] = layer.weight, layer.bias
        layers[name] = {"shifts": list(layer.shifts)}
    return pack_file(tensors, metadata_of(KIND, spec, layers, known_answer))


def is_trellis(data: bytes) -> bool:
    """Return whether a weights file declares itself a trellis model."""
    return is_of_kind(data, KIND)


def unpack_model(data: bytes, where: str) -> tuple[LappedSpec, LappedArrays, WideArrays, str]:
    """Return spec, arrays and known answer of a model file; the inverse of ``pack_model``.

    Raises
    ------
    ModelMismatchError
        The bytes are not a trellis model of this version.
    """
    with reading(where, "model of kind vqvae"):
        tensors, metadata = load(data), read_metadata(data)
        spec, arrays = read_arrays(tensors, metadata, KIND)
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
            atoms=_read_atoms(tensors),
        )
        known_answer = str(metadata["known_answer"])
    check_wide(spec, arrays, wide)
    return spec, arrays, wide, known_answer


def _read_atoms(tensors: Tensors) -> AtomArrays | None:
    """Return the codebook of atoms of a model that has one."""
    if not any(name in tensors for name in TENSORS):
        return None
    patches, levels, atom_lengths, level_lengths = (tensors[name] for name in TENSORS)
    return AtomArrays(
        patches=typed(patches, np.int8),
        levels=typed(levels, np.int32),
        atom_lengths=typed(atom_lengths, np.uint8),
        level_lengths=typed(level_lengths, np.uint8),
    )

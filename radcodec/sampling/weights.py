"""Read and write a denoiser as one safetensors file: float16 weights, and its spec as JSON."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from radcodec.base.store import find_sampler
from radcodec.errors import ModelMismatchError
from radcodec.sampling.network import Denoiser
from radcodec.sampling.spec import DenoiserSpec

METADATA_KEY = "radcodec-sampler"


def pack_denoiser(denoiser: Denoiser) -> bytes:
    """Return a denoiser as the bytes of a weights file."""
    tensors = {name: value.detach().to(torch.float16).contiguous() for name, value in denoiser.state_dict().items()}
    return bytes(save(tensors, metadata={METADATA_KEY: json.dumps(asdict(denoiser.spec), sort_keys=True)}))


def load_denoiser(name_or_path: str | None = None) -> tuple[Denoiser, str]:
    """Load the denoiser of a name or path (None: the shipped one); return it and its SHA-256.

    Raises
    ------
    ModelNotFoundError
        There is none.
    ModelMismatchError
        The file is no denoiser, or a shipped one differs from the registry.
    """
    path, expected = find_sampler(name_or_path)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if expected and found != expected:
        raise ModelMismatchError(f"sampler {path}: expected sha256 {expected}, found {found}; reinstall radcodec")
    try:
        with safe_open(path, framework="pt") as file:
            spec = json.loads((file.metadata() or {})[METADATA_KEY])
            state = {name: file.get_tensor(name).to(torch.float32) for name in file.keys()}  # noqa: SIM118
        denoiser = Denoiser(DenoiserSpec(**{**spec, "channels": tuple(spec["channels"])}))
        denoiser.load_state_dict(state)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as err:
        raise ModelMismatchError(f"{path}: expected the weights of a sampler, found something else: {err}") from err
    return denoiser.eval(), found

"""The neural rivals of the lossy mode, through torch: a variational and a plain autoencoder.

Both get the companded image; their streams are decoded from their bytes alone. ``MappedRival`` describes the head.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Any

from benchmarks.rivals.lossy import MappedRival, Mapping, ladder
from benchmarks.types import F64, Array


class _Neural(MappedRival):
    """What both share: weights of the project's own, companded images."""

    setting = "companded, ANS, 1 thread"

    def __init__(self) -> None:
        super().__init__(Mapping.COMPANDED)

    def version(self) -> str:
        import constriction  # noqa: F401
        import torch

        from benchmarks.rivals.neural.networks import WEIGHTS

        weights = hashlib.sha256((WEIGHTS / f"{self.name}.safetensors").read_bytes()).hexdigest()
        return f"weights sha256 {weights[:12]}, torch {torch.__version__}"

    @cached_property
    def coder(self) -> Any:
        """The codec of pictures."""
        from benchmarks.rivals.neural.coding import AeCoder, VaeCoder
        from benchmarks.rivals.neural.networks import Vae, load_network

        network = load_network(self.name)
        return VaeCoder(network) if isinstance(network, Vae) else AeCoder(network)

    def code(self, image: F64, quality: float) -> bytes:
        return bytes(self.coder.encode(image, quality))

    def restore(self, data: bytes, shape: tuple[int, ...]) -> Array:
        decoded: Array = self.coder.decode(data, shape)
        return decoded


class NeuralVae(_Neural):
    """The VAE. Quality is its level, -2 to 7; between whole ones gains are interpolated."""

    name = "vae"
    setting = "companded, search of symbols, flux kept, ANS, 1 thread"
    knob = "level"
    qualities = tuple(float(level) for level in range(-2, 8))


class NeuralAe(_Neural):
    """The plain autoencoder. Quality is the step of its latents."""

    name = "ae"
    knob = "step"
    qualities = ladder(0.05, 6.0, 10)

"""The shape of a denoiser. Uses no torch."""

from __future__ import annotations

from dataclasses import dataclass

#: Pixels around one that its estimate depends on, a multiple of ALIGNMENT.
MARGIN = 64
#: Sides of inputs are multiples of this.
ALIGNMENT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class DenoiserSpec:
    """Shape of a denoiser.

    name : of the model. channels : at full, half and quarter size. blocks : residual blocks a size, on each way.
    data_rms : rms of the companded images, which scales inputs and outputs.
    """

    name: str
    channels: tuple[int, ...]
    blocks: int
    data_rms: float

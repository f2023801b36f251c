"""An untrained model: everything about the base layer but its picture quality can be tested with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from radcodec.base.convolutional.spec import ModelSpec

if TYPE_CHECKING:
    from radcodec.base.convolutional.model import BaseModel


@pytest.fixture(scope="session")
def spec() -> ModelSpec:
    """The sizes of a tiny model with every kind of step between strides."""
    return ModelSpec(
        name="tiny", strides=(32, 8, 8, 4), entries=(5, 16, 7, 32), latent_channels=4, channels=8,
        encoder_blocks=1, decoder_blocks=1, prior_channels=8, prior_tables=6, prior_classes=(1, 3, 2, 4),
    )  # fmt: skip


@pytest.fixture(scope="session")
def model(spec: ModelSpec) -> BaseModel:
    """A tiny model with random weights and random, uneven tables."""
    torch = pytest.importorskip("torch")
    from radcodec.base.convolutional.model import BaseModel
    from radcodec.training.network import Network, export_arrays

    torch.manual_seed(4)
    network = Network(spec)
    for stage in network.quantiser.stages:
        stage.entries.mul_(40.0)  # type: ignore[operator]
    for prior in network.priors:
        prior.tables.data.mul_(4.0)
        prior.classes.data.normal_()
        prior.lengths.copy_(torch.rand_like(prior.lengths))
    network.limit()
    return BaseModel(network.spec, export_arrays(network, [0.3] * 4), "0" * 64)

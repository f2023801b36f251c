"""Start a run from a finished model: convert its integer weights to training parameters.

Integer layers convert exactly: exporting them again gives the same weights. Other state is estimated. The shares of
codes follow from their prices, up to the slope, and from their sum of 1.
"""

from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np
import numpy.typing as npt
import torch

from radcodec.base.convolutional.model import BaseModel
from radcodec.base.convolutional.spec import LATENT_UNIT, IntegerLayer, ModelArrays
from radcodec.base.lapped.model import LappedModel
from radcodec.base.store import load_model
from radcodec.errors import InputError
from radcodec.training.config import LappedConfig, TrainConfig
from radcodec.training.lapped import UNIT, dense_layers
from radcodec.training.lapped_contexts import DenseLayer
from radcodec.training.lapped_prior import LappedPrior
from radcodec.training.modules import SCORE_UNIT, IntegerConv
from radcodec.training.network import Network
from radcodec.training.quantiser import Codebook

#: Rounds of halving for the slope of the prices.
SLOPE_ROUNDS = 80


def start_network(network: Network, config: TrainConfig) -> None:
    """Fill a network with the weights of the model `config.start`.

    Raises
    ------
    InputError
        The model is of another kind or of other sizes.
    """
    model = load_model(config.start)
    if not isinstance(model, BaseModel):
        raise InputError(f"run.start: expected a convolutional model, found {model.name}, a lapped one")
    theirs = asdict(model.spec)
    other = [name for name, value in asdict(config.spec).items() if name != "name" and theirs[name] != value]
    if other:
        raise InputError(f"run.start: {model.name} has other {', '.join(other)} than [model] says")
    with torch.no_grad():
        fill_network(network, model.arrays, config)


def fill_network(network: Network, arrays: ModelArrays, config: TrainConfig) -> None:
    """Fill a network with the arrays of a model of its sizes."""
    for name, parameter in network.encoder.tensors().items():
        parameter.copy_(torch.from_numpy(arrays.encoder[name].copy()))
    for name, layer in network.decoder.named_layers().items():
        fill_layer(layer, arrays.layers[name])
    for stage in range(config.spec.n_stages):
        prior = network.prior(stage)
        for name, layer in prior.named_layers(stage).items():
            fill_layer(layer, arrays.layers[name])
        prior.tables.copy_(torch.log(torch.from_numpy(arrays.tables[stage].astype(np.float64)) / 2.0**24))
        prior.classes.copy_(torch.from_numpy(arrays.class_biases[stage].astype(np.float32)) / SCORE_UNIT)
        prior.lengths.copy_(torch.from_numpy(arrays.class_lengths[stage].copy()))
        cells = config.fit.batch * (config.data.crop_px // config.spec.strides[stage]) ** 2
        fill_codebook(
            network.quantiser.codebook(stage),
            arrays.codebooks[stage], arrays.penalties[stage], cells, config.fit.rate_weights[stage],
        )  # fmt: skip


def fill_layer(layer: IntegerConv, integer: IntegerLayer) -> None:
    """Set the weights of a layer to those that are exported as these integers."""
    layer.shift = integer.shift
    layer.weight.copy_(torch.from_numpy(integer.weight.astype(np.float32)) / 2.0**integer.shift)
    bias = integer.bias.astype(np.float64) - 2.0 ** (integer.shift - 1)
    layer.bias.copy_(torch.from_numpy(bias / (LATENT_UNIT * 2.0**integer.shift)))


def fill_codebook(
    book: Codebook, entries: npt.NDArray[np.int16], prices: npt.NDArray[np.float32], cells: int, rate_weight: float
) -> None:
    """Set the entries of a codebook, and its statistics as they would be after batches of `cells` vectors."""
    slope = price_slope(prices.astype(np.float64))
    share = np.exp2(-prices / slope) if slope > 0 else np.full(len(prices), 1 / len(prices))
    book.entries.copy_(torch.from_numpy(entries.astype(np.float32)))
    book.share.copy_(torch.from_numpy(share.astype(np.float32)))
    book.totals.copy_(book.share * cells)
    book.sums.copy_(book.entries * book.totals[:, None])
    if rate_weight > 0:
        book.error.fill_(slope * entries.shape[1] / (rate_weight * 2 * math.log(2)))
    book.idle.zero_()
    book.started.fill_(True)


def price_slope(prices: npt.NDArray[np.float64]) -> float:
    """Return the slope s at which the shares 2^(-price / s) sum to 1; 0 if the prices are all 0."""
    low, high = 0.0, float(prices.max(initial=0.0))
    if not high:
        return 0.0
    for _ in range(SLOPE_ROUNDS):
        middle = (low + high) / 2
        if np.exp2(-prices / middle).sum() > 1:
            high = middle
        else:
            low = middle
    return high


def start_lapped(network: torch.nn.Sequential, config: LappedConfig) -> LappedPrior:
    """Fill the network of a lapped run with the weights of the model `config.start`, and return its prior.

    Raises
    ------
    InputError
        The model is of the other kind.
    """
    model = load_model(config.start)
    if not isinstance(model, LappedModel):
        raise InputError(f"run.start: expected a lapped model, found {model.name}, a convolutional one")
    prior = lapped_prior(model)
    with torch.no_grad():
        for dense, integer in zip(dense_layers(network), prior.layers, strict=True):
            dense.weight.copy_(torch.from_numpy(integer.weight.astype(np.float32) / 2.0**integer.shift))
            bias = (integer.bias - 2.0 ** (integer.shift - 1)) / (UNIT * 2.0**integer.shift)
            dense.bias.copy_(torch.from_numpy(bias))
    return prior


def lapped_prior(model: LappedModel) -> LappedPrior:
    """Return what was learned of a lapped model."""
    layers = [model.arrays.layers[f"layer{number}"] for number in range(3)]
    return LappedPrior(
        layers=tuple(DenseLayer(weight=layer.weight, bias=layer.bias, shift=layer.shift) for layer in layers),
        tables={name: table.copy() for name, table in model.arrays.tables.items()},
    )

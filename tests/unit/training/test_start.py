"""A model taken apart for further training is, exported at once, the same model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("astropy")

import torch

from radcodec.base.convolutional.model import BaseModel
from radcodec.base.store import load_model, models_folder
from radcodec.errors import InputError
from radcodec.training.config import LappedConfig, TrainConfig, read_config
from radcodec.training.lapped import integer_layers, make_network
from radcodec.training.network import Network, export_arrays
from radcodec.training.quantiser import Codebook
from radcodec.training.start import fill_codebook, price_slope, start_lapped, start_network


def config_of(name: str) -> TrainConfig | LappedConfig:
    """The configuration of a shipped model, started from itself."""
    return replace(read_config(models_folder() / name / "config.toml"), start=name)


def test_the_slope_of_prices_is_that_of_shares_that_sum_to_one() -> None:
    """Prices 3 * (1, 2, 2) are those of the shares 1/2, 1/4, 1/4 at a slope of 3; prices of 0 have none."""
    assert price_slope(np.array([3.0, 6.0, 6.0])) == pytest.approx(3.0)
    assert price_slope(np.zeros(4)) == 0.0


def test_a_codebook_gets_its_statistics_back() -> None:
    """Shares as above; 8 vectors a batch; the error is that which makes the same prices."""
    book = Codebook(3, 2)
    prices = np.array([3.0, 6.0, 6.0], np.float32)
    fill_codebook(book, np.array([[1, 2], [3, 4], [5, 6]], np.int16), prices, 8, 0.5)
    assert book.share.tolist() == pytest.approx([0.5, 0.25, 0.25])
    assert book.totals.tolist() == pytest.approx([4.0, 2.0, 2.0])
    assert (book.sums / book.totals[:, None]).tolist() == [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    assert book.penalty(0.5).tolist() == pytest.approx(prices.tolist())


def test_the_convolutional_model_comes_back_exactly() -> None:
    """Layers, encoder, codebooks and classes bit for bit; tables to 2e-5 of a probability's unit; prices to 2 %."""
    config = config_of("general-v0")
    assert isinstance(config, TrainConfig)
    network = Network(config.spec)
    start_network(network, config)
    model = load_model("general-v0")
    assert isinstance(model, BaseModel)
    found, wanted = export_arrays(network, config.fit.rate_weights), model.arrays
    for name, layer in wanted.layers.items():
        assert np.array_equal(found.layers[name].weight, layer.weight), name
        assert np.array_equal(found.layers[name].bias, layer.bias), name
    assert all(np.array_equal(found.encoder[name], values) for name, values in wanted.encoder.items())
    for part in ("codebooks", "class_biases", "class_lengths"):
        assert all(map(np.array_equal, getattr(found, part), getattr(wanted, part))), part
    for ours, theirs in zip(found.tables, wanted.tables, strict=True):
        assert np.abs(ours.astype(np.int64) - theirs).max() < 2e-5 * 2**24
    for prices, others in zip(found.penalties, wanted.penalties, strict=True):
        assert np.allclose(prices, others, atol=0.02 * others.max())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.limit()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_the_lapped_model_comes_back_exactly() -> None:
    """Its integer layers are those that the float network is exported as."""
    config = config_of("lapped-v2")
    assert isinstance(config, LappedConfig)
    network = make_network()
    prior = start_lapped(network, config)
    for layer, wanted in zip(integer_layers(network), prior.layers, strict=True):
        assert layer.shift == wanted.shift
        assert np.array_equal(layer.weight, wanted.weight)
        assert np.array_equal(layer.bias, wanted.bias)


def test_models_of_another_kind_or_size_are_refused() -> None:
    """The message says what differs."""
    convolutional, lapped = config_of("general-v0"), config_of("lapped-v2")
    assert isinstance(convolutional, TrainConfig)
    assert isinstance(lapped, LappedConfig)
    with pytest.raises(InputError, match="convolutional model"):
        start_network(Network(convolutional.spec), replace(convolutional, start="lapped-v2"))
    with pytest.raises(InputError, match="lapped model"):
        start_lapped(make_network(), replace(lapped, start="general-v0"))
    wide = replace(convolutional, spec=replace(convolutional.spec, channels=16, prior_tables=8))
    with pytest.raises(InputError, match="channels, prior_tables"):
        start_network(Network(wide.spec), wide)

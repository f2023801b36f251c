"""The float32 carrier and the int64 definition agree bit for bit, as do the ANS words and exact integer ANS."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("torch")

import torch

from radcodec.base.convolutional import prior
from radcodec.base.convolutional.integer import NumpyArithmetic, decode_latent, smooth
from radcodec.base.convolutional.model import BaseModel
from radcodec.base.convolutional.network import TorchArithmetic
from radcodec.base.convolutional.spec import IntegerLayer, ModelSpec, check_arrays, expansion_table
from radcodec.errors import ModelMismatchError
from radcodec.training.modules import Decoder, IntegerConv, StagePrior


def _layer(weight: npt.NDArray[np.int8], bias: list[int], shift: int) -> IntegerLayer:
    return IntegerLayer(
        weight=weight, bias=np.array(bias, dtype=np.int32), shift=shift, input_limit=1023, low=-9, high=500
    )


@pytest.mark.parametrize("arithmetic", [NumpyArithmetic, TorchArithmetic])
def test_convolution_by_hand(arithmetic: type) -> None:
    """Weights 1..9 over 2 pixels: sums by hand, floor shift (also of negatives), clamps at both ends."""
    kernel = np.arange(1, 10, dtype=np.int8).reshape(1, 1, 3, 3)
    run = arithmetic({"a": _layer(kernel, [3], 2)})
    # Left pixel sees itself under weight 5 and its right neighbour under 6; the right one sees 4 and 5.
    cases = {(10, 2): [(50 + 12 + 3) // 4, (40 + 10 + 3) // 4], (-1, -2): [-4, -3], (1000, 0): [500, 500]}
    for values, expected in cases.items():
        features = run.put(np.array([[values]], dtype=np.int64))
        assert run.get(run.convolve(features, "a"))[0, 0].tolist() == expected
    low = run.put(np.array([[(-1000, 0)]], dtype=np.int64))
    assert run.get(run.convolve(low, "a"))[0, 0].tolist() == [-9, -9]


@pytest.mark.parametrize("magnitude", [3, 60, 5000])
def test_decoder_is_the_same_in_torch_and_int64(model: BaseModel, magnitude: int) -> None:
    """Every output integer of the decoder agrees, at small and at saturating latents."""
    latent = np.random.default_rng(magnitude).integers(-magnitude, magnitude + 1, (4, 19, 23))
    exact = decode_latent(model.spec, NumpyArithmetic(model.arrays.layers), latent)
    carried = decode_latent(model.spec, TorchArithmetic(model.arrays.layers), latent)
    assert exact.shape == (76, 92)
    assert np.array_equal(exact, carried)


def test_streams_are_the_same_in_torch_and_int64(model: BaseModel) -> None:
    """Streams written with one arithmetic are those of the other, and decode with it."""
    values = np.random.default_rng(1).normal(0.0, 3.0, (75, 90))
    codes = model.encode_tile(values, 0.0, 1.0)
    indices = [stage.astype(np.int64) for stage in codes.indices]
    exact = NumpyArithmetic(model.arrays.layers)
    for stage, stream in enumerate(model.stage_streams(codes)):
        assert prior.encode_stage(model.spec, model.arrays, exact, indices[: stage + 1], codes.shape) == stream
        back = prior.decode_stage(model.spec, model.arrays, exact, indices[:stage], codes.shape, stream)
        assert np.array_equal(back, indices[stage])


def test_training_modules_are_the_exported_networks(spec: ModelSpec) -> None:
    """What the fake-quantised decoder and prior return in training is what the exported integers return."""
    torch.manual_seed(9)
    decoder, stage_prior = Decoder(spec), StagePrior(spec, 1)
    stage_prior.classes.data.normal_()
    layers = {name: layer.export() for name, layer in decoder.named_layers().items()}
    layers |= {name: layer.export() for name, layer in stage_prior.named_layers(1).items()}
    latent = np.random.default_rng(2).integers(-200, 201, (4, 8, 10))
    tensor = torch.from_numpy(latent.astype(np.float32))[None]
    with torch.no_grad():
        trained = (decoder(tensor) * 64)[0, 0].numpy()
        odd = (torch.arange(8)[:, None] + torch.arange(10)[None, :]) % 2 == 1
        scores = stage_prior(tensor, tensor.roll(1, 3), odd, torch.tensor([2]))[0].numpy()
        bias = stage_prior.class_biases()[2].numpy().astype(np.int64)[:, None, None]
    run = NumpyArithmetic(layers)
    assert np.array_equal(decode_latent(spec, run, latent), trained)
    shifted = np.roll(latent, 1, 2) * ~odd.numpy()
    both = run.convolve(latent, "prior1.context") + run.convolve(shifted, "prior1.neighbours") * odd.numpy()
    exact = run.convolve(run.convolve(np.clip(both, 0, 511), "prior1.hidden"), "prior1.output")
    assert np.array_equal(exact + bias, scores)


def test_layers_that_float32_cannot_hold_are_refused(model: BaseModel) -> None:
    """A bias that lets a sum reach 2^24 makes check_arrays raise; `IntegerConv.limit` prevents it in training."""
    check_arrays(model.spec, model.arrays)
    name = "decoder.input"
    layer = model.arrays.layers[name]
    huge = IntegerLayer(
        weight=layer.weight, bias=layer.bias + (1 << 24), shift=layer.shift, input_limit=1023, low=-1, high=1
    )
    arrays = type(model.arrays)(
        encoder=model.arrays.encoder, codebooks=model.arrays.codebooks, penalties=model.arrays.penalties,
        layers={**model.arrays.layers, name: huge}, tables=model.arrays.tables,
        class_biases=model.arrays.class_biases, class_lengths=model.arrays.class_lengths, sinh=expansion_table(),
    )  # fmt: skip
    with pytest.raises(ModelMismatchError, match="less than 16777216"):
        check_arrays(model.spec, arrays)
    wide = IntegerConv((64, 4, 3), shift=7, input_limit=1023, low=-1, high=1)
    wide.weight.data.fill_(0.9)
    wide.limit()
    weight, bias = (tensor.detach() for tensor in wide.integers())
    assert float((weight.abs().sum(dim=(1, 2, 3)) * 1023 + bias.abs()).max()) < 1 << 24


def test_index_streams_are_exact_integer_ans() -> None:
    """constriction's words are those of 24-bit ANS with 64-bit state in Python integers, counts as stored."""
    rng = np.random.default_rng(3)
    counts = rng.integers(2, 1 << 20, (5, 11)).astype(np.int64)
    counts[:, 0] += (1 << 24) - counts.sum(axis=1)
    counts[counts < 2] = 2
    counts[:, 0] += (1 << 24) - counts.sum(axis=1)
    choice, symbols = rng.integers(0, 5, 700), rng.integers(0, 11, 700)
    state, words = 0, []
    for table, symbol in reversed(list(zip(choice.tolist(), symbols.tolist(), strict=True))):
        count, start = int(counts[table, symbol]), int(counts[table, :symbol].sum())
        if state >> 40 >= count:
            words.append(state & 0xFFFFFFFF)
            state >>= 32
        state = (state // count << 24) + state % count + start
    while state:
        words.append(state & 0xFFFFFFFF)
        state >>= 32
    coder = prior.constriction.stream.stack.AnsCoder()
    prior._push(coder, symbols, counts.astype(np.uint32), choice)
    assert np.asarray(coder.get_compressed()).tolist() == words
    assert np.array_equal(prior._pop(coder, counts.astype(np.uint32), choice), symbols)


def test_table_rows_sum_to_the_coders_precision(model: BaseModel) -> None:
    """Counts are at least 2 and sum to 2^24 in every row of every stage."""
    for tables in model.arrays.tables:
        assert tables.min() >= 2
        assert tables.astype(np.int64).sum(axis=1).tolist() == [1 << 24] * tables.shape[0]


def test_blending_turns_blocks_into_ramps() -> None:
    """Cells of two: 0 0 8 8 becomes 0 2 6 8 under the kernel 1 2 1; a constant stays."""
    blocks = np.array([[[0, 0, 8, 8]] * 3])
    assert smooth(blocks, 2).tolist() == [[[0, 2, 6, 8]] * 3]
    assert smooth(np.full((2, 5, 5), -7), 8).tolist() == np.full((2, 5, 5), -7).tolist()

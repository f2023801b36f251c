"""Lapped models: streams and back, truncation, damage, and the compiled walk beside one in whole arrays."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_model import made_up

from radcodec.base.lapped import model as module
from radcodec.base.lapped import planes, transform
from radcodec.base.lapped.answer import known_answer
from radcodec.base.lapped.codes import LappedCodes
from radcodec.base.lapped.load import load_bytes
from radcodec.base.lapped.model import LappedModel
from radcodec.base.lapped.transform import WAVELET
from radcodec.base.lapped.walk import Walk
from radcodec.base.lapped.weights import is_lapped, pack_model, unpack_model
from radcodec.errors import CorruptError, InputError, ModelMismatchError

SHAPES = [(1, 1), (1, 5), (17, 300), (33, 64), (130, 130)]


def image(shape: tuple[int, int], seed: int = 3) -> Any:
    """White noise of three companded units, whose coefficients are all coded."""
    return np.random.default_rng(seed).normal(size=shape) * 3.0


@pytest.mark.parametrize("shape", SHAPES)
def test_streams_hold_the_codes(model: LappedModel, shape: tuple[int, int]) -> None:
    """All streams give the codes back, the first few the magnitudes without their last bits."""
    codes = model.encode_tile(image(shape), 0.0, 1.0, step=0.5)
    streams = model.stage_streams(codes)
    for n in range(1, 7):
        found, left_out = model.read_codes(streams[:n], shape)
        assert (np.abs(found.coefficients) == np.abs(codes.coefficients) >> left_out).all()
    assert left_out == 0
    assert (found.coefficients == codes.coefficients).all()
    assert (found.code, found.last, found.gain, found.offsets) == (codes.code, codes.last, codes.gain, codes.offsets)


def test_error_follows_the_step(model: LappedModel) -> None:
    """The companded RMSE is that of uniform errors of a step, and up to a quarter more for the bits it saves."""
    values = image((130, 130))
    errors = []
    for step in (2.0, 0.5, 0.1):
        streams = model.stage_streams(model.encode_tile(values, 0.0, 1.0, step=step))
        restored = model.decode_tile(streams, values.shape, 0.0, 1.0)
        difference = module.compand(restored, 0.0, 1.0) - module.compand(values, 0.0, 1.0)
        errors.append(float(np.sqrt((difference**2).mean())))
    assert errors[0] > errors[1] > errors[2]
    assert 0.95 < errors[1] / (0.5 / np.sqrt(12)) < 1.25
    assert errors[2] < 0.05


def test_nothing_but_the_offset(model: LappedModel) -> None:
    """A constant tile is six bytes, and comes back as its offset."""
    streams = model.stage_streams(model.encode_tile(np.full((20, 30), 7.0), 7.0, 2.0))
    assert [len(stream) for stream in streams] == [6, 0, 0, 0, 0, 0]
    assert (model.decode_tile(streams, (20, 30), 7.0, 2.0) == 7.0).all()


@pytest.mark.parametrize(("shape", "code", "size"), [((64, 64), 0, 1.0), ((100, 37), 1, 3.0), ((90, 90), 4, 2000.0)])
def test_walk_against_whole_arrays(model: LappedModel, shape: tuple[int, int], code: int, size: float) -> None:
    """The compiled walk codes the symbols, with the tables, that the training's own contexts say."""
    contexts = pytest.importorskip("radcodec.training.lapped_contexts")
    rng = np.random.default_rng(1)
    g = transform.geometry_of(shape, code)
    signed = (rng.standard_t(2, size=(g.rows, g.columns, g.height, g.width)) * size).astype(np.int32)
    signed[:, :, g.height // 2 :] = 0
    sizes, sign = np.abs(signed), np.sign(signed).astype(np.int8)
    count = int(sizes.max()).bit_length()
    coder = planes.Coder(model._cumulative, room=(sizes.size // 2 + 256) * count)
    walk = Walk(model._network, coder, g)
    for after in range(count - 1, -1, -1):
        walk.plane(planes.CODE, None, 8 - after, after, sizes >> (after + 1), sizes >> after, sign)
    found = np.zeros((planes.N_ROWS, 9), np.int64)
    n = coder.n
    np.add.at(found, (coder.rows[:n], coder.symbols[:n]), 1)
    expected = np.zeros_like(found)
    start = {"zz": 0, "zn": planes.ZN_ROWS, "nn": planes.NN_ROWS, "flags": planes.FLAG_ROWS}
    layers = tuple(
        contexts.DenseLayer(weight=layer.weight, bias=layer.bias, shift=layer.shift)
        for layer in (model.arrays.layers[f"layer{k}"] for k in range(3))
    )
    for _, symbols in contexts.walk_symbols(signed, 8, layers):
        np.add.at(expected, (symbols.rows + start[symbols.table], symbols.values), 1)
    assert (found == expected).all()


def test_same_bytes_on_threads(model: LappedModel) -> None:
    """Tiles that are coded side by side give the streams that they give one by one."""
    tiles = [image((60, 60), seed) for seed in range(6)]

    def code(tile: Any) -> list[bytes]:
        return model.stage_streams(model.encode_tile(tile, 0.0, 1.0, step=0.7))

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(code, tiles)) == [code(tile) for tile in tiles]


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 5), st.integers(0, 24))
def test_any_bytes_are_refused_or_read(model: LappedModel, body: bytes, code: int, count: int) -> None:
    """Whatever a stream holds, it gives pixels or CorruptError."""
    head = bytes((code, 8, 10, count, 3, 250))
    for streams in ([head + body], [body], [head + body, body]):
        with contextlib.suppress(CorruptError):
            assert model.decode_tile(streams, (19, 23), 0.0, 1.0).shape == (19, 23)


def test_damage_is_seen(model: LappedModel) -> None:
    """A stream cut short, one too long, and a header out of range raise CorruptError."""
    streams = model.stage_streams(model.encode_tile(image((40, 40)), 0.0, 1.0, step=0.5))
    with pytest.raises(CorruptError, match="does not end where"):
        model.decode_tile([streams[0], streams[1][:-4]], (40, 40), 0.0, 1.0)
    with pytest.raises(CorruptError, match="expected at most"):
        model.decode_tile([streams[0] + bytes(100000)], (40, 40), 0.0, 1.0)
    for place, value in ((0, 7), (1, 0), (1, 15), (3, 25), (4, 99)):
        head = bytearray(streams[0])
        head[place] = value
        with pytest.raises(CorruptError, match="out of range"):
            model.decode_tile([bytes(head)], (40, 40), 0.0, 1.0)
    with pytest.raises(CorruptError, match="expected 6 bytes"):
        model.decode_tile([b"\0\1"], (40, 40), 0.0, 1.0)


def test_wrong_input_is_refused(model: LappedModel) -> None:
    """An empty tile, a scale of 0 and more streams than stages raise InputError."""
    with pytest.raises(InputError, match="non-empty"):
        model.encode_tile(np.zeros((0, 4)), 0.0, 1.0)
    with pytest.raises(InputError, match="scale above 0"):
        model.encode_tile(np.zeros((4, 4)), 0.0, 0.0)
    with pytest.raises(InputError, match="at most 6 streams"):
        model.read_codes([b"\0" * 6] * 7, (4, 4))


def test_largest_values_survive(model: LappedModel) -> None:
    """Infinite pixels are read as the offset; the largest finite ones come back at the end of the range."""
    values = np.zeros((30, 30))
    values[3, 4], values[20, 20] = np.inf, 1e300
    streams = model.stage_streams(model.encode_tile(values, 0.0, 1.0, step=0.1))
    restored = model.decode_tile(streams, values.shape, 0.0, 1.0)
    assert np.isfinite(restored).all()
    assert restored[20, 20] > 1e6


def test_weights_round_trip() -> None:
    """A packed model gives the same model, whose known answer is checked; another answer or kind is refused."""
    spec, arrays = made_up(seed=2)
    answer = known_answer(LappedModel(spec, arrays, ""))
    data = pack_model(spec, arrays, answer)
    assert is_lapped(data)
    assert not is_lapped(b"not a model")
    assert unpack_model(data, "here")[0] == spec
    assert load_bytes(data, "here").n_stages == 6
    with pytest.raises(ModelMismatchError, match="known-answer check"):
        load_bytes(pack_model(spec, arrays, "0" * 64), "here")
    with pytest.raises(ModelMismatchError, match="expected a radcodec lapped model"):
        unpack_model(b"{}", "here")


def test_unsound_arrays_are_refused() -> None:
    """A table that does not sum to 2^24 raises ModelMismatchError."""
    spec, arrays = made_up()
    arrays.tables["zz"][0, 0] += 1
    with pytest.raises(ModelMismatchError, match="summing to 2\\^24"):
        unpack_model(pack_model(spec, arrays, ""), "here")


def test_codes_are_of_their_step(model: LappedModel) -> None:
    """The step that is stored is within a quarter percent of the one that was asked for."""
    for step in (0.02, 0.35, 1.0, 3.3, 127.0):
        codes: LappedCodes = model.encode_tile(image((8, 8)), 0.0, 1.0, step=step)
        assert (256 + codes.gain) * 2.0**-codes.last == pytest.approx(step, rel=0.0025)


def test_edges_take_wavelets_and_noise_takes_blocks(model: LappedModel) -> None:
    """The transform is chosen by what a tile is: bright discs on a quiet sky, or nothing but a beam's noise."""
    rng = np.random.default_rng(8)
    y, x = np.indices((200, 200))
    discs = sum(np.where(np.hypot(y - a, x - b) < r, 60.0, 0.0) for a, b, r in ((50, 60, 30), (140, 130, 45)))
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(200), np.fft.fftfreq(200)))
    noise = np.fft.ifft2(np.fft.fft2(rng.normal(size=(200, 200))) * (abs(frequency - 0.1) < 0.01)).real
    assert model.encode_tile(discs + rng.normal(size=(200, 200)), 0.0, 1.0, step=4.0).code == WAVELET
    assert model.encode_tile(noise / noise.std(), 0.0, 1.0, step=1.0).code < WAVELET

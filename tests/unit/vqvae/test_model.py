"""Tiles survive the trip through the base layer's streams, and damaged streams are errors."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

import torch

from radcodec.base.companding import compand
from radcodec.base.convolutional.model import BaseModel, check_known_answer, expand, known_answer
from radcodec.base.convolutional.spec import expansion_table
from radcodec.errors import CorruptError, InputError, ModelMismatchError


def _tile(shape: tuple[int, int], seed: int = 0) -> npt.NDArray[np.float64]:
    values = np.random.default_rng(seed).normal(0.0, 2.0, shape)
    values.flat[0] = 500.0
    return values


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (7, 33), (32, 32), (300, 300)])
def test_streams_give_back_every_index(model: BaseModel, shape: tuple[int, int]) -> None:
    """Indices come back from the streams, on grids that cover the tile and no more."""
    codes = model.encode_tile(_tile(shape), 0.1, 1.3)
    back = model.read_codes(model.stage_streams(codes), shape)
    for stride, sent, got in zip(model.strides, codes.indices, back.indices, strict=True):
        assert sent.shape == (math.ceil(shape[0] / stride), math.ceil(shape[1] / stride))
        assert np.array_equal(sent, got)


def test_first_streams_alone_decode(model: BaseModel) -> None:
    """Every number of stages decodes, and asking for n stages equals giving n streams."""
    streams = model.stage_streams(model.encode_tile(_tile((50, 70)), 0.0, 1.0))
    for count in range(model.n_stages + 1):
        some = model.decode_tile(streams[:count], (50, 70), 0.0, 1.0)
        assert some.shape == (50, 70)
        assert some.dtype == np.float64
        assert np.array_equal(some, model.decode_tile(streams, (50, 70), 0.0, 1.0, n_stages=count))


def test_previews_differ_only_where_the_streams_end_coarse(model: BaseModel) -> None:
    """With all stages a preview is the decoded tile; with the coarse ones it is as large and finite."""
    streams = model.stage_streams(model.encode_tile(_tile((50, 70)), 0.0, 1.0))
    whole = model.preview_tile(streams, (50, 70), 0.5, 2.0)
    assert np.array_equal(whole, model.decode_tile(streams, (50, 70), 0.5, 2.0))
    coarse = model.preview_tile(streams[:2], (50, 70), 0.5, 2.0)
    assert coarse.shape == (50, 70)
    assert np.isfinite(coarse).all()


def test_offset_and_scale_only_shift_and_stretch(model: BaseModel) -> None:
    """A tile in other units has the same streams, and decodes to the same pixels in those units."""
    tile = _tile((40, 40))
    streams = model.stage_streams(model.encode_tile(tile, 0.0, 1.0))
    moved = model.stage_streams(model.encode_tile(tile * 2.0**-20 + 3.0, 3.0, 2.0**-20))
    assert moved == streams
    plain = model.decode_tile(streams, (40, 40), 0.0, 1.0)
    assert np.allclose(model.decode_tile(streams, (40, 40), 3.0, 2.0**-20), 3.0 + plain * 2.0**-20, rtol=1e-15)


def test_thread_count_changes_nothing(model: BaseModel) -> None:
    """One and two intra-op threads write the same streams and read the same pixels."""
    tile = _tile((200, 260))
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            streams = model.stage_streams(model.encode_tile(tile, 0.0, 1.0))
            results.append((streams, model.decode_tile(streams, tile.shape, 0.0, 1.0).tobytes()))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert results[0] == results[1]


def test_non_finite_pixels_are_read_as_the_offset(model: BaseModel) -> None:
    """NaN and infinities encode as the offset does."""
    tile = _tile((16, 16))
    tile[3, 3] = 0.25
    holes = tile.copy()
    holes[3, 3] = np.nan
    assert model.stage_streams(model.encode_tile(holes, 0.25, 1.0)) == model.stage_streams(
        model.encode_tile(tile, 0.25, 1.0)
    )


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damaged_streams_are_corrupt_errors_or_indices_in_range(model: BaseModel, data: st.DataObject) -> None:
    """A bit flip, a cut or noise raises CorruptError or yields indices that the codebooks have."""
    streams = model.stage_streams(model.encode_tile(_tile((45, 61)), 0.0, 1.0))
    stage = data.draw(st.integers(0, len(streams) - 1))
    kind = data.draw(st.sampled_from(["flip", "cut", "noise"]))
    stream = bytearray(streams[stage])
    if kind == "flip" and stream:
        bit = data.draw(st.integers(0, 8 * len(stream) - 1))
        stream[bit // 8] ^= 1 << bit % 8
    elif kind == "cut":
        del stream[data.draw(st.integers(0, len(stream))) :]
    else:
        stream = bytearray(data.draw(st.binary(max_size=60)))
    streams[stage] = bytes(stream)
    try:
        codes = model.read_codes(streams, (45, 61))
    except CorruptError:
        return
    for entries, indices in zip(model.spec.entries, codes.indices, strict=True):
        assert int(indices.max()) < entries


def test_cut_and_overlong_streams_are_refused(model: BaseModel) -> None:
    """A missing last word, added words and a stream longer than any could be raise CorruptError."""
    streams = model.stage_streams(model.encode_tile(_tile((64, 64)), 0.0, 1.0))
    last = streams[-1]
    with pytest.raises(CorruptError, match="does not end"):
        model.read_codes([*streams[:-1], last[:-5]], (64, 64))
    with pytest.raises(CorruptError, match="does not end"):
        model.read_codes([*streams[:-1], last + b"\1\2\3\4\5\6\7\x08"], (64, 64))
    with pytest.raises(CorruptError, match="at most"):
        model.read_codes([bytes(range(1, 200))], (32, 32))


def test_a_class_beyond_the_models_is_refused(model: BaseModel) -> None:
    """Stage 1 of the model has three classes: a stream that starts with the byte 3 raises CorruptError."""
    streams = model.stage_streams(model.encode_tile(_tile((64, 64)), 0.0, 1.0))
    with pytest.raises(CorruptError, match="class below 3, found 3"):
        model.read_codes([streams[0], b"\3" + streams[1][1:]], (64, 64))


def test_bad_calls_are_input_errors(model: BaseModel) -> None:
    """Empty tiles, useless scales and too many streams are refused by name."""
    with pytest.raises(InputError, match="2-D"):
        model.encode_tile(np.zeros((0, 4)), 0.0, 1.0)
    for scale in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(InputError, match="scale above 0"):
            model.encode_tile(np.zeros((4, 4)), 0.0, scale)
    with pytest.raises(InputError, match="at most 4 streams"):
        model.read_codes([b""] * 5, (4, 4))


def test_companding_is_linear_near_zero_and_inverts() -> None:
    """3 asinh(v / 3): 0.1 sigma stays 0.1, 3 sigma becomes 3 asinh(1) = 2.644; expansion undoes it to 1/64."""
    values = np.array([[0.0, 0.1, 3.0, -3.0, 1e5, np.inf, -np.inf, np.nan]])
    companded = compand(values, 0.0, 1.0)
    assert companded[0, 0] == 0.0
    assert companded[0, 1] == pytest.approx(0.1, rel=1e-3)
    assert companded[0, 2] == pytest.approx(2.6441207, rel=1e-6)
    assert companded[0, 3] == -companded[0, 2]
    assert companded[0, 5:].tolist() == [0.0, 0.0, 0.0]
    back = expand(np.rint(companded[:, :5] * 64).astype(np.int64), expansion_table(), 0.0, 1.0)
    assert np.allclose(np.arcsinh(back / 3), np.arcsinh(values[:, :5] / 3), atol=1 / 384 + 1e-12)


def test_known_answer_notices_other_arithmetic(model: BaseModel) -> None:
    """The stored answer passes; any other raises ModelMismatchError."""
    check_known_answer(model, known_answer(model))
    with pytest.raises(ModelMismatchError, match="known-answer"):
        check_known_answer(model, "f" * 64)

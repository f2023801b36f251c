"""Models of kind vqvae (docs/format.md, 9.11): what is coded comes back, in both readers, on every processor."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from reference_lapped import lapped_units

from radcodec.base.companding import OUTPUT_UNIT, compand
from radcodec.base.lapped import transform
from radcodec.base.lapped.codes import empty_codes
from radcodec.base.lapped.model import LappedModel
from radcodec.base.store import load_model
from radcodec.base.trellis import weights
from radcodec.base.trellis.codes import TRELLIS_BIT, TrellisCodes
from radcodec.base.trellis.load import load_bytes, trellis_answer
from radcodec.base.trellis.model import TrellisModel
from radcodec.base.trellis.spec import WEIGHT_SHAPES, WIDE_TABLES, WideArrays, WideLayer
from radcodec.errors import CorruptError, ModelMismatchError, RadcodecError
from radcodec.runtime import native
from radcodec.simulate import simulate_image


@pytest.fixture(scope="module")
def model() -> TrellisModel:
    """Return a model of random weights, tables and codebooks: nothing may depend on what was learned."""
    rng = np.random.default_rng(3)
    layers = {
        name: WideLayer(
            weight=rng.integers(-60, 61, shape).astype(np.int8),
            bias=rng.integers(-3000, 3001, shape[:2]).astype(np.int32),
            shifts=(6, 7, 5),
        )
        for name, shape in WEIGHT_SHAPES.items()
    }
    tables = {}
    for name, shape in WIDE_TABLES.items():
        table = 2 + (rng.dirichlet(np.full(shape[-1], 2.0), shape[:-1]) * 2**23).astype(np.int64)
        table[..., 0] += (1 << 24) - table.sum(axis=-1)
        tables[name] = table.astype(np.uint32)
    points = rng.integers(-30, 31, (2, 6, 3)).astype(np.int16)
    lapped = load_model("lapped-v2")
    assert isinstance(lapped, LappedModel)
    return TrellisModel(lapped.spec, lapped.arrays, WideArrays(layers=layers, tables=tables, points=points), "")


def trellis_codes(model: TrellisModel, image: npt.NDArray[np.float64], step: float, code: int) -> TrellisCodes:
    head = replace(empty_codes(image.shape, step), code=code)
    g = transform.geometry_of(image.shape, code)
    return model.assign(head, transform.analyse(image, g, step) / head.step, 0.05)


SHAPES = [((1, 1), 0), ((5, 3), 2), ((40, 33), 0), ((31, 50), 1), ((48, 70), 6)]


@pytest.mark.parametrize(("shape", "code"), SHAPES)
@pytest.mark.parametrize("step", [0.02, 0.7, 5.0, 120.0])
def test_streams_give_back_the_codes_and_each_stage_its_pixels(
    model: TrellisModel, shape: tuple[int, int], code: int, step: float
) -> None:
    """Reading all streams gives the indices and what they stand for; fewer give the pixels promised for them."""
    image = 3.0 * np.random.default_rng(5).normal(size=shape)
    codes = trellis_codes(model, image, step, code)
    streams = model.stage_streams(codes)
    assert len(streams) == model.n_stages
    assert streams[0][0] == code | TRELLIS_BIT
    again, left_out = model.read_codes(streams, shape)
    assert isinstance(again, TrellisCodes)
    assert left_out == 0
    np.testing.assert_array_equal(again.coefficients, codes.coefficients)
    np.testing.assert_array_equal(again.values, codes.values)
    assert model.digest(again) == model.digest(codes) == model.read_digest(streams, shape)
    for n in range(1, model.n_stages + 1):
        expected = model.restore_codes(codes, 0.5, 2.0, n)
        np.testing.assert_array_equal(model.decode_tile(streams, shape, 0.5, 2.0, n), expected)


@pytest.mark.parametrize(
    ("shape", "code", "n"), [((21, 14), 0, 6), ((9, 37), 1, 6), ((18, 22), 6, 6), ((21, 14), 0, 2)]
)
def test_reader_written_from_the_format_page_agrees(
    model: TrellisModel, shape: tuple[int, int], code: int, n: int
) -> None:
    """Planes, contexts, states, codebooks and cut stages are what docs/format.md says."""
    image = 4.0 * np.random.default_rng(8).normal(size=shape)
    codes = trellis_codes(model, image, 0.6, code)
    assert len(np.unique(codes.coefficients)) > 8
    streams = model.stage_streams(codes)[:n]
    _, arrays, wide, _ = weights.unpack_model(weights.pack_model(model.spec, model.arrays, model.wide, ""), "here")
    tensors = {"log_table": arrays.log_table, **arrays.tables, **wide.tables, "points": wide.points}
    layers: dict[str, dict[str, object]] = {}
    for name, layer in wide.layers.items():
        tensors |= {f"{name}.weight": layer.weight, f"{name}.bias": layer.bias}
        layers[name] = {"shifts": list(layer.shifts)}
    again, left_out = model.read_codes(streams, shape)
    expected = lapped_units(tensors, layers, model.n_stages, streams, *shape)
    np.testing.assert_array_equal(model.companded(again, left_out), expected)


@pytest.mark.parametrize("variant", native.VARIANTS)
def test_all_variants_of_the_core_give_the_same_streams_and_pixels(
    model: TrellisModel, variant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSE, AVX2 and AVX-512 kernels find the same path and write the same bytes."""
    image = 2.0 * np.random.default_rng(1).normal(size=(65, 90))
    expected = model.stage_streams(trellis_codes(model, image, 0.8, 1))
    try:
        core = native.load(variant)
    except ImportError:
        pytest.skip(f"this processor or build has no {variant}")
    for module in ("radcodec.base.trellis.planes", "radcodec.base.lapped.walk"):
        monkeypatch.setattr(f"{module}.core", lambda: core)
    codes = trellis_codes(model, image, 0.8, 1)
    assert model.stage_streams(codes) == expected
    again, _ = model.read_codes(expected, image.shape)
    np.testing.assert_array_equal(again.coefficients, codes.coefficients)


def test_damaged_streams_never_give_another_length_or_a_crash(model: TrellisModel) -> None:
    """A flipped bit either raises an error of radcodec or gives pixels of the right shape."""
    image = 3.0 * np.random.default_rng(2).normal(size=(30, 30))
    streams = model.stage_streams(trellis_codes(model, image, 0.7, 0))
    rng = np.random.default_rng(4)
    refused = 0
    for _ in range(200):
        stage = int(rng.integers(len(streams)))
        if not streams[stage]:
            continue
        bad = bytearray(streams[stage])
        bad[int(rng.integers(len(bad)))] ^= 1 << int(rng.integers(8))
        try:
            found = model.decode_tile([*streams[:stage], bytes(bad), *streams[stage + 1 :]], (30, 30), 0.0, 1.0)
            assert found.shape == (30, 30)
            assert np.isfinite(found).all()
        except RadcodecError:
            refused += 1
    assert refused > 20
    with pytest.raises(CorruptError, match="does not end where"):
        model.decode_tile([streams[0] + b"\x01\x02\x03\x04", *streams[1:]], (30, 30), 0.0, 1.0)
    with pytest.raises(CorruptError, match="out of range"):
        model.decode_tile([bytes([7 | TRELLIS_BIT]) + streams[0][1:], *streams[1:]], (30, 30), 0.0, 1.0)


def test_tile_is_coded_with_a_trellis_only_where_that_costs_less(model: TrellisModel) -> None:
    """With a prior that learned nothing the trellis loses, and the tile is one of a lapped model, byte for byte."""
    image = simulate_image((96, 96), seed=4, noise_rms=1.0).astype(np.float64)
    codes = model.encode_tile(image, 0.0, 1.0, step=1.0)
    assert not isinstance(codes, TrellisCodes)
    plain = model.scalar.encode_tile(image, 0.0, 1.0, step=1.0, like=codes.without_content())
    assert model.stage_streams(codes) == model.scalar.stage_streams(plain)
    streams = model.stage_streams(codes)
    np.testing.assert_array_equal(
        model.decode_tile(streams, image.shape, 0.0, 1.0), model.scalar.decode_tile(streams, image.shape, 0.0, 1.0)
    )


def test_known_answer_is_checked_and_damaged_arrays_are_refused(model: TrellisModel) -> None:
    """A model loads with its own answer alone; a table that does not sum to 2^24 is named."""
    data = weights.pack_model(model.spec, model.arrays, model.wide, trellis_answer(model))
    loaded = load_bytes(data, "here")
    assert loaded.sha256 == hashlib.sha256(data).hexdigest()
    with pytest.raises(ModelMismatchError, match="known-answer check"):
        load_bytes(weights.pack_model(model.spec, model.arrays, model.wide, "0" * 64), "here")
    tables = {**model.wide.tables, "wide_zz": model.wide.tables["wide_zz"] + 1}
    wide = WideArrays(layers=model.wide.layers, tables=tables, points=model.wide.points)
    with pytest.raises(ModelMismatchError, match=r"wide_zz: counts of at least 2 summing to 2\^24"):
        load_bytes(weights.pack_model(model.spec, model.arrays, wide, ""), "here")


def test_path_is_nearer_than_every_neighbour_of_it(model: TrellisModel) -> None:
    """With bits for nothing, no change of one index, or of two by one each, gives a smaller error.

    Values follow from the format's table of states, with the points of the bucket taken as they are.
    """
    table = ((0, 1), (3, 2), (5, 4), (6, 7), (1, 0), (2, 3), (4, 5), (7, 6))
    flat = WideArrays(layers=model.wide.layers, tables=model.wide.tables, points=np.zeros((2, 6, 3), np.int16))
    plain = TrellisModel(model.spec, model.arrays, flat, "")
    image = 2.5 * np.random.default_rng(6).normal(size=(4, 4))
    head = replace(empty_codes(image.shape, 1.0), code=0)
    g = transform.geometry_of(image.shape, 0)
    target = np.abs(transform.analyse(image, g, 1.0) / head.step)[0, 0]
    codes = plain.assign(head, target[None, None], 0.0)
    pairs = [(k, j) for k in range(4) for j in range(2)]
    phase = {(k, j): 2 if k % 2 != j % 2 else k % 2 for k, j in pairs}
    order = [(k, 2 * j + i) for number in range(3) for k, j in pairs if phase[k, j] == number for i in range(2)]
    aims = [float(target[place]) for place in order]

    def error(indices: list[int]) -> float:
        state, total = 0, 0.0
        for aim, q in zip(aims, indices, strict=True):
            total += (aim - (q - 0.5 * (state % 2) if q else 0.0)) ** 2
            state = table[state][q % 2]
        return total

    taken = [abs(int(codes.coefficients[0, 0][place])) for place in order]
    ours = error(taken)
    assert ours == pytest.approx(float(np.square(target - codes.values[0, 0] / 64).sum()), rel=1e-6)
    for first in range(16):
        for second in range(first, 16):
            for moves in ((-1, -1), (-1, 1), (1, -1), (1, 1), (1, 0), (-1, 0)):
                other = list(taken)
                other[first] += moves[0]
                other[second] += moves[1]
                if min(other) >= 0 and max(other) <= max(taken):
                    assert error(other) >= ours - 1e-5


def test_trained_model_saves_bits_at_equal_error() -> None:
    """On a map that no training saw, the shipped model needs fewer bits than lapped-v2 at the same error."""
    ours, plain = load_model("vqvae-v1"), load_model("lapped-v2")
    assert isinstance(ours, TrellisModel)
    assert isinstance(plain, LappedModel)
    image = simulate_image((256, 256), seed=77, noise_rms=1.0, beam_fwhm_px=(3.0, 2.5)).astype(np.float64)
    companded = compand(image, 0.0, 1.0)

    def point(model: LappedModel, step: float) -> tuple[float, float]:
        codes = model.encode_tile(image, 0.0, 1.0, step=step)
        error = model.companded(codes) / OUTPUT_UNIT - companded
        return float(np.sqrt(np.mean(error**2))), 8.0 * sum(map(len, model.stage_streams(codes))) / image.size

    steps = np.geomspace(0.5, 4.0, 7)
    theirs = np.log([point(plain, step) for step in steps])
    for step in (0.8, 1.5, 2.5):
        error, bits = np.log(point(ours, step))
        assert bits < np.interp(error, theirs[:, 0], theirs[:, 1])

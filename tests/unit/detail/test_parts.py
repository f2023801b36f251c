"""The small parts of the detail layer: numbers, bit strings, coefficients, tables, dither and solver."""

from __future__ import annotations

import numpy as np
import pytest
import reference_decoder as ref
from hypothesis import given
from hypothesis import strategies as st

from radcodec.detail.bits import BitWriter
from radcodec.detail.borders import tap_offsets
from radcodec.detail.fit import solve_ridge
from radcodec.detail.kernels import float_quantum
from radcodec.detail.maps import dither_values
from radcodec.detail.predictors import Predictors, coding_order, pack_predictors, unpack_predictors
from radcodec.detail.rice import rice_read
from radcodec.detail.rounding import Predictor
from radcodec.detail.tables import TOTAL, default_tables, pack_tables, unpack_tables
from radcodec.errors import ModelMismatchError, ModelNotFoundError


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 2**40 - 1))))
def test_bits_follow_each_other(items: list[tuple[int, int]]) -> None:
    """Numbers of any width lie one behind the other, the least significant bit first."""
    writer, total, at = BitWriter(), 0, 0
    for n, value in items:
        writer.put(value & ((1 << n) - 1), n)
        total |= (value & ((1 << n) - 1)) << at
        at += n
    assert writer.finish() == total.to_bytes(-(-at // 8), "little")


@given(st.integers(1, 6), st.data())
def test_coefficients_round_trip(radius: int, data: st.DataObject) -> None:
    """Coefficients of any size come back, with radius, shift and fill."""
    n = 2 * radius * (radius + 1)
    size = st.one_of(st.integers(-300, 300), st.integers(-(2**46) + 1, 2**46 - 1))
    integers = np.array(data.draw(st.lists(size, min_size=n, max_size=n)), np.int64)
    predictor = Predictor(radius=radius, shift=17, integers=integers)
    block = pack_predictors(Predictors(tables=default_tables(), fill=-2.5, predictors=(predictor, predictor)))
    found = unpack_predictors(block)
    assert found.fill == -2.5
    assert [p.radius for p in found.predictors] == [radius, radius]
    assert (found.predictors[1].integers == integers).all()


@given(st.integers(1, 3), st.binary(max_size=40))
def test_coefficients_as_the_reference_reads_them(radius: int, body: bytes) -> None:
    """Any bytes are the same coefficients to both decoders, or none to both."""
    try:
        expected: list[int] | None = ref.rice_decode(body, ref.tap_order(radius))
    except ref.RejectError:
        expected = None
    order = coding_order(radius)
    found = rice_read(body, len(order))
    assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        assert found.tolist() == [expected[i] for i in order]


def test_unknown_tables_are_a_missing_model() -> None:
    """A block that names another table set raises ModelNotFoundError."""
    block = b"\x00" * 8 + np.float64(0).tobytes() + b"\x01"
    with pytest.raises(ModelNotFoundError, match="table set 0000000000000000"):
        unpack_predictors(block)


def test_taps_by_hand() -> None:
    """Radius 1 has the three pixels above and the one to the left; the nearest are coded first."""
    assert tap_offsets(1) == [(1, -1), (1, 0), (1, 1), (0, -1)]
    assert coding_order(1) == [1, 3, 0, 2]


def test_solver_against_numpy() -> None:
    """The Cholesky solution is NumPy's to rounding."""
    rng = np.random.default_rng(3)
    a = rng.normal(size=(40, 20))
    gram, right = a.T @ a, rng.normal(size=20)
    assert np.allclose(solve_ridge(gram, right, 0.0), np.linalg.solve(gram, right), rtol=1e-9)


def test_solver_drops_lost_unknowns() -> None:
    """Two equal columns do not break the solution: one of them is dropped."""
    gram = np.array([[2.0, 2.0], [2.0, 2.0]])
    assert np.allclose(solve_ridge(gram, np.array([2.0, 2.0]), 0.0), [1.0, 0.0])


def test_quantum_by_hand() -> None:
    """0.75 = 3 * 2**-2 and 5 share the quantum 2**-2 and need 2 fraction bits; zeros have none."""
    assert float_quantum(np.array([0.75, 5.0, 0.0])) == (-2, 2)
    assert float_quantum(np.array([8.0, 24.0])) == (3, 1)
    assert float_quantum(np.zeros(3)) == (0, 0)


def test_dither_against_published_splitmix64() -> None:
    """The stream is splitmix64: with seed 0 its first outputs are E220A8397B1DCDAF and 6E789E6AA1B965F4."""
    first = (0xE220A8397B1DCDAF >> 11) * 2.0**-53 - 0.5
    assert dither_values(0, 0, (1, 1, 1))[0, 0, 0] == first
    second = (0x6E789E6AA1B965F4 >> 11) * 2.0**-53 - 0.5
    assert dither_values(0x9E3779B97F4A7C15, 0, (1, 1, 1))[0, 0, 0] == second
    assert dither_values((1 << 64) - 1, 1, (2, 3, 4)).shape == (2, 3, 4)


def test_shipped_tables_are_sound() -> None:
    """Every row sums to 2**24 and the start of each 64th of the range is the symbol that holds it."""
    tables = default_tables()
    assert (tables.cumulative[:, :, -1] == TOTAL).all()
    assert (np.diff(tables.cumulative.astype(np.int64), axis=2) >= 1).all()
    row, starts = tables.cumulative[0, 300], tables.starts[0, 300]
    expected = [int(np.searchsorted(row, q << 18, side="right")) - 1 for q in range(64)]
    assert starts.tolist() == expected


def test_bad_tables_are_refused() -> None:
    """Garbage and rows with a wrong sum raise ModelMismatchError."""
    with pytest.raises(ModelMismatchError, match="zstd frame"):
        unpack_tables(b"not tables")
    counts = np.full((1, 88, 9, 128), TOTAL // 128, np.uint32)
    counts[0, 0, 0, 0] += 1
    with pytest.raises(ModelMismatchError, match="summing"):
        unpack_tables(pack_tables(counts))
    with pytest.raises(ModelMismatchError, match=r"\[n, 88, 9, 128\], found \(1, 72, 8, 128\)"):
        unpack_tables(pack_tables(counts[:, :72, :8]))

"""Pickled batches are read as data: what Python 2 and 3 and NumPy 1 and 2 wrote, and nothing that acts."""

from __future__ import annotations

import io
import pickle
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radcodec.errors import InputError, UnsupportedDataError
from radcodec.training.datasets import pickles
from radcodec.training.datasets.pickles import read_pickle


def _read(tmp_path: Path, content: bytes) -> object:
    path = tmp_path / "batch"
    path.write_bytes(content)
    return read_pickle(path)


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False), st.text(max_size=5),
    st.binary(max_size=5),
)  # fmt: skip


@given(st.dictionaries(st.text(max_size=5), st.one_of(SCALARS, st.lists(SCALARS, max_size=4)), max_size=5))
@settings(deadline=None)
def test_plain_data_comes_back_in_every_protocol(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    """Dictionaries of numbers, text, bytes and lists are what was pickled, in protocols 2 to 5."""
    folder = tmp_path_factory.mktemp("plain")
    for protocol in range(2, 6):
        assert _read(folder, pickle.dumps(value, protocol=protocol)) == value


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("core", ["numpy._core", "numpy.core"])
def test_arrays_and_scalars_of_numpy_1_and_2_come_back(tmp_path: Path, protocol: int, core: str) -> None:
    """Arrays of numbers and text, in both orders of bytes and axes, and scalars, by either name of NumPy's module."""
    arrays = [
        np.arange(6, dtype=np.uint8).reshape(2, 3), np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array([1, -2], dtype=">i4"), np.array(["a", "bcd"]), np.array([b"xy"]), np.array([True, False]),
        np.zeros((0, 4), np.float32),
    ]  # fmt: skip
    value = {"arrays": arrays, "scalars": [np.int64(-5), np.float32(0.5), np.str_("name"), np.bool_(True)]}
    content = pickle.dumps(value, protocol=protocol)
    if core == "numpy.core":
        # The name as NumPy 1 writes it; two bytes shorter where the protocol counts them.
        content = content.replace(b"cnumpy._core.", b"cnumpy.core.")
        for module in (b"multiarray", b"numeric"):
            old, new = b"numpy._core." + module, b"numpy.core." + module
            content = content.replace(bytes([0x8C, len(old)]) + old, bytes([0x8C, len(new)]) + new)
        if protocol >= 4:
            content = _without_frames(content)
    found = _read(tmp_path, content)
    assert found["scalars"] == [-5, 0.5, "name", True]
    for array, expected in zip(found["arrays"], arrays, strict=True):
        assert array.dtype == expected.dtype
        assert np.array_equal(array, expected)


def _without_frames(content: bytes) -> bytes:
    """Leave out the frames of protocol 4, whose lengths are no longer right."""
    kept, rest = content[:2], content[2:]
    while rest.startswith(b"\x95"):
        rest = rest[9:]
    return kept + rest


def test_text_of_python_2_becomes_str(tmp_path: Path) -> None:
    """A dictionary that Python 2 wrote has str keys and values, Latin-1."""
    assert _read(tmp_path, b"\x80\x02}U\x04nameU\x04caf\xe9s.") == {"name": "café"}


ARRAY = b"cnumpy\nndarray\n"
RECONSTRUCT = b"cnumpy._core.multiarray\n_reconstruct\n"
SCALAR = b"cnumpy._core.multiarray\nscalar\n"
DTYPE = b"cnumpy\ndtype\n"
U1 = DTYPE + b"(S'u1'\nI00\nI01\ntR"
V_HUGE = DTYPE + b"(S'V1000000000'\nI00\nI01\ntR"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"cos\nsystem\n(S'true'\ntR.", "needs os.system"),
        (b"cbuiltins\neval\n(S'1'\ntR.", "needs builtins.eval"),
        (b"c__builtin__\neval\n(S'1'\ntR.", "needs .*eval"),
        (b"cnumpy\nload\n(S'x'\ntR.", "needs numpy.load"),
        (b"ccodecs\nencode\n(S'x'\nS'rot13'\ntR.", "needs codecs.encode"),
        (b"c_codecs\nencode\n(S'x'\nS'rot13'\ntR.", "expected bytes written as latin1, found 'rot13'"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "needs os.system"),
        (b"\x80\x04\x8c\x06numpy.\x8c\x0cndarray.dump\x93.", "needs"),
        (V_HUGE + b".", "expected arrays of numbers or text, found the dtype 'V1000000000'"),
        (DTYPE + b"(S'O'\nI00\nI01\ntR.", "found the dtype 'O'"),
        (U1 + b"(I3\nS'|'\nNS'a'\nNI-1\nI-1\nI0\ntb.", "found a structured dtype"),
        (SCALAR + b"(S'u1'\nS'x'\ntR.", "expected a number or text, found another NumPy scalar"),
        (SCALAR + b"(" + DTYPE + b"(S'S9999'\nI00\nI01\ntR" + b"S'x'\ntR.", "found another NumPy scalar"),
        (RECONSTRUCT + b"(" + ARRAY + b"(I0\ntS'b'\ntR(I1\n(I1\nt" + U1 + b"I00\n(lNatb.", "found one of objects"),
        (b"c_codecs\nencode\n(dS'__name__'\nS'x'\nsb.", "a pickle that changes a function"),
        (b"\x80\x02\x8f.", "expected plain data, found a set"),
        (ARRAY + b".", "expected plain data, found a type"),
        (RECONSTRUCT + b"(" + ARRAY + b"(I0\ntS'b'\ntR.", "expected plain data, found a Array"),
        (pickle.dumps([[[[[1]]]]]), "expected at most 4 levels"),
        (b"]h\x00a.".replace(b"]", b"]q\x00"), "expected at most 4 levels"),
        (b"\x80\x02c__builtin__\nbytes\nJ\x00\x00\x00\x7f\x85R.", "takes 0 positional arguments"),
    ],
)
def test_anything_but_plain_data_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """A pickle that names a function, an object or a strange array is an error that says so."""
    with pytest.raises((UnsupportedDataError, InputError), match=message):
        _read(tmp_path, content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a pickle",
        pickle.dumps({"a": [1, 2, 3]})[:-3],
        b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"x.",
        b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"x.",
        b"\x80\x04\x8d" + struct.pack("<Q", 1 << 40) + b"x.",
        b"K\x01r\xff\xff\xff\xff.",
        b"I1\np4000000000\n.",
        RECONSTRUCT + b"(" + ARRAY + b"(I0\ntS'b'\ntR(I1\n(I1000000000\nt" + U1 + b"I00\nS'x'\ntb.",
        RECONSTRUCT + b"(" + ARRAY + b"(I0\ntS'b'\ntR(I1\n(I1\nt" + U1 + b"I00\nS'xy'\ntb.",
        b"cnumpy\ndtype\n(dS'x'\nI1\nsb.",
        b"cnumpy\ndtype\n)\x81.",
    ],
)
def test_broken_pickles_are_input_errors_and_allocate_nothing(tmp_path: Path, content: bytes) -> None:
    """Cut, nonsensical and overlong declarations are reported, at once and without the memory that they ask for."""
    import tracemalloc

    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"batch: expected"):
            _read(tmp_path, content)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_numpy_makes_no_array_of_a_declared_shape(tmp_path: Path) -> None:
    """A million-million-element array that the pickle asks NumPy to make never comes into being."""
    content = RECONSTRUCT + b"(" + ARRAY + b"(I1000000000000\ntS'b'\ntR."
    with pytest.raises(UnsupportedDataError, match="expected plain data"):
        _read(tmp_path, content)


def test_a_list_named_a_million_times_is_refused_quickly(tmp_path: Path) -> None:
    """Three levels of lists that each name the one below 1000 times hold 10^9 entries; counting stops long before."""
    stream = io.BytesIO()
    inner: list[object] = [0]
    for _ in range(3):
        inner = [inner] * 1000
    pickle.Pickler(stream, protocol=4).dump(inner)
    start = time.process_time()
    with pytest.raises(UnsupportedDataError, match="at most 4 levels and 1048576 entries"):
        _read(tmp_path, stream.getvalue())
    assert time.process_time() - start < 20


def test_missing_and_oversized_files_are_input_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the file; a file over the cap is not read."""
    with pytest.raises(InputError, match="nothing: expected a pickled batch, found no file"):
        read_pickle(tmp_path / "nothing")
    monkeypatch.setattr(pickles, "MAX_BATCH_BYTES", 10)
    with pytest.raises(InputError, match="expected a batch of at most 10 bytes, found 11"):
        _read(tmp_path, b"K" * 11)

"""Source atoms (docs/format.md, 9.12): lists of them come back, in both readers, and damaged ones are refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import reference_atoms
import reference_decoder
from reference_atoms import canonical, read_atoms
from reference_lapped import lapped_units

import radcodec
from radcodec.base.companding import OUTPUT_UNIT, compand
from radcodec.base.lapped import search, transform
from radcodec.base.lapped.codes import empty_codes, unshelve
from radcodec.base.store import load_model
from radcodec.base.trellis import weights
from radcodec.base.trellis.atoms import AtomArrays, AtomBook, check_atoms, most_atoms, ordered
from radcodec.base.trellis.codes import ATOM_BIT, TRELLIS_BIT, TrellisCodes
from radcodec.base.trellis.load import load_bytes, trellis_answer
from radcodec.base.trellis.model import TrellisModel
from radcodec.errors import CorruptError, ModelMismatchError, RadcodecError
from radcodec.simulate import simulate_image

ENTRIES, LEVELS = 5, 4
LENGTHS = np.array([1, 3, 3, 3, 3], np.uint8)
SHAPE = (40, 52)


def made_arrays() -> AtomArrays:
    """Return a codebook of random patches; one level is negative, as the format allows."""
    rng = np.random.default_rng(12)
    return AtomArrays(
        patches=rng.integers(-127, 128, (ENTRIES, 17, 17)).astype(np.int8),
        levels=np.array([48, 160, -300, 1 << 20], np.int32),
        atom_lengths=LENGTHS,
        level_lengths=np.array([2, 2, 2, 2], np.uint8),
    )


@pytest.fixture(scope="module")
def model() -> TrellisModel:
    """Return the model vqvae-v1 with a random codebook of atoms."""
    plain = load_model("vqvae-v1")
    assert isinstance(plain, TrellisModel)
    return TrellisModel(plain.spec, plain.arrays, replace(plain.wide, atoms=made_arrays()), "")


@pytest.fixture(scope="module")
def shipped() -> TrellisModel:
    found = load_model("vqvae-v3")
    assert isinstance(found, TrellisModel)
    return found


def drawn_list(shape: tuple[int, int], n: int, seed: int = 3) -> npt.NDArray[np.int32]:
    """Return n random atoms of a tile, edges and equal places among them."""
    rng = np.random.default_rng(seed)
    rows = [(int(rng.integers(shape[0])), int(rng.integers(shape[1]))) for _ in range(n)]
    rows[: n // 2] = [(0, 0)] * (n // 2) if n > 2 else rows[: n // 2]
    return ordered([(y, x, int(rng.integers(ENTRIES)), int(rng.integers(LEVELS))) for y, x in rows])


def coded_with(model: TrellisModel, shape: tuple[int, int], n: int) -> TrellisCodes:
    image = 2.0 * np.random.default_rng(5).normal(size=shape)
    codes = model._choose(model._head(shape, 0.9, 0), image)[0]
    assert isinstance(codes, TrellisCodes)
    return replace(codes, atoms=drawn_list(shape, n))


def fields(seed: int, side: int = 128) -> npt.NDArray[np.float64]:
    """Return noise of a round beam of 3.6 pixels and points of 30 to 300 noises, between pixels, in noises."""
    rng = np.random.default_rng(seed)
    image = simulate_image((side, side), seed=seed, noise_rms=1.0, n_sources=0, beam_fwhm_px=(3.6, 3.6))
    y, x = np.indices(image.shape)
    out = image.astype(np.float64)
    for _ in range(side**2 // 2000):
        at_y, at_x = rng.uniform(0, side, 2)
        out += 30.0 * 10.0 ** rng.uniform() * 2.0 ** (-4.0 * ((y - at_y) ** 2 + (x - at_x) ** 2) / 3.6**2)
    return out


@pytest.mark.parametrize(("shape", "n"), [((1, 1), 1), (SHAPE, 1), (SHAPE, 3), ((64, 64), 5), ((200, 7), 2)])
def test_lists_come_back_in_both_readers(model: TrellisModel, shape: tuple[int, int], n: int) -> None:
    """Places, entries and levels of any list of atoms are read as written, and whatever follows stays unread."""
    book = model.book
    assert book is not None
    assert model.wide.atoms is not None
    atoms = drawn_list(shape, n)
    packed = book.pack(atoms, shape[1])
    again, used = book.unpack(packed + b"\xff\xff", shape)
    np.testing.assert_array_equal(again, atoms)
    assert used == len(packed)
    theirs, their_used = read_atoms(model.wide.atoms.tensors(), packed + b"\xff\xff", *shape)
    assert (theirs, their_used) == ([tuple(row) for row in atoms.tolist()], len(packed))


def test_bytes_of_one_atom_are_those_worked_out_by_hand() -> None:
    """One atom at row 0, column 1, entry 0 (code 0), level 2 (code 10): count 1, then 00000 10 0 10 and zeros.

    With the Rice parameter 0 the gap 1 is a one and a zero.
    """
    book = AtomBook(made_arrays(), np.zeros(3072))
    assert book.pack(ordered([(0, 1, 0, 2)]), 52) == bytes([1, 0b00000100, 0b10000000])
    assert canonical([1, 3, 3, 3, 3]) == {"0": 0, "100": 1, "101": 2, "110": 3, "111": 4}


def test_an_atom_adds_its_patch_as_companding_shows_it(shipped: TrellisModel) -> None:
    """A full sample at a level of 10 noises gives 3 asinh(10/3) companded units, in 64ths, rounded down."""
    patch = np.zeros((2, 17, 17), np.int8)
    patch[0, 8, 8], patch[0, 8, 9] = 127, -127
    lengths = np.array([1, 1], np.uint8)
    arrays = AtomArrays(
        patches=patch, levels=np.array([160, 16], np.int32), atom_lengths=lengths, level_lengths=lengths
    )
    units = AtomBook(arrays, shipped.arrays.sinh).units(ordered([(4, 6, 0, 0)]), (9, 12))
    expected = math.floor(64 * 3 * math.asinh(10 / 3))
    assert units[4, 6] == expected
    assert units[4, 7] == -expected
    assert np.count_nonzero(units) == 2


@pytest.mark.parametrize("n_stages", [6, 2, 1])
def test_reader_written_from_the_format_page_agrees(model: TrellisModel, n_stages: int) -> None:
    """Atoms add to the pixels of every cut of the stages, as docs/format.md says."""
    codes = coded_with(model, (33, 36), 2)
    streams = model.stage_streams(codes)[:n_stages]
    assert streams[0][0] & (ATOM_BIT | TRELLIS_BIT) == ATOM_BIT | TRELLIS_BIT
    _, arrays, wide, _ = weights.unpack_model(weights.pack_model(model.spec, model.arrays, model.wide, ""), "here")
    assert wide.atoms is not None
    tensors = {"log_table": arrays.log_table, "sinh": arrays.sinh, **arrays.tables, **wide.tables}
    tensors |= {"points": wide.points, **wide.atoms.tensors()}
    layers = {name: {"shifts": list(layer.shifts)} for name, layer in wide.layers.items()}
    for name, layer in wide.layers.items():
        tensors |= {f"{name}.weight": layer.weight, f"{name}.bias": layer.bias}
    again, left_out = model.read_codes(streams, codes.shape)
    expected = lapped_units(tensors, layers, model.n_stages, streams, *codes.shape)
    np.testing.assert_array_equal(model.companded(again, left_out), expected)
    without = model.companded(replace(again, atoms=again.atoms[:0]), left_out)
    assert np.any(without != expected)


def test_codes_with_atoms_keep_them_on_the_shelf_and_in_the_digest(model: TrellisModel) -> None:
    """Packed and unpacked codes give the same streams; other atoms give another digest."""
    codes = coded_with(model, SHAPE, 3)
    shelved = model.shelve(codes, lambda data: data)
    assert model.stage_streams(unshelve(shelved)) == model.stage_streams(shelved) == model.stage_streams(codes)
    assert model.read_digest(model.stage_streams(codes), SHAPE) == model.digest(codes)
    assert model.digest(replace(codes, atoms=codes.atoms[:2])) != model.digest(codes)
    assert len(model.choices(codes).atoms) == 0  # type: ignore[attr-defined]


def test_damaged_lists_are_refused_with_what_was_expected(model: TrellisModel) -> None:
    """No atoms, too many, one outside the tile, bits after the last one, and missing bytes are corrupt."""
    book = model.book
    assert book is not None
    packed = bytearray(book.pack(ordered([(0, 1, 0, 2)]), SHAPE[1]))
    for count in (0, most_atoms(SHAPE) + 1):
        with pytest.raises(CorruptError, match=f"expected 1 to 3 atoms in a tile of 40 x 52, found {count}"):
            book.unpack(bytes([count]) + packed[1:], SHAPE)
    with pytest.raises(CorruptError, match="expected zeros after the last atom"):
        book.unpack(bytes(packed[:-1]) + b"\x81", SHAPE)
    with pytest.raises(CorruptError, match="expected more than 1 bytes of atoms"):
        book.unpack(bytes(packed[:-1]), SHAPE)
    with pytest.raises(CorruptError, match="expected atoms within a tile of 40 x 52, found one at pixel 2080"):
        book.unpack(book.pack(ordered([(40, 0, 0, 0)]), SHAPE[1]), SHAPE)
    with pytest.raises(CorruptError, match="found one at pixel"):
        book.unpack(b"\x01\xff\xff\xff\xff", SHAPE)
    with pytest.raises(CorruptError, match="ends within a number"):
        book.unpack(b"", SHAPE)


def test_bit_of_atoms_is_refused_without_a_codebook_or_a_trellis(model: TrellisModel) -> None:
    """A model without atoms reads no file with them, and a tile without a trellis has none."""
    plain = load_model("vqvae-v1")
    streams = model.stage_streams(coded_with(model, SHAPE, 1))
    with pytest.raises(CorruptError, match="block code 16"):
        plain.decode_tile(streams, SHAPE, 0.0, 1.0)
    with pytest.raises(CorruptError, match="block code 16"):
        model.decode_tile([bytes([ATOM_BIT]) + streams[0][1:], *streams[1:]], SHAPE, 0.0, 1.0)


def test_flipped_bits_give_an_error_or_pixels_of_the_right_shape(model: TrellisModel) -> None:
    """A damaged list of atoms gives an error or pixels within range, never a crash."""
    codes = coded_with(model, SHAPE, 3)
    streams = model.stage_streams(codes)
    rng, refused = np.random.default_rng(4), 0
    for bit in range(8 * 6, 8 * 24):
        bad = bytearray(streams[0])
        bad[bit >> 3] ^= 1 << (bit & 7)
        bad[int(rng.integers(6, len(bad)))] ^= int(rng.integers(2))
        try:
            found = model.decode_tile([bytes(bad), *streams[1:]], SHAPE, 0.0, 1.0)
            assert found.shape == SHAPE
            assert np.isfinite(found).all()
        except RadcodecError:
            refused += 1
    assert refused > 50


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"patches": np.zeros((ENTRIES, 11, 11), np.int8)}, "atoms of 17 by 17 samples"),
        ({"levels": np.array([1, 2, 3, 1 << 23], np.int32)}, "levels within"),
        ({"atom_lengths": np.array([1, 3, 3, 3, 2], np.uint8)}, "complete prefix codes"),
        ({"level_lengths": np.array([2, 2, 2, 0], np.uint8)}, "lengths of codes"),
    ],
)
def test_arrays_that_do_not_follow_the_format_are_named(
    change: dict[str, npt.NDArray[np.integer]], expected: str
) -> None:
    """A codebook of another shape or range, or codes that are not complete, make a model unusable."""
    with pytest.raises(ModelMismatchError, match=expected):
        check_atoms("some", replace(made_arrays(), **change))  # type: ignore[arg-type]


def test_the_known_answer_covers_the_atoms(model: TrellisModel) -> None:
    """The answer of a model changes with its patches; one without atoms keeps the answer that it had."""
    data = weights.pack_model(model.spec, model.arrays, model.wide, trellis_answer(model))
    assert load_bytes(data, "here").book is not None
    arrays = made_arrays()
    other = replace(model.wide, atoms=replace(arrays, patches=np.ascontiguousarray(arrays.patches[::-1])))
    with pytest.raises(ModelMismatchError, match="known-answer check"):
        load_bytes(weights.pack_model(model.spec, model.arrays, other, trellis_answer(model)), "here")


def emission(seed: int) -> npt.NDArray[np.float64]:
    """Return noise of a round beam, and a ring and a disc with knots of 5 to 40 noises, in noises."""
    rng = np.random.default_rng(seed)
    image = simulate_image((128, 128), seed=seed, noise_rms=1.0, n_sources=0, beam_fwhm_px=(3.6, 3.6))
    y, x = np.indices(image.shape)
    away = np.hypot(y - 60, x - 66)
    shape = np.exp(-0.5 * ((away - 26.0) / 3.0) ** 2) + (np.hypot(y - 100, x - 100) < 12)
    return np.asarray(image + shape * (5.0 + 35.0 * rng.random(image.shape) ** 3), np.float64)


@pytest.mark.parametrize("step", [0.3, 1.0, 2.5, 4.0, 6.0])
@pytest.mark.parametrize("make", [fields, emission])
@pytest.mark.parametrize("like", [None, 2, transform.WAVELET])
def test_atoms_do_not_cost_more_than_sources_may(
    shipped: TrellisModel, step: float, make: Callable[[int], npt.NDArray[np.float64]], like: int | None
) -> None:
    """By error and bits of the streams a tile costs at most 2 % of its bits more than without atoms, for its sources.

    Without care for sources it costs no more.
    """
    image = make(2)
    companded = compand(image, 0.0, 1.0)
    plain = TrellisModel(shipped.spec, shipped.arrays, replace(shipped.wide, atoms=None), "")
    given = None if like is None else plain._head((128, 128), step, like)
    for keep in (False, True):
        costs, sizes = [], []
        for model in (plain, shipped):
            codes = model.encode_tile(image, 0.0, 1.0, step=step, like=given, keep_flux=keep)
            sizes.append(8.0 * sum(map(len, model.stage_streams(codes))))
            errors = model.companded(codes) / OUTPUT_UNIT - companded
            costs.append(search.cost(errors, empty_codes(codes.shape, step).step, sizes[-1]))
        assert costs[1] <= 1.001 * costs[0] + (0.02 * search.CHOICE_RATE * sizes[0] if keep else 0.0)


def test_a_tile_without_bright_sources_has_the_bytes_that_it_had(shipped: TrellisModel) -> None:
    """Noise alone is coded as by the model without atoms, and so is every tile of the finest step."""
    plain = load_model("vqvae-v1")
    noise = np.random.default_rng(0).normal(size=(96, 90)).clip(-4, 4)
    cases: list[tuple[npt.NDArray[np.float64], float | None, bool]] = [
        (noise, 2.0, True), (noise, 2.0, False), (fields(1), None, False)
    ]  # fmt: skip
    for image, step, keep in cases:
        ours = shipped.encode_tile(image, 0.0, 1.0, step=step, keep_flux=keep)
        theirs = plain.encode_tile(image, 0.0, 1.0, step=step, keep_flux=keep)
        assert shipped.stage_streams(ours) == plain.stage_streams(theirs)


def test_atoms_save_bits_on_fields_of_points(shipped: TrellisModel) -> None:
    """On fields of bright points, error and bits together are at least 3 % under those without atoms."""
    plain, totals = load_model("vqvae-v1"), [0.0, 0.0]
    for seed in range(1, 5):
        image = fields(seed, 256)
        companded = compand(image, 0.0, 1.0)
        for number, model in enumerate((plain, shipped)):
            assert isinstance(model, TrellisModel)
            codes = model.encode_tile(image, 0.0, 1.0, step=3.0, keep_flux=True)
            bits = 8.0 * sum(map(len, model.stage_streams(codes)))
            totals[number] += search.cost(model.companded(codes) / OUTPUT_UNIT - companded, 3.0, bits)
    assert totals[1] < 0.97 * totals[0]


@pytest.mark.parametrize(
    "options", [{"lossy_bpp": 0.4}, {"lossy_bpp": 0.6, "tile": 64}, {"max_error": 1.5}, {"max_error": 2.0, "tile": 64}]
)
def test_whole_files_with_atoms_are_read_by_both_readers(
    options: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lossy file of the default model, or a bounded one on a base layer, decodes alike in both readers."""
    image = fields(2, 128).astype(np.float32)
    data = radcodec.encode(image, **options)  # type: ignore[arg-type]
    found: list[int] = []
    monkeypatch.setattr(reference_atoms, "read_atoms", watched(found))
    theirs = reference_decoder.decode_file(data)
    assert sum(found) > 0
    np.testing.assert_array_equal(theirs, radcodec.decode(data))
    if "max_error" in options:
        assert np.abs(theirs.astype(np.float64) - image).max() <= options["max_error"]


def test_atoms_save_bytes_of_coarsely_bounded_files() -> None:
    """At a bound of one sigma, fields of bright points take at least 1 % fewer bytes than without atoms."""
    totals = [0, 0]
    for seed in range(1, 4):
        image = fields(seed, 256).astype(np.float32)
        for number, model in enumerate(("vqvae-v1", "vqvae-v3")):
            totals[number] += len(radcodec.encode(image, max_error="1sigma", model=model))
    assert totals[1] < 0.99 * totals[0]


def watched(found: list[int]) -> Callable[..., tuple[list[tuple[int, ...]], int]]:
    """Return the reader of atoms, which also counts them."""

    def read(*arguments: Any) -> tuple[list[tuple[int, ...]], int]:
        atoms, n_bytes = read_atoms(*arguments)
        found.append(len(atoms))
        return atoms, n_bytes

    return read

"""What atoms save a tile, and changes of atoms that save more."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from radcodec.base.companding import KNEE
from radcodec.base.lapped.single import analyse, window_matrix
from radcodec.base.lapped.transform import WAVELET, geometry_of
from radcodec.base.store import load_model
from radcodec.base.trellis import TrellisModel, refinement
from radcodec.base.trellis.atom_search import AtomSearch
from radcodec.base.trellis.atoms import UNIT, AtomBook, Atoms, most_atoms, ordered
from radcodec.base.trellis.pursuit import Pursuit
from radcodec.base.trellis.refinement import Refinement

STEP = 1.5
F64 = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def book() -> AtomBook:
    """Give the codebook of the default model."""
    model = load_model("vqvae-v3")
    assert isinstance(model, TrellisModel)
    assert model.book is not None
    return model.book


def tile_of(book: AtomBook, atoms: Atoms, shape: tuple[int, int], noise: float = 0.4) -> F64:
    """Return companded noise of few frequencies, and atoms drawn over it."""
    y, x = np.indices(shape)
    rng = np.random.default_rng(8)
    waves = sum(
        rng.normal() * np.cos(0.1 * a * y + 0.07 * b * x + 6.0 * rng.uniform()) for a in range(5) for b in range(5)
    )
    values = noise * np.asarray(waves) + book.draw(atoms, shape) / UNIT
    return np.asarray(KNEE * np.arcsinh(values / KNEE), np.float64)


def cost_of(book: AtomBook, companded: F64, atoms: Atoms, code: int) -> float:
    """Return the estimate of docs/design/0029 for what atoms leave, by a transform of all of it."""
    shape = (companded.shape[0], companded.shape[1])
    drawn = KNEE * np.arcsinh(book.draw(atoms, shape) / UNIT / KNEE)
    x = np.square(analyse(companded - drawn, geometry_of(shape, code), STEP).astype(np.float64) / STEP)
    bits = float(book.arrays.atom_lengths[atoms[:, 2]].sum()) + float(book.arrays.level_lengths[atoms[:, 3]].sum())
    bits += len(atoms) * (np.log2(companded.size) - 2.0)
    return float(np.minimum(x, 0.3 + 0.12 * np.log2(1.0 + x)).sum()) + 0.12 * bits


@pytest.mark.parametrize("code", [0, 1, 3])
@pytest.mark.parametrize(("top", "left"), [(-9, 3), (0, -4), (7, 90), (21, 40), (85, 117)])
def test_windows_add_what_the_transform_says(code: int, top: int, left: int) -> None:
    """Products of a window of samples from both sides are its low coefficients; no others but small ones change."""
    shape, count, low = (96, 128), 19, (5, 7)
    g = geometry_of(shape, code)
    rng, tile = np.random.default_rng(2), np.zeros((96 + 2 * count, 128 + 2 * count))
    window = (slice(count + top, 2 * count + top), slice(count + left, 2 * count + left))
    tile[window] = rng.normal(size=(count, count))
    tile[:count] = tile[-count:] = tile[:, :count] = tile[:, -count:] = 0.0
    expected = analyse(tile[count:-count, count:-count].copy(), g, 1.0)[:, :, : low[0], : low[1]]
    above, down = window_matrix(g.rows, g.height, low[0], top, count)
    before, right = window_matrix(g.columns, g.width, low[1], left, count)
    found = np.zeros((g.rows, g.columns, *low))
    reached = np.einsum("akr,rc,bmc->abkm", down, tile[window], right)
    found[above : above + len(down), before : before + len(right)] = reached
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("code", [0, 2, 4])
@pytest.mark.parametrize("shape", [(96, 128), (90, 101)])
def test_refined_atoms_cost_less_than_those_found_and_than_none(
    book: AtomBook, code: int, shape: tuple[int, int]
) -> None:
    """By an estimate over the whole transform, which the refinement has in a corner alone."""
    planted = ordered([(20, 30, 3, 20), (60, 64, 9, 24), (80, 12, 40, 16), (3, 90, 7, 18)])
    companded = tile_of(book, planted, shape)
    found = Pursuit(book, cost=0.3).find(companded, STEP)
    refined = Refinement(book).refine(companded, found, geometry_of(shape, code), STEP).atoms
    costs = [cost_of(book, companded, atoms, code) for atoms in (refined, found, found[:0])]
    assert 0 < len(refined) <= len(found)
    assert costs[0] <= 1.001 * min(costs)
    assert costs[0] < 0.9 * costs[2]


def test_atoms_that_lie_beside_their_source_move_there(book: AtomBook) -> None:
    """One pixel off and a level too low, an atom finds the place and about the level that were drawn."""
    planted, shape = ordered([(48, 50, 5, 28)]), (96, 96)
    companded = tile_of(book, planted, shape, noise=0.05)
    found = Refinement(book).refine(companded, ordered([(47, 51, 5, 26)]), geometry_of(shape, 4), STEP).atoms
    assert found[0].tolist()[:3] == [48, 50, 5]
    assert abs(int(found[0, 3]) - 28) <= 1


def test_atoms_on_noise_are_left_out(book: AtomBook) -> None:
    """Atoms where there is no source cost bits and error, even if their bits do not count."""
    companded, g = tile_of(book, ordered([]), (96, 96)), geometry_of((96, 96), 4)
    atoms = ordered([(10, 10, 3, 4), (50, 40, 9, 8), (50, 41, 9, 8)])
    for peaks in (None, np.ones((96, 96), np.bool_)):
        assert len(Refinement(book).refine(companded, atoms, g, STEP, peaks).atoms) == 0


def test_atoms_on_peaks_cost_nothing(book: AtomBook) -> None:
    """A source that is not worth the bits of an atom has one on a peak; its bits are named."""
    planted, shape, step = ordered([(48, 50, 5, 4)]), (96, 96), 20.0
    companded, g = tile_of(book, planted, shape, noise=0.05), geometry_of((96, 96), 4)
    peaks = np.zeros(shape, np.bool_)
    peaks[48, 50] = True
    priced = Refinement(book).refine(companded, planted, g, step)
    free = Refinement(book).refine(companded, planted, g, step, peaks)
    assert len(priced.atoms) == 0
    np.testing.assert_array_equal(free.atoms[:, :2], planted[:, :2])
    assert 15.0 < free.free_bits < 40.0
    assert not free.is_sure


def test_bright_sources_are_sure_to_pay(book: AtomBook) -> None:
    """Atoms that save many times their bits need no comparison of streams."""
    planted, shape = ordered([(48, 50, 5, 28)]), (96, 96)
    companded = tile_of(book, planted, shape, noise=0.05)
    found = Refinement(book).refine(companded, planted, geometry_of(shape, 4), STEP)
    assert found.is_sure
    assert found.free_bits == 0.0


def test_options_in_parts_give_what_they_give_together(book: AtomBook, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of options that are estimated at once does not matter."""
    planted, shape = ordered([(20, 30, 3, 20), (60, 64, 9, 24)]), (96, 96)
    companded = tile_of(book, planted, shape)
    found, g = Pursuit(book, cost=0.3).find(companded, STEP), geometry_of(shape, 4)
    together = Refinement(book).refine(companded, found, g, STEP)
    monkeypatch.setattr(refinement, "AT_ONCE", 1)
    np.testing.assert_array_equal(Refinement(book).refine(companded, found, g, STEP).atoms, together.atoms)


def test_a_tile_with_more_sources_than_atoms_keeps_atoms(book: AtomBook) -> None:
    """The search ends at the largest number of atoms; those found, the brightest, are refined."""
    rng, shape = np.random.default_rng(3), (128, 128)
    planted = ordered([(int(y), int(x), 5, 12) for y, x in rng.integers(4, 124, (40, 2))])
    companded = tile_of(book, planted, shape, noise=0.05)
    found = AtomSearch(book).find(companded, STEP, 4, keep_sources=False)
    assert 8 <= len(found.atoms) <= most_atoms(shape) == 17


def test_wavelets_have_no_atoms(book: AtomBook) -> None:
    """Blocks of wavelets are for emission: nothing is searched there."""
    companded = tile_of(book, ordered([(48, 50, 5, 28)]), (96, 96))
    assert len(AtomSearch(book).find(companded, STEP, WAVELET, keep_sources=True).atoms) == 0
    assert len(AtomSearch(book).find(companded, STEP, None, keep_sources=True).atoms) > 0

"""The fit of a lapped model gives sound tables and weights; its contexts are those of docs/format.md, 9.6 and 9.7."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("astropy")

from safetensors.numpy import load_file

from radcodec.errors import InputError
from radcodec.training import lapped, lapped_prior
from radcodec.training import lapped_contexts as contexts
from radcodec.training.config import LappedConfig, read_config
from radcodec.training.data import compand_ratio, simulate_ratio
from radcodec.training.lapped_loop import LappedTrainer
from radcodec.training.register import register_model
from radcodec.training.run import train

CONFIG = """
[model]
kind = "lapped"
name = "smoke"
stages = 6
[data]
folders = []
validation = []
images = 0
simulated = 4
sides = [48, 64]
[fit]
steps = [60, 60]
learning_rates = [0.02, 0.01]
batch = 512
pairs = 300
[run]
seed = 3
threads = 1
summary = "smoke"
out = "OUT"
"""


def write_config(folder: Path, *changes: tuple[str, str]) -> Path:
    """The path of a small configuration with some of its text changed."""
    text = CONFIG.replace("OUT", (folder / "run").as_posix())
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model that was fitted on four small simulated images."""
    return train(write_config(tmp_path_factory.mktemp("lapped")))


def prior_of(folder: Path) -> lapped_prior.LappedPrior:
    """The prior in the checkpoint beside an exported model."""
    config = read_config(folder / "config.toml")
    assert isinstance(config, LappedConfig)
    prior = LappedTrainer(config, resume=True).prior
    assert prior is not None
    return prior


def test_a_fit_exports_the_tensors_of_the_format(trained: Path) -> None:
    """Shapes and types are those of 9.5, counts are at least 2 and sum to 2^24, sums of a layer stay below 2^24."""
    tensors = load_file(trained / "weights.safetensors")
    shapes = {
        "zz": (48, 9), "zn": (48, 2, 5, 6), "nn": (2, 5, 5, 4), "flags": (11, 5, 2), "log_table": (4096,),
        "sinh": (3072,), "layer0.weight": (16, 21), "layer1.weight": (16, 16), "layer2.weight": (1, 16),
        "layer0.bias": (16,), "layer1.bias": (16,), "layer2.bias": (1,),
    }  # fmt: skip
    assert {name: tensor.shape for name, tensor in tensors.items()} == shapes
    for name in ("zz", "zn", "nn", "flags"):
        assert tensors[name].dtype == np.uint32
        assert tensors[name].min() >= 2
        assert (tensors[name].astype(np.int64).sum(axis=-1) == 1 << 24).all()
    for i in range(3):
        weight, bias = (tensors[f"layer{i}.{part}"].astype(np.int64) for part in ("weight", "bias"))
        assert tensors[f"layer{i}.weight"].dtype == np.int8
        assert (np.abs(weight).sum(axis=1) * 1023 + np.abs(bias)).max() < 1 << 24


def test_learned_tables_save_bits_over_even_ones(trained: Path) -> None:
    """On an image that was not trained on, the learned model needs less than 0.6 of the bits of a model that knows
    nothing."""
    prior = prior_of(trained)
    even = {name: np.full(shape, (1 << 24) // shape[-1], np.uint32) for name, shape in contexts.TABLES.items()}
    image = compand_ratio(simulate_ratio(np.random.default_rng(99), 64))
    ratios = lapped.analyse(image, 64, 1.0)
    coefficients = lapped_prior.quantise(ratios, 0.6)
    learned = sum(prior.plane_bits(coefficients, 8).values())
    plain = sum(lapped_prior.LappedPrior(layers=prior.layers, tables=even).plane_bits(coefficients, 8).values())
    assert learned < 0.6 * plain


def test_the_search_lowers_error_plus_weighted_bits(trained: Path) -> None:
    """Its result is better than rounding with the same dead zone, by the measure that it minimises."""
    prior = prior_of(trained)
    image = compand_ratio(simulate_ratio(np.random.default_rng(98), 64))
    ratios = lapped.analyse(image, 32, 1.0)

    def price(chosen: contexts.Ints) -> float:
        return float(np.square(chosen - ratios).sum()) + 0.15 * sum(prior.plane_bits(chosen, 8).values())

    assert price(prior.search(ratios, 8, 0.15, 2)) < price(prior.search(ratios, 8, 0.15, 0))


def test_an_interrupted_fit_gives_the_same_model(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that was stopped in its second round goes on to the bytes of one that was not; the log goes on, too."""
    path = write_config(tmp_path)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(LappedTrainer, "_with_start", lambda self, counts: stop() if self.rounds else counts)
        with pytest.raises(KeyboardInterrupt):
            train(path)
    folder = train(path)
    assert (folder / "weights.safetensors").read_bytes() == (trained / "weights.safetensors").read_bytes()
    with (tmp_path / "run" / "log.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["round"] for row in rows] == ["1", "2"]


def test_a_fitted_model_can_be_registered(trained: Path, tmp_path: Path) -> None:
    """Its name in the registry is that of its configuration."""
    register_model(trained, tmp_path, summary="smoke", default=False)
    assert 'name = "smoke"' in (tmp_path / "registry.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('kind = "lapped"', 'kind = "wavelet"'), "expected model.kind"),
        (("stages = 6", "stages = 17"), "stages beyond"),
        (("steps = [60, 60]", "steps = [60]"), "different lengths"),
        (("steps = [60, 60]", "steps = []"), "or empty"),
        (("sides = [48, 64]", "sides = [8]"), "sides beyond"),
        (("batch = 512", "batch = 0"), "below 1"),
        (("simulated = 4", "simulated = -1"), "below 0"),
        (("pairs = 300", "pears = 300"), "pears"),
        (("seed = 3", ""), "seed"),
    ],
)
def test_a_wrong_configuration_is_refused(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    """The error names what is wrong."""
    with pytest.raises(InputError, match=message):
        read_config(write_config(tmp_path, change))


def test_a_fit_without_images_is_refused(tmp_path: Path) -> None:
    """Neither folders nor simulated images: nothing to train on."""
    with pytest.raises(InputError, match="found neither"):
        train(write_config(tmp_path, ("simulated = 4", "simulated = 0")))


@pytest.mark.parametrize(("n_blocks", "n"), [(1, 2), (1, 10), (2, 4), (3, 8)])
def test_the_transform_is_orthonormal_and_that_of_the_format(n_blocks: int, n: int) -> None:
    """Its transpose does what 9.9 says, here in reals and sample by sample."""
    matrix = lapped.analysis_matrix(n_blocks, n).astype(np.float64)
    assert np.allclose(matrix @ matrix.T, np.eye(n * n_blocks), atol=1e-6)
    line = np.random.default_rng(1).normal(size=(n_blocks, n))
    samples = np.zeros(n * n_blocks)
    for b, i, k in itertools.product(range(n_blocks), range(n), range(n)):
        angle = (2 * k if b == n_blocks - 1 else 2 * k + 1) * (2 * i + 1)
        norm = 1 / n if b == n_blocks - 1 and k == 0 else 2 / n
        samples[b * n + i] += norm**0.5 * np.cos(np.pi * angle / (4 * n)) * line[b, k]
    for border, i in itertools.product(range(n, n * n_blocks, n), range(n // 2)):
        major, minor = (np.cos(np.pi * (n + sign * (2 * i + 1)) / (4 * n)) for sign in (-1, 1))
        low, high = samples[border - 1 - i], samples[border + i]
        samples[border - 1 - i], samples[border + i] = major * low + minor * high, major * high - minor * low
    assert np.allclose(matrix.T @ line.ravel(), samples, atol=1e-5)


def test_blocks_are_those_of_the_format() -> None:
    """By hand: 300 pixels are 9 blocks of 34, 2 of 150, 1 of 300; one pixel is a block of two samples."""
    assert [lapped.block_shape(300, nominal) for nominal in (32, 128, 512)] == [(9, 34), (2, 150), (1, 300)]
    assert lapped.block_shape(1, 16) == (1, 2)


def slow_values(after: np.ndarray, phase_of: np.ndarray, at: tuple[int, int, int, int]) -> list[int]:
    """Values 0 to 13 of 9.7 of one pair, taken from the page word by word; `after` [A, B, n, J, 2]."""
    n_a, n_b, n, n_j, _ = after.shape
    a, b, k, j = at
    before = after >> 1
    g = (4 * before + (before > 0)).sum(axis=-1)
    q = after.sum(axis=-1)
    every = [(x, y) for x in range(n_a) for y in range(n_b)]
    sides = [place for place in every if abs(place[0] - a) + abs(place[1] - b) == 1]
    corners = [place for place in every if abs(place[0] - a) == abs(place[1] - b) == 1]

    def box(r: int, t: int, blocks: list[tuple[int, int]]) -> list[tuple[int, int, int, int]]:
        return [
            (*place, y, x)
            for place in blocks
            for y in range(n)
            for x in range(n_j)
            if abs(y - k) <= r and abs(x - j) <= t
        ]

    def mean(scale: int, values: np.ndarray, pairs: list[tuple[int, int, int, int]]) -> int:
        return scale * sum(int(values[pair]) for pair in pairs) // len(pairs) if pairs else 0

    def earlier(pairs: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
        return [pair for pair in pairs if phase_of[pair] < phase_of[at]]

    own = [(a, b)]
    return [
        4 * int(g[at]),
        *(mean(4, g, [pair for pair in box(r, t, own) if pair != at]) for r, t in ((1, 1), (2, 1), (5, 2))),
        mean(4, g, box(0, 0, sides)), mean(4, g, box(0, 0, corners)), mean(4, g, box(1, 1, sides)),
        mean(4, g, box(0, 0, every)), mean(4, g, box(1, 1, every)),
        16 * len(every) * int(g[a, b].sum()) // int(g.sum()) if g.any() else 0,
        *(mean(8, q, earlier(box(r, t, own))) for r, t in ((1, 1), (2, 1), (4, 2))),
        mean(8, q, earlier(box(0, 0, sides))),
    ]  # fmt: skip


@pytest.mark.parametrize("shape", [(1, 1, 2, 2), (2, 3, 4, 6), (3, 2, 6, 4), (1, 2, 18, 34)])
def test_inputs_are_those_of_the_format(shape: tuple[int, int, int, int]) -> None:
    """Every coded pair of every plane has the inputs that the page's words give, taken pair by pair."""
    rng = np.random.default_rng(sum(shape))
    coefficients = np.round(rng.standard_t(2, shape) * np.exp(-np.arange(shape[3]) / 4)).astype(np.int64)
    n_a, n_b, n, m = shape
    magnitudes = np.abs(coefficients).reshape(n_a, n_b, n, m // 2, 2)
    phase_of = np.zeros(magnitudes.shape[:4], dtype=int)
    for a, b, k, j in np.ndindex(*phase_of.shape):
        phase_of[a, b, k, j] = {(0, 0): 0, (1, 1): 1}.get(((k + a + b) & 1, j & 1), 2)
    table = contexts.log_table().astype(int)
    active: set[tuple[int, int]] = set()
    last_plane, n_coded = 7, 0
    for plane in contexts.walk_planes(coefficients, last_plane):
        after = magnitudes >> (last_plane - plane.number)
        cells = {(16 * k // n, 16 * j // (m // 2)) for _, _, k, j, _ in zip(*np.nonzero(after), strict=True)}
        order = np.argsort(phase_of.ravel(), kind="stable")
        wanted = [np.unravel_index(flat, phase_of.shape) for flat in order]
        wanted = [at for at in wanted if (16 * at[2] // n, 16 * at[3] // (m // 2)) in cells]
        found = [(flat, row) for pairs in plane.phases for flat, row in zip(pairs.positions, pairs.inputs, strict=True)]
        assert len(found) == len(wanted)
        for at, (flat, row) in zip(wanted, found, strict=True):
            assert np.ravel_multi_index(at, phase_of.shape) == flat
            cell = (16 * at[2] // n, 16 * at[3] // (m // 2))
            logs = [table[min(value, 4095)] for value in slow_values(after, phase_of, at)]
            others = [
                16 * (plane.number - 6), 32 if plane.number == last_plane else 0, 32 if phase_of[at] == 1 else 0,
                32 if phase_of[at] == 2 else 0, 32 if cell not in active else 0, table[min(8 * m, 4095)] - 64,
                table[min(16 * n_a * n_b, 4095)] >> 2,
            ]  # fmt: skip
            assert row.tolist() == logs + others
            n_coded += 1
        active = cells
    assert n_coded > 0


def test_nothing_of_a_later_phase_is_looked_at() -> None:
    """A reader does not know them yet: changing them leaves the inputs as they are."""
    rng = np.random.default_rng(5)
    lattice = contexts.Lattice((2, 2, 8, 5))
    before = rng.integers(0, 3, (2, 2, 8, 5, 2))
    first, second = (2 * before + rng.integers(0, 2, before.shape) for _ in range(2))
    cells = lattice.exists
    for phase in range(3):
        mixed = np.where((lattice.phase < phase)[..., None], first, second)
        inputs = [
            list(
                contexts.plane_pairs(
                    lattice, after, after < 0, now=cells, active=cells, number=3, last_plane=5
                )
            )[phase].inputs
            for after in (first, mixed)
        ]  # fmt: skip
        assert np.array_equal(*inputs)


def test_symbols_are_those_of_the_format() -> None:
    """By hand, one pair of each kind in a plane that is not the last: bucket 7, and 4 where no bucket is used."""
    pairs = contexts.Pairs(
        inputs=np.zeros((4, 21), np.int16),
        positions=np.arange(4),
        before=np.array([[0, 0], [0, 9], [2, 0], [1, 3]]),
        after=np.array([[1, 0], [1, 18], [5, 1], [3, 6]]),
        negative=np.array([[True, False], [False, True], [False, True], [True, True]]),
    )
    found = contexts.pair_symbols(pairs, np.array([7, 7, 7, 4]), last=False)
    rows = [(symbols.table, symbols.rows.tolist(), symbols.values.tolist()) for symbols in found]
    shape = (48, 2, 5)
    assert rows == [
        ("zz", [7], [6]),
        ("zn", [int(np.ravel_multi_index((7, 1, 4), shape))], [2]),
        ("zn", [int(np.ravel_multi_index((7, 1, 1), shape))], [5]),
        ("nn", [int(np.ravel_multi_index((1, 0, 2), (2, 5, 5)))], [2]),
    ]


def test_an_image_of_zeros_has_no_planes() -> None:
    """There is nothing to code, not even flags."""
    assert list(contexts.walk_planes(np.zeros((2, 1, 4, 6), dtype=np.int64), 8)) == []

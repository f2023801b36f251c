"""Learning atoms (docs/design/0026): a codebook takes the shape of the sources it sees, and codes follow its use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from radcodec.base.store import load_model
from radcodec.base.trellis.model import TrellisModel
from radcodec.errors import InputError
from radcodec.training.atoms import code_lengths, learn_atoms
from radcodec.training.config import read_config
from radcodec.training.data import compand_ratio
from radcodec.training.datasets import Image
from radcodec.training.run import train

TEXT = """
[model]
kind = "{kind}"
name = "tiny"
stages = 6
[data]
folders = []
validation = []
images = 0
simulated = 12
sides = [128]
[fit]
steps = []
learning_rates = []
batch = 64
pairs = 50
atoms = {atoms}
[run]
seed = 3
threads = 1
start = "vqvae-v1"
summary = "tiny"
out = "{out}"
"""


def points(seed: int, fwhm: float) -> Image:
    """Return a companded image of bright points of a round beam in the middle of pixels, with a little noise."""
    rng = np.random.default_rng(seed)
    image = rng.normal(size=(96, 96))
    y, x = np.indices(image.shape)
    for at_y in range(16, 96, 32):
        for at_x in range(16, 96, 32):
            image += rng.uniform(200, 2000) * 2.0 ** (-4.0 * ((y - at_y) ** 2 + (x - at_x) ** 2) / fwhm**2)
    return compand_ratio(image.astype(np.float32))


def test_atoms_have_the_beams_of_the_images() -> None:
    """From points of beams of 3 and 6 pixels two atoms become these beams, within 3 % of the peak."""
    plain = load_model("vqvae-v1")
    assert isinstance(plain, TrellisModel)
    kinds = [[points(k, 3.0) for k in range(4)], [points(9 + k, 6.0) for k in range(4)]]
    atoms = learn_atoms(kinds, 2, 1, plain.arrays.sinh)
    shapes = atoms.samples() / 127.0**2
    y, x = np.indices((17, 17)) - 8
    beams = [2.0 ** (-4.0 * (y**2 + x**2) / fwhm**2) for fwhm in (3.0, 6.0)]
    order = np.argsort(shapes.sum(axis=(1, 2)))
    for shape, beam in zip(shapes[order], beams, strict=True):
        np.testing.assert_allclose(shape, beam, atol=0.03)


def test_images_without_sources_are_refused() -> None:
    """Atoms cannot be learned from noise."""
    plain = load_model("vqvae-v1")
    assert isinstance(plain, TrellisModel)
    noise = compand_ratio(np.random.default_rng(0).normal(size=(64, 64)).clip(-4, 4).astype(np.float32))
    with pytest.raises(InputError, match="expected at least 8 patches around sources above 8 sigma for 2 atoms"):
        learn_atoms([[noise]], 2, 1, plain.arrays.sinh)


def test_lengths_are_those_of_huffman_and_never_over_15() -> None:
    """Counts of 8, 4, 2, 1 and 1 give 1 to 4 bits; counts as steep as powers of two are flattened to 15."""
    assert code_lengths(np.array([1.0, 8.0, 4.0, 1.0, 2.0])).tolist() == [4, 1, 2, 4, 3]
    steep = code_lengths(2.0 ** np.arange(40)).astype(np.int64)
    assert steep.max() <= 15
    assert (2.0**-steep).sum() == 1.0


def write_config(folder: Path, *, atoms: int, kind: str = "vqvae") -> Path:
    path = folder / "atoms.toml"
    path.write_text(TEXT.format(atoms=atoms, kind=kind, out=folder / "out"), encoding="utf-8")
    return path


def test_run_of_atoms_alone_keeps_the_rest_of_its_start(tmp_path: Path) -> None:
    """With no rounds the arrays of the start model stay; the same run gives the same bytes."""
    path = write_config(tmp_path, atoms=8)
    first = (train(path) / "weights.safetensors").read_bytes()
    assert (train(path, resume=False) / "weights.safetensors").read_bytes() == first
    model, start = load_model(str(tmp_path / "out" / "model")), load_model("vqvae-v1")
    assert isinstance(model, TrellisModel)
    assert isinstance(start, TrellisModel)
    assert model.wide.atoms is not None
    assert model.wide.atoms.patches.shape == (8, 17, 17)
    assert model.name == "tiny"
    for name, table in start.wide.tables.items():
        np.testing.assert_array_equal(model.wide.tables[name], table)
    np.testing.assert_array_equal(model.wide.points, start.wide.points)


def test_rounds_from_a_model_with_atoms_keep_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that learns no atoms of its own, as fine-tuning does, has those of its start."""
    monkeypatch.setattr("radcodec.training.rate.MAX_LOOKS", 2)
    path = write_config(tmp_path, atoms=0)
    text = path.read_text(encoding="utf-8").replace("vqvae-v1", "vqvae-v3").replace("[128]", "[40]")
    text = text.replace("simulated = 12", "simulated = 2").replace("steps = []", "steps = [8]")
    path.write_text(text.replace("learning_rates = []", "learning_rates = [0.01]"), encoding="utf-8")
    train(path)
    model, start = load_model(str(tmp_path / "out" / "model")), load_model("vqvae-v3")
    assert isinstance(model, TrellisModel)
    assert isinstance(start, TrellisModel)
    assert model.wide.atoms is not None
    assert start.wide.atoms is not None
    for name, tensor in start.wide.atoms.tensors().items():
        np.testing.assert_array_equal(model.wide.atoms.tensors()[name], tensor)
    assert np.any(model.wide.layers["wide0"].weight != start.wide.layers["wide0"].weight)


def test_shipped_model_has_the_arrays_of_the_one_that_its_configuration_starts_from() -> None:
    """Files of vqvae-v3 without atoms are those of vqvae-v1."""
    ours, start = load_model("vqvae-v3"), load_model("vqvae-v1")
    assert isinstance(ours, TrellisModel)
    assert isinstance(start, TrellisModel)
    for name, layer in start.wide.layers.items():
        np.testing.assert_array_equal(ours.wide.layers[name].weight, layer.weight)
        np.testing.assert_array_equal(ours.wide.layers[name].bias, layer.bias)
    for name, table in {**start.wide.tables, **start.arrays.tables}.items():
        found = {**ours.wide.tables, **ours.arrays.tables}[name]
        np.testing.assert_array_equal(found, table)
    np.testing.assert_array_equal(ours.wide.points, start.wide.points)


@pytest.mark.parametrize(("atoms", "kind"), [(1, "vqvae"), (257, "vqvae"), (8, "lapped")])
def test_numbers_of_atoms_out_of_range_are_refused(tmp_path: Path, atoms: int, kind: str) -> None:
    """A codebook has 2 to 256 atoms, and models of kind lapped have none."""
    with pytest.raises(InputError, match=r"atoms beyond 2\.\.256, or of a model that is not of kind vqvae"):
        read_config(write_config(tmp_path, atoms=atoms, kind=kind))

"""Indices of trellis models for the studies: which codebook entry each has, and the tables of each alphabet."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.studies.codebooks import Usage, codebook_lines
from benchmarks.studies.embeddings import trellis_features
from benchmarks.studies.indices import lapped_codes, plane_stages, table_counts, used_points
from radcodec.base.lapped import transform
from radcodec.base.store import load_model
from radcodec.base.trellis.model import TrellisModel


@pytest.fixture(name="model", scope="module")
def default_model() -> TrellisModel:
    """The default model."""
    found = load_model("vqvae-v1")
    assert isinstance(found, TrellisModel)
    return found


@pytest.fixture(name="image", scope="module")
def noisy_image() -> npt.NDArray[np.float32]:
    """Noise with a bright blob, so that there are indices of all sizes."""
    y, x = np.mgrid[:72, :64]
    blob = 40 * np.exp(-((y - 30.0) ** 2 + (x - 20.0) ** 2) / 18)
    return (np.random.default_rng(3).normal(size=(72, 64)) + blob).astype(np.float32)


def test_entries_are_what_indices_stand_for(model: TrellisModel, image: npt.NDArray[np.float32]) -> None:
    """A model whose codebooks are all 0 decodes each index to its value less the entry that is named for it."""
    codes = lapped_codes(model, image, 0.5)
    entries = used_points(model, codes)
    flat = TrellisModel(model.spec, model.arrays, replace(model.wide, points=np.zeros_like(model.wide.points)), "")
    g = transform.geometry_of(codes.shape, codes.code)
    unmoved = flat._coded(codes, g, codes.coefficients, codes.cells)
    used = codes.coefficients != 0
    assert entries.size == used.sum() > 100
    assert len(np.unique(entries)) > 10
    np.testing.assert_array_equal((codes.values - unmoved.values)[used], model.wide.points.ravel()[entries])


def test_sizes_of_indices_are_those_of_their_entries(model: TrellisModel, image: npt.NDArray[np.float32]) -> None:
    """The last digit of an entry's number, of three, is the size of the index less 1, at most 2."""
    codes = lapped_codes(model, image, 0.5)
    sizes = np.abs(codes.coefficients[codes.coefficients != 0])
    np.testing.assert_array_equal(used_points(model, codes) % 3, np.minimum(sizes, 3) - 1)


def test_every_class_has_its_tables(model: TrellisModel) -> None:
    """Format 9.11: five classes of 48, 2 x 48 x 3 and 16 x 3 x 3 tables, and 5 for each of 11 planes of flags."""
    assert table_counts(model) == {"zz": 240, "zn": 1440, "nn": 720, "flags": 55}


def test_lapped_models_have_fewer_tables() -> None:
    """Format 9.6: 48, 48 x 2 x 5, 2 x 5 x 5 and 11 x 5 tables."""
    assert table_counts(load_model("lapped-v2")) == {"zz": 48, "zn": 480, "nn": 50, "flags": 55}


def test_tables_of_a_plane_are_in_range(model: TrellisModel, image: npt.NDArray[np.float32]) -> None:
    """No index names a table beyond those of its alphabet, and some classes beyond the first are used."""
    counts, seen = table_counts(model), 0
    for stage in plane_stages(model, image, 0.5):
        for part in stage.parts:
            assert part.tables.max(initial=0) < counts[part.kind]
            seen = max(seen, int(part.tables.max(initial=0)) if part.kind == "zz" else 0)
    assert seen >= 48


def test_usage_counts_entries_of_all_images(image: npt.NDArray[np.float32]) -> None:
    """Two copies of an image have twice the entries of one, and planes leave the row of the entries out."""
    once, twice = Usage("vqvae-v1", [image]), Usage("vqvae-v1", [image, image])
    np.testing.assert_array_equal(2 * once.codes[0, "points"], twice.codes[0, "points"])
    assert once.codes[0, "points"].size == 36
    assert 0 not in once.planes


def test_entries_have_a_line_of_their_own() -> None:
    """The row of kind points is named after what it counts."""
    row = {
        "model": "m", "stage": "0", "kind": "points", "entries": "36", "set": "first/val", "perplexity": "9.1",
        "idle": "2",
    }  # fmt: skip
    assert codebook_lines([row])[-1] == "| m | entries of both codebooks | 36 | 9.1 | 2 | - | - |"


def test_features_of_a_turned_image_keep_their_length(model: TrellisModel, image: npt.NDArray[np.float32]) -> None:
    """Every description has as many numbers for an image as for its turn, and shares of entries stay below 1."""
    describe = trellis_features(model)
    here, turned = describe(image), describe(np.ascontiguousarray(np.rot90(image)))
    assert {name: vector.size for name, vector in here.items()} == {name: v.size for name, v in turned.items()}
    assert 0 < (here["codebook entries, histogram"] ** 2).sum() <= 1

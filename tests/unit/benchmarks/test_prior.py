"""Entropies and code lengths of known histograms, perplexities, and the indices of both models."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from benchmarks.studies.codebooks import codebook_lines, perplexity, usage_cells
from benchmarks.studies.indices import MODELS, Part, Stage, image_stages, plane_stages
from benchmarks.studies.prior import adaptive_bits, prior_lines, saved, stage_cells
from radcodec.base.store import load_model


def stage(*indices: int, kind: str = "codebook", alphabet: int = 4, coded: int = 1) -> Stage:
    """A stage with these indices."""
    part = Part(kind=kind, alphabet=alphabet, indices=np.array(indices), tables=np.zeros(0, np.int64))
    return Stage(number=1, parts=(part,), coded=coded)


def test_order_zero_of_a_known_distribution() -> None:
    """Shares of 1/2, 1/4, 1/8, 1/8 have 1.75 bits an index; two images of one code each have none, together a bit."""
    cells = stage_cells([stage(0, 0, 0, 0, 1, 1, 2, 3)])
    assert float(str(cells["image_bits"])) == float(str(cells["pooled_bits"])) == 14
    assert (cells["fixed_bits"], cells["indices"], cells["coded_bytes"]) == ("16.0", 8, 1)
    cells = stage_cells([stage(0, 0), stage(1, 1)])
    assert (float(str(cells["image_bits"])), float(str(cells["pooled_bits"]))) == (0, 4)


def test_alphabets_have_histograms_of_their_own() -> None:
    """A stage whose two alphabets each hold one code costs nothing at order 0, but log2 9 and 1 bit at fixed length."""
    parts = (
        Part(kind="zz", alphabet=9, indices=np.array([5]), tables=np.zeros(1, np.int64)),
        Part(kind="flags", alphabet=2, indices=np.array([1]), tables=np.zeros(1, np.int64)),
    )
    cells = stage_cells([Stage(number=1, parts=parts, coded=2)])
    assert float(str(cells["pooled_bits"])) == 0
    assert float(str(cells["fixed_bits"])) == pytest.approx(np.log2(9) + 1, abs=0.05)


def test_adaptive_code_by_hand() -> None:
    """0, 0, 1 of two symbols: (1/2) (3/4) (1/6) = 1/16, four bits; the order does not matter; nothing costs nothing."""
    assert adaptive_bits(np.array([2, 1])) == pytest.approx(4)
    assert adaptive_bits(np.array([1, 2])) == pytest.approx(4)
    assert adaptive_bits(np.zeros(8, np.int64)) == 0


def test_perplexity_by_hand() -> None:
    """Of four entries used alike it is 4, of one alone 1, of none 0; entries without an index are idle."""
    assert perplexity(np.array([5, 5, 5, 5])) == pytest.approx(4)
    assert perplexity(np.array([0, 9])) == 1
    assert perplexity(np.zeros(3, np.int64)) == 0
    cells = usage_cells(np.array([3, 1, 0]), np.array([4, 0]))
    assert (cells["idle"], cells["largest_share"], cells["table_rows"], cells["tables"]) == (1, "0.7500", 1, 2)


def test_saved_by_hand() -> None:
    """Of 100 bits at fixed length and 50 at order 0, 5 bytes save 60 and 20 percent; the table has a line of all."""
    row = {
        "set": "s", "model": "m", "step": "", "stage": "1", "pixels": "10", "coded_bytes": "5", "fixed_bits": "100",
        "pooled_bits": "50", "image_bits": "40", "adaptive_bits": "80",
    }  # fmt: skip
    assert saved([row]) == "60.0 % against fixed length, 20.0 % against order 0, 50.0 % against adaptive order 0"
    assert prior_lines([row, row | {"stage": "2"}])[-1] == (
        "| s | m | all | 8.0000 | 20.0000 | 10.0000 | 8.0000 | 16.0000 | 60.0 % | 20.0 % |"
    )


@pytest.mark.parametrize("name", MODELS)
def test_stages_hold_what_the_streams_hold(name: str) -> None:
    """Sizes are those of the model's streams, and their indices cost at most what the alphabets do."""
    image = np.random.default_rng(3).normal(size=(64, 72)).astype(np.float32)
    model = load_model(name)
    stages = image_stages(model, image)
    streams = model.stage_streams(model.encode_tile(image.astype(np.float64), 0.0, 1.0))
    assert [stage.coded for stage in stages] == [len(stream) for stream in streams if stream or not model.takes_step]
    for found in stages:
        for part in found.parts:
            assert part.indices.max(initial=0) < part.alphabet
        assert 8 * found.coded <= float(str(stage_cells([found])["fixed_bits"])) + 8 * 12


def test_planes_hold_the_same_codes_as_stages() -> None:
    """Plane by plane there are as many codes as stage by stage, and the last plane is that of the step: 9 - log2."""
    image = np.random.default_rng(4).normal(size=(64, 64)).astype(np.float32)
    model = load_model("lapped-v2")
    planes, stages = plane_stages(model, image, 1.0), image_stages(model, image, 1.0)  # type: ignore[arg-type]
    counts = [sum(part.indices.size for found in some for part in found.parts) for some in (planes, stages)]
    assert counts[0] == counts[1] > 0
    assert planes[-1].number == 9
    assert [found.number for found in planes] == list(range(10 - len(planes), 10))


def test_codebook_table_by_hand() -> None:
    """A set without the stage has dashes."""
    row = {
        "model": "m",
        "stage": "2",
        "kind": "zz",
        "entries": "9",
        "set": "first/val",
        "perplexity": "3.1",
        "idle": "0",
    }
    assert codebook_lines([row])[-1] == "| m | 2, zz | 9 | 3.1 | 0 | - | - |"

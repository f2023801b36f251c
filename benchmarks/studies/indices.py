"""The codebook indices of an image by a model, stage by stage, with the bytes in which its prior codes them.

Convolutional models have one codebook a stage. The indices of lapped models are the codes of coefficient pairs
(docs/format.md, 9.6): their alphabet depends on what is known of the pair. It has 9 codes for two zeros (``zz``), 6
beside one coefficient that is not zero (``zn``), and 4 for two that are not (``nn``). Whether a cell becomes active is
one of two (``flags``). The alphabet follows from earlier planes and costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchmarks.data.datasets import images
from benchmarks.studies.variants import called

if TYPE_CHECKING:
    from radcodec.base.lapped.model import LappedModel
    from radcodec.base.store import Model

Symbols = npt.NDArray[np.int64]
Ratio = npt.NDArray[np.float32]
MODELS = ("general-v0", "lapped-v2")
LAPPED_KINDS = (("zz", 9), ("zn", 6), ("nn", 4), ("flags", 2))
SIMULATED, SIMULATED_SEED = 20, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Indices [n] of one alphabet in a stage, and the row of that alphabet's probability tables that codes each.

    ``tables`` is empty for convolutional models, whose stages pick theirs by a network.
    """

    kind: str
    alphabet: int
    indices: Symbols
    tables: Symbols


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of one image; ``number`` counts from 1, or is a plane, and ``coded`` are the bytes of its stream."""

    number: int
    parts: tuple[Part, ...]
    coded: int


def image_stages(model: Model, ratio: Ratio, step: float | None = None) -> list[Stage]:
    """Return the stages of an image in units of its noise, coded as one tile; step is for models that take one."""
    codes = model.encode_tile(ratio.astype(np.float64), 0.0, 1.0, step=step)
    if model.takes_step:
        return _lapped_stages(model, codes)
    streams = model.stage_streams(codes)
    found = []
    for number, (stream, cells, book) in enumerate(
        zip(streams, codes.indices, model.arrays.codebooks, strict=True),  # type: ignore[attr-defined]
        start=1,
    ):
        indices = cells.ravel().astype(np.int64)
        part = Part(kind="codebook", alphabet=len(book), indices=indices, tables=np.empty(0, np.int64))
        found.append(Stage(number=number, parts=(part,), coded=len(stream)))
    return found


def by_plane(model: LappedModel) -> LappedModel:
    """Return the model with as many stages as the format has, so that (almost) every plane is a stage of its own."""
    from radcodec.base.lapped.model import LappedModel
    from radcodec.limits import MAX_STAGES

    return LappedModel(replace(model.spec, stages=MAX_STAGES), model.arrays, model.sha256)


def plane_stages(model: LappedModel, ratio: Ratio, step: float | None = None) -> list[Stage]:
    """Return the planes of an image, numbered as in the format: plane s has steps of about 2^(8-s)."""
    fine = by_plane(model)
    codes = fine.encode_tile(ratio.astype(np.float64), 0.0, 1.0, step=step)
    stages = _lapped_stages(fine, codes)
    return [replace(stage, number=codes.last - len(stages) + stage.number) for stage in stages]


def _lapped_stages(model: Any, codes: Any) -> list[Stage]:
    """Return the stages of a lapped model's codes, as they go to the entropy coder."""
    from radcodec.base.lapped.planes import FLAG_ROWS, NN_ROWS, ZN_ROWS
    from radcodec.coding.ans import encode_symbols

    seen: list[tuple[Symbols, Symbols]] = []

    def watched(symbols: Any, rows: Any, cumulative: Any, words: Any) -> int:
        seen.append((symbols.astype(np.int64), rows.astype(np.int64)))
        return int(encode_symbols(symbols, rows, cumulative, words))

    with called(("radcodec.base.lapped.planes", "encode_symbols"), instead=watched):
        streams = model.stage_streams(codes)
    # A stage with planes has no bytes where all its codes were likely; one without planes never reaches the coder.
    if any(streams[len(seen) :]):
        raise SystemExit(f"expected a call of the coder for each stream that has bytes, found {len(seen)} calls")
    streams = streams[: len(seen)]
    starts = (0, ZN_ROWS, NN_ROWS, FLAG_ROWS)
    stages = []
    for number, ((symbols, rows), stream) in enumerate(zip(seen, streams, strict=True), start=1):
        which = np.searchsorted(starts, rows, side="right") - 1
        parts = tuple(
            Part(kind=kind, alphabet=size, indices=symbols[which == i], tables=rows[which == i] - starts[i])
            for i, (kind, size) in enumerate(LAPPED_KINDS)
        )
        stages.append(Stage(number=number, parts=parts, coded=len(stream)))
    return stages


def set_ratios(data: Path, chosen: str) -> list[Ratio]:
    """Return the first planes of the images of a set, or simulated ones, in units of their noise."""
    from radcodec.training.data import normalise, simulate_ratio

    if chosen == "simulated":
        rng = np.random.default_rng(SIMULATED_SEED)
        return [simulate_ratio(rng) for _ in range(SIMULATED)]
    planes = (image.samples.reshape(-1, *image.samples.shape[-2:])[0] for image in images(data, chosen))
    return [normalise(plane.astype(np.float64)) for plane in planes]

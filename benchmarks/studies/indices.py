"""The codebook indices of an image by a model, stage by stage, with the bytes in which its prior codes them.

Convolutional models have one codebook a stage. The indices of lapped models are the codes of coefficient pairs
(docs/format.md, 9.6): their alphabet depends on what is known of the pair. It has 9 codes for two zeros (``zz``), 6
beside one coefficient that is not zero (``zn``), and 4 for two that are not (``nn``). Whether a cell becomes active is
one of two (``flags``). The alphabet follows from earlier planes and costs nothing.

Trellis models have the same alphabets, with tables for each class of context. Every tile takes the trellis here, also
where an encoder would code it with the lapped model's arrays. What an index stands for depends on the codebook that the
trellis chose, on the class of its context and on its size; ``used_points`` counts these entries.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt

from benchmarks.data.datasets import images
from benchmarks.studies.variants import called

if TYPE_CHECKING:
    from radcodec.base.lapped.model import LappedModel
    from radcodec.base.store import Model
    from radcodec.base.trellis.codes import TrellisCodes
    from radcodec.base.trellis.model import TrellisModel

Symbols = npt.NDArray[np.int64]
Ratio = npt.NDArray[np.float32]
MODELS = ("general-v0", "vqvae-v1")
PLAIN = "plain"  # what describes images without a model
LAPPED_KINDS = (("zz", 9), ("zn", 6), ("nn", 4), ("flags", 2))
SIMULATED, SIMULATED_SEED = 20, 1
MARK = 1 << 20  # marks the entries of codebooks in values


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
    if model.takes_step:
        return _lapped_stages(model, lapped_codes(model, ratio, step))
    codes = model.encode_tile(ratio.astype(np.float64), 0.0, 1.0, step=step)
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


def lapped_codes(model: Any, ratio: Ratio, step: float | None) -> Any:
    """Return the codes of an image by a lapped model, or by the trellis of a trellis model."""
    from radcodec.base.lapped.model import LappedModel
    from radcodec.base.trellis.model import TrellisModel

    with patch.object(TrellisModel, "_first_codes", LappedModel._first_codes):  # which has no scalar cells to choose
        return LappedModel.encode_tile(model, ratio.astype(np.float64), 0.0, 1.0, step=step)


def by_plane(model: LappedModel) -> LappedModel:
    """Return the model with as many stages as the format has, so that (almost) every plane is a stage of its own."""
    from radcodec.base.lapped.model import LappedModel
    from radcodec.base.trellis.model import TrellisModel
    from radcodec.limits import MAX_STAGES

    if isinstance(model, TrellisModel):
        return TrellisModel(replace(model.spec, stages=MAX_STAGES), model.arrays, model.wide, model.sha256)
    return LappedModel(replace(model.spec, stages=MAX_STAGES), model.arrays, model.sha256)


def plane_stages(model: LappedModel, ratio: Ratio, step: float | None = None) -> list[Stage]:
    """Return the planes of an image, numbered as in the format: plane s has steps of about 2^(8-s)."""
    fine = by_plane(model)
    codes = lapped_codes(fine, ratio, step)
    stages = _lapped_stages(fine, codes)
    return [replace(stage, number=codes.last - len(stages) + stage.number) for stage in stages]


def table_counts(model: Any) -> dict[str, int]:
    """Return how many tables each alphabet of a lapped or trellis model has, in the order of their rows."""
    from radcodec.base.lapped.spec import TABLE_SHAPES
    from radcodec.base.trellis.model import TrellisModel
    from radcodec.base.trellis.spec import WIDE_TABLES

    shapes = WIDE_TABLES if isinstance(model, TrellisModel) else TABLE_SHAPES
    return {kind.removeprefix("wide_"): int(np.prod(shape[:-1])) for kind, shape in shapes.items()}


def _coded_again(model: Any, codes: Any) -> list[bytes]:
    """Return the streams of codes, with a call of the entropy coder for each."""
    from radcodec.base.lapped import transform
    from radcodec.base.trellis.codes import TrellisCodes

    if isinstance(codes, TrellisCodes):
        codes = model._coded(codes, transform.geometry_of(codes.shape, codes.code), codes.coefficients, codes.cells)
    return list(model.stage_streams(codes))


def _lapped_stages(model: Any, codes: Any) -> list[Stage]:
    """Return the stages of a lapped or trellis model's codes, as they go to the entropy coder."""
    from radcodec.coding.ans import encode_symbols

    seen: list[tuple[Symbols, Symbols]] = []

    def watched(symbols: Any, rows: Any, cumulative: Any, words: Any) -> int:
        seen.append((symbols.astype(np.int64), rows.astype(np.int64)))
        return int(encode_symbols(symbols, rows, cumulative, words))

    with called(("radcodec.base.lapped.planes", "encode_symbols"), instead=watched):
        streams = _coded_again(model, codes)
    # A stage with planes has no bytes where all its codes were likely; one without planes never reaches the coder.
    if any(streams[len(seen) :]):
        raise SystemExit(f"expected a call of the coder for each stream that has bytes, found {len(seen)} calls")
    streams = streams[: len(seen)]
    starts = np.cumsum([0, *table_counts(model).values()])[:-1]
    stages = []
    for number, ((symbols, rows), stream) in enumerate(zip(seen, streams, strict=True), start=1):
        which = np.searchsorted(starts, rows, side="right") - 1
        parts = tuple(
            Part(kind=kind, alphabet=size, indices=symbols[which == i], tables=rows[which == i] - starts[i])
            for i, (kind, size) in enumerate(LAPPED_KINDS)
        )
        stages.append(Stage(number=number, parts=parts, coded=len(stream)))
    return stages


def used_points(model: TrellisModel, codes: TrellisCodes) -> Symbols:
    """Return the codebook entry of every index that is not 0, as codebook * 18 + class * 3 + size - 1 (3: or more)."""
    from radcodec.base.lapped import planes, transform
    from radcodec.base.lapped.contexts import CELLS
    from radcodec.base.trellis.planes import CODE, TrellisWalk, WideNetwork

    g = transform.geometry_of(codes.shape, codes.code)
    sizes, sign = np.abs(codes.coefficients), np.sign(codes.coefficients).astype(np.int8)
    numbers = MARK * (1 + np.arange(model.wide.points.size)).reshape(model.wide.points.shape)
    network = WideNetwork(model.arrays, model.wide, points=numbers)
    coder = planes.Coder(model.cumulative, room=sizes.size // 2 + CELLS**2)
    walk = TrellisWalk(network, coder, g)
    if codes.cells is not None:
        walk.keep(codes.cells)
    values = np.zeros(sizes.shape, np.int32)
    for after in range(codes.n_planes - 1, -1, -1):
        magnitudes = (sizes >> (after + 1), sizes >> after, sign)
        coder.start()
        walk.walk(CODE, (codes.last - after, after), magnitudes, values=None if after else values)
    return np.asarray(values[values > MARK // 2] // MARK - 1, np.int64)


def set_ratios(data: Path, chosen: str) -> list[Ratio]:
    """Return the first planes of the images of a set, or simulated ones, in units of their noise."""
    from radcodec.training.data import normalise, simulate_ratio

    if chosen == "simulated":
        rng = np.random.default_rng(SIMULATED_SEED)
        return [simulate_ratio(rng) for _ in range(SIMULATED)]
    planes = (image.samples.reshape(-1, *image.samples.shape[-2:])[0] for image in images(data, chosen))
    return [normalise(plane.astype(np.float64)) for plane in planes]

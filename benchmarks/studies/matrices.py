"""What trained lapped matrices would save in the default lossy model, as CSV rows.

Images are cut to whole blocks of ``WHOLE`` pixels a side, which is in favour of the matrices: the library's blocks take
any side. Each tile is coded with every block kind of the format, and with each set of trained matrices as one more. The
encoder's rule chooses (``radcodec.base.lapped.search.cost``), once among the kinds of the format and once among all of
them. Streams are real and use the model's prior; ``bits`` are those of whole tiles. The step of an image is that at
which the model itself needs the bits of the row's rate. What the squared error differs by is charged at the rule's
price, so that ``ratio`` is one of bits at equal error. ``forced_ratio`` is the same where all tiles take the matrices,
over all tiles in the format's blocks of that length.

``matrices_training`` says what is trained, and on what: never on the images that are measured.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.data.datasets import Image, images
from benchmarks.rows import append_row, image_cells, rows_done
from benchmarks.types import F64, Cells, Row
from radcodec.base.companding import OUTPUT_LIMIT, OUTPUT_UNIT, compand
from radcodec.base.lapped import search, transform
from radcodec.base.lapped.codes import empty_codes
from radcodec.base.trellis.codes import TrellisCodes
from radcodec.base.trellis.model import RATE_SHARE, RATIO, TrellisModel

if TYPE_CHECKING:
    from benchmarks.studies.matrices_training import Lapped

COLUMNS = (
    "machine", "commit", "set", "file", "hdu", "data_sha256", "shape", "dtype", "pixels", "model", "rate", "step",
    "matrices", "plain_kinds", "kinds", "plain_bits", "ratio", "forced_ratio",
)  # fmt: skip
KEY = ("file", "hdu", "rate", "matrices")
MODEL = "vqvae-v1"
SETS = ("telescopes", "first/test")
N_FIRST = 3  # images of a set of the survey
RATES = (0.1, 0.25, 0.5)
WHOLE, TILE = 64, 512
FINEST, COARSEST, HALVINGS = 0.08, 9.0, 7  # steps between which that of a rate is sought
#: Name of a row's matrices, the length of their blocks, whether the fold alone is trained, and turns of the training.
VARIANTS: dict[str, tuple[int, bool, int]] = {
    "16": (16, False, 120),
    "32": (32, False, 500),
    "32, fold alone": (32, True, 100),
    "64": (64, False, 500),
}
ALL = "all"
PARTS = ("block", "last", "fold")


@dataclass(frozen=True, slots=True, kw_only=True)
class Coded:
    """Bits and squared error of a tile, the error in squared steps, with one kind of blocks."""

    bits: float
    error: float

    @property
    def cost(self) -> float:
        """Return what the encoder compares, in bits."""
        return self.bits + self.error / search.CHOICE_RATE


def companded_tiles(image: Image) -> list[F64]:
    """Return the companded tiles of an image, cut to whole blocks."""
    samples = image.samples.astype(np.float64)
    samples = samples[tuple(slice(n // WHOLE * WHOLE) for n in samples.shape)]
    known = samples[np.isfinite(samples)]
    middle = float(np.median(known))
    noise = 1.4826 * float(np.median(np.abs(known - middle)))
    companded = compand(np.where(np.isfinite(samples), samples, middle), middle, noise)
    sides = (range(0, n, TILE) for n in companded.shape)
    down, across = (list(side) for side in sides)
    return [np.ascontiguousarray(companded[y : y + TILE, x : x + TILE]) for y in down for x in across]


def step_of(model: TrellisModel, tiles: Sequence[F64], rate: float) -> float:
    """Return the step at which a model needs about so many bits a pixel; the finest one if it needs fewer."""
    low, high = np.log(FINEST), np.log(COARSEST)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        bits = 0
        for tile in tiles:
            codes, _ = model._first_codes(tile, float(np.exp(middle)), None)
            bits += 8 * sum(map(len, model.stage_streams(codes)))
        low, high = (middle, high) if bits > rate * sum(tile.size for tile in tiles) else (low, middle)
    return float(np.exp(0.5 * (low + high)))


def coded(model: TrellisModel, tile: F64, step: float, code: int, lapped: Lapped | None = None) -> Coded:
    """Code a tile of whole blocks with the kind ``code``, or with trained matrices in its place."""
    scalar = empty_codes((tile.shape[0], tile.shape[1]), step)
    head = replace(empty_codes(scalar.shape, RATIO * scalar.step), code=code)
    g = transform.geometry_of(head.shape, code)
    weight = RATE_SHARE * search.rate_weight(scalar.step) / RATIO**2
    if lapped is None:
        codes = model.assign(head, transform.analyse(tile, g, scalar.step) / head.step, weight)
        restored = model.companded(codes)
    else:
        down, across = lapped.of_line(g.rows), lapped.of_line(g.columns)
        whole = (down @ tile @ across.T).reshape(g.rows, g.height, g.columns, g.width)
        codes = model.assign(head, np.ascontiguousarray(whole.transpose(0, 2, 1, 3)) / head.step, weight)
        values = values_of(codes).transpose(0, 2, 1, 3).reshape(tile.shape)
        # As 9.9 ends: what a tile restores to is rounded, which counts where steps are fine.
        restored = np.clip(np.rint(OUTPUT_UNIT * (down.T @ values @ across)), -OUTPUT_LIMIT, OUTPUT_LIMIT)
    wrong = restored / OUTPUT_UNIT - tile
    bits = 8.0 * sum(map(len, codes.bodies))
    return Coded(bits=bits, error=float(np.vdot(wrong, wrong)) / scalar.step**2)


def values_of(codes: TrellisCodes) -> F64:
    """Return what coefficients stand for, in companded units."""
    sizes = np.abs(codes.coefficients)
    wide = codes.values + np.where(sizes == 1, codes.offsets[0], codes.offsets[1])
    return np.asarray(np.sign(codes.coefficients) * np.maximum(wide, 0) * (codes.step / 64), np.float64)


def cheapest(kinds: Mapping[str, Coded]) -> str:
    """Return the name of the kind of least cost."""
    return min(kinds, key=lambda name: kinds[name].cost)


def measured(
    model: TrellisModel, tiles: Sequence[F64], rate: float, trained: Mapping[str, Lapped]
) -> Iterator[tuple[str, Cells]]:
    """Yield the measured cells for each set of matrices, and for all of them together."""
    step = step_of(model, tiles, rate)
    plain = [{str(code): coded(model, tile, step, code) for code in range(transform.WAVELET + 1)} for tile in tiles]
    ours = [
        {
            name: coded(model, tile, step, transform.NOMINAL.index(VARIANTS[name][0]), lapped)
            for name, lapped in trained.items()
        }
        for tile in tiles
    ]
    before = [cheapest(kinds) for kinds in plain]
    bits = sum(kinds[name].bits for kinds, name in zip(plain, before, strict=True))
    least = sum(kinds[name].cost for kinds, name in zip(plain, before, strict=True))
    for name in (*trained, ALL):
        added = list(trained) if name == ALL else [name]
        both = [kinds | {one: more[one] for one in added} for kinds, more in zip(plain, ours, strict=True)]
        after = [cheapest(kinds) for kinds in both]
        total = sum(kinds[one].cost for kinds, one in zip(both, after, strict=True))
        cells: Cells = {
            "rate": rate, "step": f"{step:.4f}", "matrices": name, "plain_kinds": " ".join(before),
            "kinds": "; ".join(after), "plain_bits": round(bits), "ratio": f"{1 + (total - least) / bits:.4f}",
        }  # fmt: skip
        if name != ALL:
            code = str(transform.NOMINAL.index(VARIANTS[name][0]))
            same = sum(kinds[code].bits for kinds in plain)
            change = sum(more[name].cost - kinds[code].cost for kinds, more in zip(plain, ours, strict=True))
            cells["forced_ratio"] = f"{1 + change / same:.4f}"
        yield name, cells


def trained_matrices(data: Path, kept: Path) -> dict[str, Lapped]:
    """Return all trained matrices; ``kept`` holds those of a run that was stopped, and then these."""
    from benchmarks.studies.matrices_training import Lapped, train, training_images

    found: dict[str, F64] = {}
    if kept.exists():
        with np.load(kept) as file:
            found = {name: file[name] for name in file}
    missing = [name for name in VARIANTS if f"{name} block" not in found]
    shown = training_images(data, seed=1) if missing else []
    for name in missing:
        n, fold_alone, turns = VARIANTS[name]
        lapped = train(n, shown, turns=turns, fold_alone=fold_alone)
        found |= {f"{name} {part}": getattr(lapped, part) for part in PARTS}
        np.savez(kept, allow_pickle=False, **found)
    return {name: Lapped(**{part: found[f"{name} {part}"] for part in PARTS}) for name in VARIANTS}


def run_matrices(*, data: Path, sets: Sequence[str], out: Path, commit: str) -> list[str]:
    """Train all matrices, add the rows that ``out`` lacks; gives a Markdown table of the new ones."""
    from radcodec.base.store import load_model

    model = load_model(MODEL)
    assert isinstance(model, TrellisModel)
    trained = trained_matrices(data, out.with_suffix(".npz"))
    done, rows = rows_done(out, KEY), list[Row]()
    for chosen in sets or SETS:
        for number, image in enumerate(images(data, chosen)):
            if chosen.startswith("first") and number >= N_FIRST:
                break
            missing = [rate for rate in RATES if (image.file, str(image.hdu), str(rate), ALL) not in done]
            tiles = companded_tiles(image) if missing else []
            for rate in missing:
                for _, cells in measured(model, tiles, rate, trained):
                    row = image_cells(image, chosen=chosen, commit=commit) | {"model": MODEL} | cells
                    append_row(out, COLUMNS, row)
                    rows.append({key: str(value) for key, value in row.items()})
    return matrices_lines(rows)


def matrices_lines(rows: Sequence[Row]) -> list[str]:
    """Write a Markdown line for each set and matrices: the geometric mean of the ratios at each rate."""
    lines = [
        "| set | matrices | " + " | ".join(f"{rate} bit a pixel" for rate in RATES) + " | least of one image |",
        "|---|---|" + "---:|" * (len(RATES) + 1),
    ]
    groups: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        groups[row["set"], row["matrices"]][row["rate"]].append(float(row["ratio"]))
    for (chosen, name), ratios in groups.items():
        means = [f"{statistics.geometric_mean(ratios[str(rate)]):.3f}" for rate in RATES if ratios[str(rate)]]
        least = min(min(some) for some in ratios.values() if some)
        lines.append(f"| {chosen} | {name} | {' | '.join(means)} | {least:.3f} |")
    return lines

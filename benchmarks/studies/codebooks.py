"""How the codebooks of both models are used: perplexity and idle entries as CSV rows, usage as figures.

Perplexity is 2 to the power of the entropy of an alphabet's histogram over all images of a set. It is the number of
entries that would do if all were used alike. No index names an idle entry.

Rows of lapped models are about a plane and an alphabet. Planes are numbered as in the format: plane s has steps of
about 2^(8-s) companded units. ``table_rows`` says how many of the alphabet's ``tables`` were used.

Trellis models have the rows of lapped models, and one of kind ``points`` (plane 0). Its entries are of
two codebooks, six classes of context and three sizes of an index.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import machine
from benchmarks.figures import new_figure, save_figure
from benchmarks.rows import append_row, rows_done
from benchmarks.studies.atoms import draw_atoms
from benchmarks.studies.indices import (
    Part,
    Ratio,
    Stage,
    image_stages,
    lapped_codes,
    plane_stages,
    set_ratios,
    table_counts,
    used_points,
)
from benchmarks.studies.prior import histogram
from benchmarks.types import Row

COLUMNS = (
    "machine", "commit", "set", "images", "model", "stage", "kind", "entries", "indices", "perplexity", "idle",
    "largest_share", "tables", "table_rows", "table_perplexity",
)  # fmt: skip
KEY = ("set", "model", "stage", "kind")
SETS = ("first/val", "simulated")
COLOURS = {"first/val": "tab:blue", "simulated": "tab:orange"}
KIND_COLOURS = {"zz": "tab:blue", "zn": "tab:orange", "nn": "tab:green", "flags": "tab:red"}
SHOWN_KIND, SHOWN_TABLES = "zz", 48
POINTS = "points"
BRIGHT = 0.01  # share above which the picture is bright
Counts = npt.NDArray[np.int64]


def perplexity(counts: Counts) -> float:
    """Return 2 to the power of the entropy of a histogram; 0 for an empty one."""
    used = counts[counts > 0] / max(1, int(counts.sum()))
    return float(np.exp2(-(used * np.log2(used)).sum())) if used.size else 0.0


def usage_cells(counts: Counts, tables: Counts) -> dict[str, object]:
    """Measure the cells of an alphabet's histogram, and of the use of its tables (empty: it has none)."""
    total = int(counts.sum())
    return {
        "entries": len(counts), "indices": total, "perplexity": f"{perplexity(counts):.3f}",
        "idle": int((counts == 0).sum()), "largest_share": f"{counts.max() / max(1, total):.4f}",
        "tables": len(tables) or "", "table_rows": int((tables > 0).sum()) if len(tables) else "",
        "table_perplexity": f"{perplexity(tables):.3f}" if len(tables) else "",
    }  # fmt: skip


class Usage:
    """Histograms of the indices and of the tables of one model over one set, by stage and alphabet."""

    def __init__(self, name: str, ratios: list[Ratio]) -> None:
        from radcodec.base.lapped.model import LappedModel
        from radcodec.base.store import load_model
        from radcodec.base.trellis.model import TrellisModel

        model = load_model(name)
        self.name, self.lapped, self.n_images = name, isinstance(model, LappedModel), len(ratios)
        self.points = model.wide.points if isinstance(model, TrellisModel) else None
        self.atoms = model.wide.atoms if isinstance(model, TrellisModel) else None
        self.codes: dict[tuple[int, str], Counts] = {}
        self.tables: dict[tuple[int, str], Counts] = defaultdict(lambda: np.zeros(0, np.int64))
        n_tables = table_counts(model) if isinstance(model, LappedModel) else {}
        for ratio in ratios:
            stages = plane_stages(model, ratio) if isinstance(model, LappedModel) else image_stages(model, ratio)
            if isinstance(model, TrellisModel):
                entries = used_points(model, lapped_codes(model, ratio, None))
                part = Part(kind=POINTS, alphabet=model.wide.points.size, indices=entries, tables=np.empty(0, np.int64))
                stages = [Stage(number=0, parts=(part,), coded=0), *stages]
            for stage in stages:
                self._add(stage, n_tables)

    def _add(self, stage: Stage, n_tables: dict[str, int]) -> None:
        for part in stage.parts:
            key = (stage.number, part.kind)
            self.codes[key] = self.codes.get(key, np.zeros(part.alphabet, np.int64)) + histogram(part)
            if part.kind in n_tables:
                used = np.bincount(part.tables, minlength=n_tables[part.kind])
                self.tables[key] = used + (self.tables[key] if self.tables[key].size else 0)

    @property
    def planes(self) -> list[int]:
        """Stages or planes that have indices."""
        return sorted({number for number, kind in self.codes if kind != POINTS})


def draw_convolutional(usages: dict[str, Usage], path: Path) -> Path:
    """Draw the share of every entry, most used first, of each stage."""
    stages = sorted({number for usage in usages.values() for number in usage.planes})
    figure, axes = new_figure(2, -(-len(stages) // 2), (12, 5))
    for axis, number in zip(axes.ravel(), stages, strict=False):
        for chosen, usage in usages.items():
            counts = np.sort(usage.codes[number, "codebook"])[::-1]
            label = f"{chosen}: {perplexity(counts):.0f}"
            axis.semilogy(1 + np.flatnonzero(counts), counts[counts > 0] / counts.sum(), COLOURS[chosen], label=label)
        axis.set_title(f"stage {number}, {len(counts)} entries", fontsize=9)
        axis.legend(title="perplexity", fontsize=7, title_fontsize=7)
        axis.tick_params(labelsize=7)
    figure.supxlabel("entry, most used first", fontsize=9)
    figure.supylabel("share of the indices", fontsize=9)
    return save_figure(figure, path)


def draw_lapped(usages: dict[str, Usage], path: Path) -> Path:
    """Draw a row for each set: indices of each plane by alphabet, their perplexity, and what codes or decodes them.

    That are the tables for ``zz`` of a lapped model, and the codebooks of a trellis model.
    """
    figure, axes = new_figure(len(usages), 3, (12, 3.2 * len(usages)))
    for (chosen, usage), (amount, spread, rows) in zip(usages.items(), axes, strict=True):
        planes = np.array(usage.planes)
        bottom = np.zeros(len(planes))
        for kind, colour in KIND_COLOURS.items():
            counts = [usage.codes.get((int(s), kind), np.zeros(1, np.int64)) for s in planes]
            sizes = np.array([c.sum() for c in counts]) / usage.n_images
            amount.bar(planes, sizes, bottom=bottom, color=colour, label=kind)
            bottom = bottom + sizes
            spread.plot(planes, [perplexity(c) or np.nan for c in counts], "o-", color=colour, label=kind, ms=3)
        if usage.points is None:
            draw_tables(usage, planes, rows, figure)
        else:
            draw_points(usage.points, usage.codes[0, POINTS], rows, figure)
        amount.set(title=f"{chosen}: indices an image", xlabel="plane")
        spread.set(title="perplexity of the codes (of 9, 6, 4, 2)", xlabel="plane", ylim=(1, 9))
        amount.legend(fontsize=7)
    return save_figure(figure, path)


def draw_tables(usage: Usage, planes: Counts, axis: Any, figure: Any) -> None:
    """Draw how often the network picks each table for ``zz``, in each plane."""
    used = (usage.tables[int(s), SHOWN_KIND] for s in planes)
    shares = np.array([counts / max(1, counts.sum()) for counts in used])
    edge = (-0.5, SHOWN_TABLES - 0.5, planes[0] - 0.5, planes[-1] + 0.5)
    picture = axis.imshow(shares, aspect="auto", origin="lower", extent=edge, cmap="viridis")
    figure.colorbar(picture, ax=axis, label="share of the plane's zz codes")
    axis.set(title="table that the network picks for zz", xlabel="table", ylabel="plane")


def draw_points(points: npt.NDArray[np.int16], counts: Counts, axis: Any, figure: Any) -> None:
    """Draw how often each entry of the two codebooks is used; numbers are the entries, in 64ths of a step."""
    n_books, n_classes, n_sizes = points.shape
    shares = (counts / max(1, counts.sum())).reshape(n_books * n_classes, n_sizes)
    picture = axis.imshow(np.log10(np.maximum(shares, 1e-6)), aspect="auto", origin="lower", cmap="viridis")
    figure.colorbar(picture, ax=axis, label="log10 of the share of indices")
    for (row, column), value in np.ndenumerate(points.reshape(-1, n_sizes)):
        colour = "black" if shares[row, column] > BRIGHT else "white"
        axis.text(column, row, f"{value:+d}", ha="center", va="center", color=colour, fontsize=7)
    axis.set(title="entries of the codebooks", xlabel="size of the index", ylabel="codebook and class of context")
    axis.set_xticks(range(n_sizes), ["1", "2", "3 and more"])
    axis.set_yticks(range(n_books * n_classes), [f"{book}, {c}" for book in range(n_books) for c in range(n_classes)])
    axis.tick_params(labelsize=7)


def run_codebooks(*, data: Path, figures: Path, models: Sequence[str], out: Path, commit: str) -> list[str]:
    """Add the rows that ``out`` lacks and draw the figures; gives their paths."""
    done, lines = rows_done(out, KEY), []
    ratios = {chosen: set_ratios(data, chosen) for chosen in SETS}
    for name in models:
        usages = {chosen: Usage(name, some) for chosen, some in ratios.items()}
        for chosen, usage in usages.items():
            for (number, kind), counts in sorted(usage.codes.items()):
                if (chosen, name, str(number), kind) in done:
                    continue
                known = {
                    "machine": machine.system(), "commit": commit, "set": chosen, "images": usage.n_images,
                    "model": name, "stage": number, "kind": kind,
                }  # fmt: skip
                append_row(out, COLUMNS, known | usage_cells(counts, usage.tables[number, kind]))
        draw = draw_lapped if next(iter(usages.values())).lapped else draw_convolutional
        lines.append(f"drawn: {draw(usages, figures / f'codebooks-{name}.png')}")
        atoms = next(iter(usages.values())).atoms
        if atoms is not None:
            lines.append(f"drawn: {draw_atoms(atoms, figures / f'atoms-{name}.png')}")
    return lines


def codebook_lines(rows: list[Row]) -> list[str]:
    """Write a Markdown line for each stage or plane of each model: perplexity and idle entries for each set."""
    lines = [
        f"| model | stage or plane | entries | {' | '.join(f'perplexity, {s} | idle' for s in SETS)} |",
        "|---|---:|---:|" + "---:|" * (2 * len(SETS)),
    ]
    cells: dict[tuple[str, int, str, str], dict[str, Row]] = defaultdict(dict)
    for row in rows:
        cells[row["model"], int(row["stage"]), row["kind"], row["entries"]][row["set"]] = row
    for model, stage, kind, entries in sorted(cells):
        by_set = cells[model, stage, kind, entries]
        found = [by_set.get(chosen, {"perplexity": "-", "idle": "-"}) for chosen in SETS]
        texts = " | ".join(f"{row['perplexity']} | {row['idle']}" for row in found)
        what = {"codebook": str(stage), POINTS: "entries of both codebooks"}.get(kind, f"{stage}, {kind}")
        lines.append(f"| {model} | {what} | {entries} | {texts} |")
    return lines

"""What the learned priors save: real bytes of every stage against simpler codes of the same indices, as CSV rows.

``coded_bytes`` are the whole streams of a stage in whole bytes, one tile an image. Beside them:

- ``fixed_bits``: log2 of the alphabet for each index;
- ``pooled_bits``: order 0, the empirical entropy of the stage's indices over all images of the set. The histogram is
  known beforehand and costs nothing, so this is the best of one static table made from these very images;
- ``image_bits``: order 0, the empirical entropy in each image by itself. Its histogram costs nothing either, so no code
  reaches it;
- ``adaptive_bits``: order 0, learned while coding each image (Krichevsky and Trofimov 1981,
  doi:10.1109/TIT.1981.1056331). This is the cost of coding without any table.

Lapped models have several alphabets a stage; each has its own histogram.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks import machine
from benchmarks.rows import append_row, rows_done
from benchmarks.studies.indices import Part, Stage, image_stages, set_ratios
from benchmarks.types import Row

COLUMNS = (
    "machine", "commit", "set", "images", "pixels", "model", "step", "stage", "indices", "coded_bytes", "fixed_bits",
    "pooled_bits", "image_bits", "adaptive_bits",
)  # fmt: skip
KEY = ("set", "model", "step", "stage")
SETS = ("first/val", "first/test", "telescopes")
STEPS = (0.35, 1.4)  # of lapped models: the default, about 2 bits a pixel on FIRST, and about a quarter of a bit
Counts = npt.NDArray[np.int64]


def histogram(part: Part) -> Counts:
    """Count how often each code of an alphabet was used."""
    return np.bincount(part.indices, minlength=part.alphabet)


def adaptive_bits(counts: Counts) -> float:
    """Return the bits of symbols when each is coded by (count so far + 1/2) / (symbols so far + K/2)."""
    size, total = len(counts), int(counts.sum())
    nats = math.lgamma(total + size / 2) - math.lgamma(size / 2)
    nats -= sum(math.lgamma(int(n) + 0.5) - math.lgamma(0.5) for n in counts if n)
    return nats / math.log(2)


def stage_cells(stages: list[Stage]) -> dict[str, object]:
    """Measure the cells of one stage of all images, one Stage each."""
    from radcodec.training.stage_rates import entropy_bits

    pooled: dict[str, Counts] = {}
    fixed = image = adaptive = 0.0
    for stage in stages:
        for part in stage.parts:
            counts = histogram(part)
            pooled[part.kind] = pooled.get(part.kind, np.zeros_like(counts)) + counts
            fixed += part.indices.size * math.log2(part.alphabet)
            image += entropy_bits(counts.astype(np.float64))
            adaptive += adaptive_bits(counts)
    return {
        "indices": sum(int(counts.sum()) for counts in pooled.values()),
        "coded_bytes": sum(stage.coded for stage in stages),
        "fixed_bits": f"{fixed:.1f}",
        "pooled_bits": f"{sum(entropy_bits(counts.astype(np.float64)) for counts in pooled.values()):.1f}",
        "image_bits": f"{image:.1f}",
        "adaptive_bits": f"{adaptive:.1f}",
    }


def run_prior(*, data: Path, sets: list[str], models: Sequence[str], out: Path, commit: str) -> list[str]:
    """Add the rows of models that ``out`` lacks; gives a line on each set and model."""
    from radcodec.base.store import load_model

    done, lines = rows_done(out, KEY), []
    for chosen in sets or SETS:
        ratios = set_ratios(data, chosen)
        for name in models:
            model = load_model(name)
            for step in STEPS if model.takes_step else (None,):
                text = "" if step is None else f"{step:g}"
                if (chosen, name, text, "1") in done:
                    continue
                by_stage: dict[int, list[Stage]] = defaultdict(list)
                for ratio in ratios:
                    for stage in image_stages(model, ratio, step):
                        by_stage[stage.number].append(stage)
                known = {
                    "machine": machine.system(), "commit": commit, "set": chosen, "images": len(ratios),
                    "pixels": sum(ratio.size for ratio in ratios), "model": name, "step": text,
                }  # fmt: skip
                rows = [known | {"stage": n} | stage_cells(by_stage[n]) for n in sorted(by_stage)]
                for row in rows:
                    append_row(out, COLUMNS, row)
                texts = [{key: str(value) for key, value in row.items()} for row in rows]
                lines.append(f"{chosen}, {name} {text}: {saved(texts)}")
    return lines


def saved(rows: list[Row]) -> str:
    """Say what the bytes of some rows save against each of the other codes, in percent."""
    coded = 8 * sum(float(row["coded_bytes"]) for row in rows)
    shares = []
    for column, what in (("fixed", "fixed length"), ("pooled", "order 0"), ("adaptive", "adaptive order 0")):
        other = sum(float(row[f"{column}_bits"]) for row in rows)
        shares.append(f"{100 * (1 - coded / other):.1f} % against {what}")
    return ", ".join(shares)


def prior_lines(rows: list[Row]) -> list[str]:
    """Write a Markdown line for each stage of each set, model and step, and one for their sums, in bits a pixel."""
    lines = [
        "| set | model | stage | coded | fixed | order 0, set | order 0, image | adaptive | saved | order 0 |",
        "|---|---|---|" + "---:|" * 7,
    ]
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["set"], row["model"], row["step"]].append(row)
    for (chosen, model, step), some in groups.items():
        title = f"{chosen} | {model}{f', step {step}' if step else ''}"
        for stage, part in [*((row["stage"], [row]) for row in some), ("all", some)]:
            pixels = float(part[0]["pixels"])
            coded = 8 * sum(float(row["coded_bytes"]) for row in part)
            others = [
                sum(float(row[f"{column}_bits"]) for row in part) for column in ("fixed", "pooled", "image", "adaptive")
            ]
            bits = " | ".join(f"{value / pixels:.4f}" for value in (coded, *others))
            shares = " | ".join(f"{100 * (1 - coded / other):.1f} %" for other in others[:2])
            lines.append(f"| {title} | {stage} | {bits} | {shares} |")
    return lines

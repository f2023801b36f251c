"""Picture of a model's codebook of source atoms: every patch with its number and its share of the uses."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.figures import new_figure, save_figure
from radcodec.base.trellis.atoms import AtomArrays

COLUMNS = 16


def draw_atoms(atoms: AtomArrays, path: Path) -> Path:
    """Draw all patches, the most used first; a title is the length of an entry's code in bits."""
    shapes = atoms.samples() / 127.0**2
    rows = -(-len(shapes) // COLUMNS)
    figure, axes = new_figure(rows, COLUMNS, (12, 0.9 * rows))
    for axis in axes.ravel():
        axis.axis("off")
    order = np.argsort(atoms.atom_lengths, kind="stable")
    for axis, number in zip(axes.ravel(), order, strict=False):
        axis.imshow(shapes[number], cmap="RdBu_r", vmin=-1, vmax=1, origin="lower")
        axis.set_title(f"{atoms.atom_lengths[number]} bits", fontsize=6, pad=2)
    return save_figure(figure, path)

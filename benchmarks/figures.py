"""Figures of the docs: matplotlib for axes, plain grey pictures for images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

MOST_BYTES = 200_000
GREYS = 32  # grey levels of a picture: noise in more of them is bytes that no eye sees


def new_figure(rows: int, columns: int, size: tuple[float, float]) -> tuple[Any, npt.NDArray[Any]]:
    """Return a figure of a size in inches, and its axes, object [rows, columns]."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    return figure, np.asarray(axes)


def save_figure(figure: Any, path: Path) -> Path:
    """Write a figure as PNG without a date in it, and return its path."""
    from matplotlib import pyplot

    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90, metadata={"Software": None})
    pyplot.close(figure)
    return checked(path)


def save_greys(levels: npt.NDArray[np.uint8], path: Path) -> Path:
    """Write grey levels [H, W] as PNG, coarsened to GREYS of them, and return the path."""
    from radcodec.decoding.picture import png_bytes

    path.parent.mkdir(parents=True, exist_ok=True)
    step = 255 / (GREYS - 1)
    coarse = np.rint(np.rint(levels / step) * step).astype(np.uint8)
    path.write_bytes(png_bytes(coarse))
    return checked(path)


def checked(path: Path) -> Path:
    """Return the path of a picture; SystemExit if it is too large for the docs."""
    if path.stat().st_size > MOST_BYTES:
        raise SystemExit(f"{path}: expected at most {MOST_BYTES} bytes, found {path.stat().st_size}")
    return path

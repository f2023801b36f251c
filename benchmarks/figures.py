"""Figures of the docs: matplotlib where there are axes, plain grey pictures where there are images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

MOST_BYTES = 200_000
GREYS = 32  # grey levels of a picture: noise in more of them is bytes that no eye sees


def new_figure(rows: int, columns: int, size: tuple[float, float]) -> tuple[Any, npt.NDArray[Any]]:
    """A figure of so many inches, and its axes, object [rows, columns]."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    return figure, np.asarray(axes)


def save_figure(figure: Any, path: Path) -> Path:
    """The path that a figure was written to, as PNG without a date in it."""
    from matplotlib import pyplot

    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90, metadata={"Software": None})
    pyplot.close(figure)
    return checked(path)


def save_greys(levels: npt.NDArray[np.uint8], path: Path) -> Path:
    """The path that grey levels [H, W] were written to, as PNG, coarsened to GREYS of them."""
    from radcodec.picture import png_bytes

    path.parent.mkdir(parents=True, exist_ok=True)
    step = 255 / (GREYS - 1)
    coarse = np.rint(np.rint(levels / step) * step).astype(np.uint8)
    path.write_bytes(png_bytes(coarse))
    return checked(path)


def checked(path: Path) -> Path:
    """The path of a picture that is not too large for the docs."""
    if path.stat().st_size > MOST_BYTES:
        raise SystemExit(f"{path}: expected at most {MOST_BYTES} bytes, found {path.stat().st_size}")
    return path

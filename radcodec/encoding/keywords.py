"""Every option of `radcodec.encode` and `radcodec.compress`, written once: its name, its type and its default.

A new option is a line here, a check in `make_options` and a field of `EncodeOptions` or `Fidelity`. The second part of
each ``Annotated`` is the default, a third one says what is expected (`radcodec.runtime.keywords`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeAlias, TypedDict

from radcodec.limits import DEFAULT_EFFORT, DEFAULT_TILE, MAX_EFFORT, MIN_EFFORT
from radcodec.types import HduChoice

# A number, a text such as "0.125sigma", or a quantity of astropy.units.
Bound: TypeAlias = Any
Fill: TypeAlias = float | str
Path: TypeAlias = str | os.PathLike[str]
Progress: TypeAlias = Callable[[int], None]

# What is expected for `effort`.
EFFORTS = f"an effort of {MIN_EFFORT} (fast) to {MAX_EFFORT} (smallest)"


class ImageKeywords(TypedDict, total=False):
    """Options of arrays and of FITS files."""

    max_error: Annotated[Bound | None, None]
    lossy: Annotated[bool, False]
    lossy_bpp: Annotated[float | None, None]
    lossy_stages: Annotated[int | None, None]
    model: Annotated[Path | None, None]
    threads: Annotated[int | None, None]
    verify: Annotated[bool, True]
    sigma: Annotated[float | None, None]
    tile: Annotated[int | str | Sequence[int], DEFAULT_TILE]
    dither: Annotated[bool, False]
    smallest: Annotated[bool, False]
    details_on_base: Annotated[str, "auto"]
    effort: Annotated[int, DEFAULT_EFFORT, EFFORTS]
    fill: Annotated[Fill | Sequence[Fill], ()]
    force: Annotated[bool, False]
    clean: Annotated[bool, False]


class StreamKeywords(TypedDict, total=False):
    """Options of `radcodec.create`."""

    max_error: Annotated[Bound | None, None]
    sigma: Annotated[float | None, None]
    dither: Annotated[bool, False]
    effort: Annotated[int, DEFAULT_EFFORT, EFFORTS]
    tile: Annotated[int | str | Sequence[int], DEFAULT_TILE]
    fill: Annotated[Fill | Sequence[Fill], ()]
    force: Annotated[bool, False]
    threads: Annotated[int | None, None]
    verify: Annotated[bool, True]
    no_provenance: Annotated[bool, False]
    sync: Annotated[bool, False]


class EncodeKeywords(ImageKeywords, total=False):
    """Options of `radcodec.encode`."""

    preview: Annotated[float, 0]


class CompressKeywords(ImageKeywords, total=False):
    """Options of `radcodec.compress`."""

    preview: Annotated[float | None, None]
    hdu: Annotated[HduChoice | Sequence[HduChoice], ()]
    exact_hdu: Annotated[HduChoice | Sequence[HduChoice], ()]
    no_provenance: Annotated[bool, False]
    progress: Annotated[Progress | None, None]

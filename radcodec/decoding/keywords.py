"""Every option of `radcodec.cutout` and `radcodec.preview`, written once (`radcodec.runtime.keywords`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypedDict

from radcodec.types import HduChoice


class CutoutKeywords(TypedDict, total=False):
    """What to cut out, beside a region."""

    center: Annotated[Any, None]
    size: Annotated[Any, None]
    plane: Annotated[int | None, None]
    hdu: Annotated[HduChoice | None, None]
    partial: Annotated[bool, False]


class PreviewKeywords(TypedDict, total=False):
    """What to look at, and how."""

    plane: Annotated[int, 0]
    hdu: Annotated[HduChoice | None, None]
    full: Annotated[bool, False]
    size: Annotated[int | None, None]
    base_only: Annotated[bool, False]
    on_note: Annotated[Callable[[str], None] | None, None]

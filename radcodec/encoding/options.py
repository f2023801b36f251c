"""What a user asks for, as options that fit together."""

from __future__ import annotations

import math
import operator
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, SupportsIndex, TypeAlias, cast

from radcodec.encoding.bound_spec import parse_bound
from radcodec.encoding.coded_image import EncodeOptions
from radcodec.errors import BoundError, InputError
from radcodec.fits.select import HduChoice, HduSelector, parse_hdu
from radcodec.limits import MAX_PREVIEW_PERCENT, MAX_STAGES, MAX_TILE, MIN_TILE
from radcodec.runtime.parallel import usable_threads
from radcodec.types import DetailsOnBase, Mode

Progress = Callable[[int], None]
Fill: TypeAlias = float | str
_INTEGER = re.compile(r"\s*[+-]?[0-9]+\s*")


def parse_hdus(choice: HduChoice | Sequence[HduChoice]) -> tuple[HduSelector, ...]:
    """Read one HDU or several; a pair of a name and EXTVER is one."""
    pair = isinstance(choice, tuple) and len(choice) == 2 and isinstance(choice[1], int)
    if isinstance(choice, str) or pair or not isinstance(choice, Iterable):
        return (parse_hdu(cast(HduChoice, choice)),)
    return tuple(map(parse_hdu, cast(Iterable[HduChoice], choice)))


def parse_fills(fill: Fill | Sequence[Fill]) -> tuple[float, ...]:
    """Read one fill value or several; raises InputError for what is no finite number."""
    several = isinstance(fill, Iterable) and not isinstance(fill, str)
    return tuple(map(_fill_value, cast(Iterable[Fill], fill) if several else (cast(Fill, fill),)))


def _fill_value(value: Fill) -> float:
    """A finite number, or text that reads as one: an int where it is written as such, so that large ones keep."""
    try:
        if isinstance(value, bool):
            raise TypeError
        number: float = int(value) if isinstance(value, str) and _INTEGER.fullmatch(value) else _plain_number(value)
        if not math.isfinite(number):
            raise ValueError
    except (TypeError, ValueError, OverflowError) as err:
        raise InputError(f"expected a fill value that is a finite number, found {value!r}") from err
    return number


def _plain_number(value: Fill) -> float:
    return operator.index(value) if isinstance(value, SupportsIndex) else float(value)


def _checked_noise(sigma: Any) -> float:
    """The noise that a user gives, as a number; raises BoundError where it is none."""
    try:
        return float(sigma)
    except (TypeError, ValueError, OverflowError) as err:
        raise BoundError(f"expected the noise as a number in the image's unit, found {sigma!r:.80}") from err


def make_options(
    *,
    max_error: Any,
    lossy: bool,
    lossy_bpp: float | None,
    lossy_stages: int | None,
    preview: float,
    model: str | os.PathLike[str] | None,
    threads: int | None,
    verify: bool,
    sigma: float | None,
    tile: int,
    dither: bool,
    smallest: bool,
    details_on_base: str,
    fill: Fill | Sequence[Fill] = (),
    hdu: HduChoice | Sequence[HduChoice] = (),
    exact_hdu: HduChoice | Sequence[HduChoice] = (),
    provenance: bool = True,
    force: bool = False,
    progress: Progress | None = None,
) -> EncodeOptions:
    """Options that fit together; raises BoundError or InputError where they do not."""
    if sigma is not None:
        sigma = _checked_noise(sigma)
    is_lossy = lossy or lossy_bpp is not None or lossy_stages is not None
    if is_lossy and max_error is not None:
        raise BoundError("expected either a largest error or lossy mode, found both: choose one")
    if lossy_bpp is not None and lossy_stages is not None:
        raise BoundError("expected either a bit-rate or a number of stages, found both: choose one")
    if lossy_bpp is not None and not (math.isfinite(lossy_bpp) and lossy_bpp > 0):
        raise BoundError(f"expected a bit-rate that is finite and above 0, found {lossy_bpp}")
    if lossy_stages is not None and not 1 <= lossy_stages <= MAX_STAGES:
        raise BoundError(f"expected 1 to {MAX_STAGES} stages of the base layer, found {lossy_stages}")
    on_base = _details_on_base(details_on_base, smallest)
    only_bounded = {
        "dither": dither,
        "sigma": sigma is not None,
        "force": force,
        "smallest": smallest,
        "details-on-base": on_base is DetailsOnBase.ALWAYS,
    }
    given = next((name for name, is_given in only_bounded.items() if is_given), None)
    if max_error is None and given is not None:
        raise BoundError(f"expected a largest error (--max-error) beside --{given}, found none")
    if not MIN_TILE <= tile <= MAX_TILE:
        raise InputError(f"expected a tile size of {MIN_TILE} to {MAX_TILE}, found {tile}")
    if not 0 <= preview <= MAX_PREVIEW_PERCENT:
        raise InputError(f"expected a preview of 0 to {MAX_PREVIEW_PERCENT:g} percent of the file, found {preview}")
    return EncodeOptions(
        mode=Mode.LOSSY if is_lossy else Mode.LOSSLESS if max_error is None else Mode.BOUNDED,
        bound=None if max_error is None else replace(parse_bound(max_error), force=force),
        bpp=lossy_bpp,
        n_stages=lossy_stages,
        sigma=sigma,
        hdus=parse_hdus(hdu),
        exact_hdus=parse_hdus(exact_hdu),
        fills=parse_fills(fill),
        dither=dither,
        details_on_base=on_base,
        preview_percent=0.0 if is_lossy else float(preview),
        model=None if model is None else os.fspath(model),
        tile_size=tile,
        threads=usable_threads(threads),
        verify=verify,
        provenance=provenance,
        progress=progress,
    )


def _details_on_base(choice: str, smallest: bool) -> DetailsOnBase:
    """The choice as one of a closed set; ``smallest`` is its older name.

    Raises
    ------
    InputError
        If there is no such choice, or it contradicts ``smallest``.
    """
    names = [member.value for member in DetailsOnBase]
    if choice not in names:
        raise InputError(f"expected details_on_base to be one of {', '.join(names)}, found {choice!r}")
    if smallest and choice == DetailsOnBase.NEVER.value:
        raise InputError("expected either smallest or details_on_base='never', found both: choose one")
    return DetailsOnBase.ALWAYS if smallest else DetailsOnBase(choice)

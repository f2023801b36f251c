"""What a user asks for, as options that fit together.

`keywords` has every option with its type and default; `make_options` checks them and gives an `EncodeOptions`.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, SupportsIndex, TypeAlias, cast

from radcodec.encoding.bound_spec import BoundSpec, is_auto_bound, parse_bound
from radcodec.encoding.keywords import EFFORTS, CompressKeywords, Fill
from radcodec.encoding.tile_option import parse_tile
from radcodec.errors import BoundError, InputError
from radcodec.fits.select import HduSelector, parse_hdu
from radcodec.limits import (
    DEFAULT_EFFORT,
    MAX_EFFORT,
    MAX_PREVIEW_PERCENT,
    MAX_STAGES,
    MIN_EFFORT,
)
from radcodec.pixels.tiles import TileOption
from radcodec.runtime.keywords import fill_in
from radcodec.runtime.option_values import is_true_or_false, name_or_path, shown
from radcodec.runtime.parallel import usable_threads
from radcodec.runtime.scratch import Scratch
from radcodec.types import DetailsOnBase, HduChoice, Mode

DEFAULT_PREVIEW_PERCENT = 1.0
#: The model that was trained on simulated images alone.
CLEAN_MODEL = "vqvae-v2"
_INTEGER = re.compile(r"\s*[+-]?[0-9]+\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lossless:
    """Every sample comes back bit for bit."""

    mode: ClassVar[Mode] = Mode.LOSSLESS


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounded:
    """Every sample comes back within a bound. ``sigma`` replaces the measured noise, physical units.

    The whole file is at most ``bpp`` bits a pixel. ``is_auto``: the smallest bound in sigma that keeps to that is
    looked for, and takes the place of ``bound``.
    """

    mode: ClassVar[Mode] = Mode.BOUNDED
    bound: BoundSpec
    bpp: float | None = None
    is_auto: bool = False
    sigma: float | None = None
    dither: bool = False
    details_on_base: DetailsOnBase = DetailsOnBase.AUTO


@dataclass(frozen=True, slots=True, kw_only=True)
class Lossy:
    """Base layer only: at most ``bpp`` bits a pixel, or ``n_stages`` stages, or all stages.

    ``step``, in units of the noise, is what a search for ``bpp`` would find, for measurements; None is the finest.
    """

    mode: ClassVar[Mode] = Mode.LOSSY
    bpp: float | None = None
    n_stages: int | None = None
    step: float | None = None


Fidelity: TypeAlias = Lossless | Bounded | Lossy


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeOptions:
    """How to encode a file.

    ``hdus`` are the images of a FITS file that are not exact, where they are named; ``exact_hdus`` are some that are.
    ``fills`` are values, in physical units, that are special. ``progress`` gets the number of pixels done since its
    last call, in the caller's thread. ``scratch`` holds what grows with an image. ``clean``: tables and header
    dictionary are those from invented data alone, and so is the default model. ``rough``: only about how much a file
    takes is asked, so that choices which change little are not tried.
    """

    fidelity: Fidelity = field(default_factory=Lossless)
    hdus: tuple[HduSelector, ...] = ()
    exact_hdus: tuple[HduSelector, ...] = ()
    fills: tuple[float, ...] = ()
    preview_percent: float = 0.0
    effort: int = DEFAULT_EFFORT
    model: str | None = None
    clean: bool = False
    tile: TileOption
    threads: int
    verify: bool = True
    rough: bool = False
    provenance: bool = True
    progress: Callable[[int], None] | None = field(default=None, repr=False)
    scratch: Scratch = field(default_factory=Scratch, repr=False, compare=False)


def most_bytes(bpp: float, n_pixels: int) -> int:
    """Return the bytes that a file of a bit-rate may have: as many as a file whose rate, as a float, this is."""
    return math.floor(bpp * n_pixels / 8 * (1 + 1e-12))


def needed_bytes(source_bytes: int, fidelity: Fidelity) -> int:
    """Count about the bytes of temporary files that a source needs: itself, what it restores to, half of it streams."""
    return source_bytes * (3 if isinstance(fidelity, Lossless) else 5) // 2


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
    """Read a finite number, or text that reads as one: an int where it is written as such, so that large ones keep."""
    try:
        if is_true_or_false(value):
            raise TypeError
        number: float = int(value) if isinstance(value, str) and _INTEGER.fullmatch(value) else _plain_number(value)
        if not math.isfinite(number):
            raise ValueError
    except (TypeError, ValueError, OverflowError) as err:
        raise InputError(f"expected a fill value that is a finite number, found {shown(value)}") from err
    return number


def _plain_number(value: Fill) -> float:
    return operator.index(value) if isinstance(value, SupportsIndex) else float(value)


def _checked_effort(level: int) -> int:
    """Check a level of effort; raises InputError for one that is out of range."""
    if not MIN_EFFORT <= level <= MAX_EFFORT:
        raise InputError(f"expected {EFFORTS}, found {level}")
    return level


def make_options(keywords: Mapping[str, Any]) -> EncodeOptions:
    """Make options of the keywords of `radcodec.encode` or `radcodec.compress`; those not given have their default.

    Raises
    ------
    TypeError
        If a keyword is not one of `CompressKeywords`.
    BoundError, InputError
        If a value is of another type or out of range, or two options exclude each other.
    """
    given = fill_in(CompressKeywords, keywords)
    preview = given["preview"]
    fidelity = _fidelity(given)
    if preview is None:
        preview = DEFAULT_PREVIEW_PERCENT
    if not 0 <= preview <= MAX_PREVIEW_PERCENT:
        raise InputError(f"expected a preview of 0 to {MAX_PREVIEW_PERCENT:g} percent of the file, found {preview}")
    return EncodeOptions(
        fidelity=fidelity,
        hdus=parse_hdus(given["hdu"]),
        exact_hdus=parse_hdus(given["exact_hdu"]),
        fills=parse_fills(given["fill"]),
        preview_percent=0.0 if isinstance(fidelity, Lossy) else float(preview),
        effort=_checked_effort(given["effort"]),
        model=_model_name(given["model"], clean=given["clean"]),
        clean=given["clean"],
        tile=parse_tile(given["tile"]),
        threads=usable_threads(given["threads"]),
        verify=given["verify"],
        provenance=not given["no_provenance"],
        progress=given["progress"],
    )


def _model_name(model: Any, *, clean: bool) -> str | None:
    """Read a name or path of a model; None is the default one."""
    return name_or_path("model", model) if model is not None else CLEAN_MODEL if clean else None


def _fidelity(given: Mapping[str, Any]) -> Fidelity:
    """Read how exact an image will be; raises BoundError where the options exclude each other."""
    max_error, bpp, n_stages, sigma = (given[name] for name in ("max_error", "lossy_bpp", "lossy_stages", "sigma"))
    is_lossy = given["lossy"] or bpp is not None or n_stages is not None
    if max_error is not None and (given["lossy"] or n_stages is not None):
        raise BoundError("expected either a largest error or lossy mode, found both: choose one")
    if bpp is not None and n_stages is not None:
        raise BoundError("expected either a bit-rate or a number of stages, found both: choose one")
    if bpp is not None and not (math.isfinite(bpp) and bpp > 0):
        raise BoundError(f"expected a bit-rate that is finite and above 0, found {bpp}")
    if n_stages is not None and not 1 <= n_stages <= MAX_STAGES:
        raise BoundError(f"expected 1 to {MAX_STAGES} stages of the base layer, found {n_stages}")
    on_base = _details_on_base(given["details_on_base"], given["smallest"])
    only_bounded = {
        "dither": given["dither"],
        "sigma": sigma is not None,
        "force": given["force"],
        "smallest": given["smallest"],
        "details-on-base": on_base is DetailsOnBase.ALWAYS,
    }
    name = next((name for name, is_given in only_bounded.items() if is_given), None)
    if max_error is None and name is not None:
        raise BoundError(f"expected a largest error (--max-error) beside --{name}, found none")
    if max_error is not None:
        is_auto = is_auto_bound(max_error)
        if is_auto and bpp is None:
            raise BoundError("expected a bit-rate (--bpp) beside a largest error that is auto, found none")
        bound = replace(parse_bound("0.125sigma" if is_auto else max_error), force=given["force"])
        return Bounded(
            bound=bound, bpp=bpp, is_auto=is_auto, sigma=sigma, dither=given["dither"], details_on_base=on_base
        )
    return Lossy(bpp=bpp, n_stages=n_stages) if is_lossy else Lossless()


def _details_on_base(choice: str, smallest: bool) -> DetailsOnBase:
    """Read the choice as one of a closed set; ``smallest`` is its older name.

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

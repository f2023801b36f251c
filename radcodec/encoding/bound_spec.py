"""The bound that a user asks for: a number, a text or a quantity to one `BoundSpec`.

A text is understood where it has one meaning; where it has several, the error says what to write for each.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import Any

from radcodec.errors import BoundError
from radcodec.runtime.option_values import is_true_or_false, shown

EXAMPLES = "2e-5, 20uJy/beam, 0.125sigma or 0.125localsigma"
AUTO = "auto"  # instead of a bound: the smallest one whose file keeps to a bit-rate
MOST_SIGMA = 10.0  # a bound over so many times the noise leaves nothing but the brightest sources
_MAX_TEXT = 200  # characters of a bound

_DECIMAL = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_NUMBER = re.compile(rf"\s*([+-]?{_DECIMAL}(?:\s*/\s*{_DECIMAL})?|[+-]?(?:inf|nan))\s*(.*?)\s*", re.IGNORECASE)
_COMMA = re.compile(r"\s*[+-]?(\d+),(\d+)(?![\d.]*,)")
_DIVIDED = re.compile(rf"\s*((?:local)?sigma)\s*/\s*({_DECIMAL})\s*", re.IGNORECASE)
_NOISE_WORD = re.compile(r"sigma|σ", re.IGNORECASE)
_SIGMAS = {"sigma": "sigma", "σ": "sigma", "localsigma": "localsigma"}
# What people write for the noise that has other meanings too, or is no unit of this program.
_MEANT_SIGMA = {"rms", "std", "stdev", "stddev", "noise", "sig", "s", "sigmas", "mad", "-sigma"}
_MEANT_LOCAL = {"local sigma", "local_sigma", "local-sigma", "localsigmas", "localrms", "local rms", "sigma local"}


class BoundKind(Enum):
    """What the number in a bound is a multiple of."""

    ABSOLUTE = "absolute"
    SIGMA = "sigma"
    LOCAL_SIGMA = "localsigma"


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundSpec:
    """A bound as the user gives it.

    ``text`` is the number with its unit where ``unit`` is not empty. ``force`` lets it be over 10 sigma.
    """

    kind: BoundKind
    value: float
    unit: str = ""
    text: str = ""
    force: bool = False


def is_auto_bound(max_error: Any) -> bool:
    """Say whether the bound is to be found by the program, for a bit-rate."""
    return isinstance(max_error, str) and max_error.strip().lower() == AUTO


def parse_bound(max_error: Any) -> BoundSpec:
    """Parse a bound: ``2e-5``, ``"20uJy/beam"``, ``"0.125sigma"``, ``"1/8 localsigma"`` or a quantity of astropy.

    Raises
    ------
    BoundError
        If it is none of these, is ambiguous, or its number is not finite and above 0.
    """
    if is_true_or_false(max_error):
        raise BoundError(f"expected a number or text for the largest error, found {shown(max_error)}")
    if isinstance(max_error, str):
        return _parse_text(max_error)
    if hasattr(max_error, "unit") and hasattr(max_error, "value"):
        return _parse_quantity(max_error)
    try:
        value = float(max_error)
    except (TypeError, ValueError, OverflowError) as err:
        raise BoundError(f"expected a number or text for the largest error, found {shown(max_error)}") from err
    if isinstance(max_error, int) and value > max_error:
        value = math.nextafter(value, 0.0)
    return BoundSpec(kind=BoundKind.ABSOLUTE, value=_checked(value, max_error))


def _parse_quantity(quantity: Any) -> BoundSpec:
    """Read the bound of a quantity: one number with a unit."""
    try:
        number = quantity.value
        value = float(number.item() if hasattr(number, "item") else number)
    except (TypeError, ValueError) as err:
        raise BoundError(
            f"expected one number with a unit for the largest error, found {quantity!s:.80}: one bound is for all "
            "pixels of an image"
        ) from err
    unit = str(quantity.unit)
    _checked(value, f"{value!r} {unit}".strip())
    return BoundSpec(kind=BoundKind.ABSOLUTE, value=value, unit=unit, text=f"{value!r} {unit}" if unit else "")


def _checked(value: float, text: object) -> float:
    if not math.isfinite(value) or value <= 0:
        raise BoundError(f"expected a largest error that is finite and above 0, found {text!r}")
    return value


def _ratio_down(number: str) -> float:
    """Compute the value of a decimal number or of a ratio of two; a ratio is rounded downwards."""
    top, *bottom = (part.strip() for part in number.split("/"))
    if not bottom:
        return float(top)
    numerator, denominator = float(top), float(bottom[0])
    if denominator == 0 or not math.isfinite(numerator) or not math.isfinite(denominator):
        return math.nan
    exact = Fraction(top) / Fraction(bottom[0])
    try:
        value = float(exact)
    except OverflowError:
        return math.inf
    return math.nextafter(value, 0.0) if Fraction(value) > exact else value


def _with_point(text: str) -> str:
    """Put a decimal point where a text has a decimal comma that cannot be anything else."""
    match = _COMMA.match(text)
    if match is None:
        return text
    whole, decimals = match.groups()
    if len(decimals) == 3 and whole.strip("0"):
        raise BoundError(
            f"expected a decimal point in a largest error, found {text!r}: write {whole}.{decimals} or "
            f"{whole}{decimals}, whichever is meant"
        )
    return text.replace(",", ".", 1)


def _parse_text(given: str) -> BoundSpec:
    """Read the bound of a text."""
    if len(given) > _MAX_TEXT:
        raise BoundError(f"expected a largest error such as {EXAMPLES}, found {len(given)} characters")
    text = _with_point(given)
    divided = _DIVIDED.fullmatch(text)
    if divided is not None:
        text = f"1/{divided[2]}{divided[1]}"
    match = _NUMBER.fullmatch(text)
    if match is None:
        if text.strip().lower() in _SIGMAS:
            raise BoundError(f"expected a number before {text.strip()!r}, such as 0.125{text.strip()}, found none")
        raise BoundError(f"expected a largest error such as {EXAMPLES}, found {given!r}")
    number, unit = match[1], match[2].removeprefix("*").strip()
    value = _checked(_ratio_down(number), given)
    if unit.startswith("%"):
        value, unit = _percent(value, unit, given)
    word = unit.lower()
    if word in _SIGMAS:
        return BoundSpec(kind=BoundKind(_SIGMAS[word]), value=_checked(value, given))
    if word in _MEANT_SIGMA or word in _MEANT_LOCAL:
        name = "localsigma" if word in _MEANT_LOCAL else "sigma"
        raise BoundError(
            f"expected a multiple of the noise as sigma or localsigma, found {given!r}: write {value:g}{name}"
        )
    if unit and (not (unit[0].isalpha() or unit[0] == "(") or _NOISE_WORD.search(unit)):
        raise BoundError(f"expected a largest error such as {EXAMPLES}, found {given!r}")
    plain = number if "/" not in number else repr(value)
    return BoundSpec(kind=BoundKind.ABSOLUTE, value=value, unit=unit, text=f"{plain} {unit}" if unit else "")


def _percent(value: float, unit: str, given: str) -> tuple[float, str]:
    """Read a percentage of the noise as a multiple and its word; one of anything else raises BoundError."""
    word = unit[1:].strip()
    word = word[3:].strip() if word.lower().startswith("of ") else word
    share = _down_to(Fraction(repr(value)) / 100)
    if word.lower() not in _SIGMAS:
        raise BoundError(
            f"expected a largest error such as {EXAMPLES}, found {given!r}, a percentage of what is not said: write "
            f"{share:g}sigma for {value:g} % of the noise, or a number in the image's unit"
        )
    return share, word


def _down_to(exact: Fraction) -> float:
    """Round a ratio down to a float64."""
    value = float(exact)
    return math.nextafter(value, 0.0) if Fraction(value) > exact else value

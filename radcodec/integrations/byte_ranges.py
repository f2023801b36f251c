"""The Range header of HTTP.

References
----------
RFC 9110, sections 14.1.2 (byte ranges), 14.2 (Range), 15.5.17 (416: also ranges that are invalid or too many).
"""

from __future__ import annotations

import re
from typing import TypeAlias

# First byte and last + 1.
Span: TypeAlias = tuple[int, int]

# Readers of FITS ask for one; a browser's PDF or video player for a few.
MOST_RANGES = 16
_RANGE = re.compile(r"[ \t]*([0-9]{0,24})-([0-9]{0,24})[ \t]*")


class UnsatisfiableError(ValueError):
    """The ranges are invalid, outside of the file, or too many."""


def parse_ranges(header: str | None, size: int) -> list[Span] | None:
    """Read a Range header; None where the whole file is asked for, and for units other than bytes.

    Raises
    ------
    UnsatisfiableError
        If the ranges are invalid, none of them touches the file, or there are too many.
    """
    if header is None:
        return None
    unit, equals, given = header.partition("=")
    if unit.strip().lower() != "bytes":
        return None
    parts = given.split(",") if equals else []
    if not 0 < len(parts) <= MOST_RANGES:
        raise UnsatisfiableError(f"expected 1 to {MOST_RANGES} ranges, found {len(parts)}")
    spans = [span for span in (_span(part, size) for part in parts) if span is not None]
    if not spans:
        raise UnsatisfiableError(f"expected a range within {size} bytes, found {header[:80]!r}")
    return spans


def _span(part: str, size: int) -> Span | None:
    """Read one range and cut it to the file; None if it does not touch the file."""
    match = _RANGE.fullmatch(part)
    if match is None or not (match[1] or match[2]):
        raise UnsatisfiableError(f"expected a range such as 0-99, 100- or -100, found {part[:80]!r}")
    if not match[1]:
        start, stop = max(0, size - int(match[2])), size
    else:
        start, stop = int(match[1]), int(match[2]) + 1 if match[2] else size
        if stop <= start and match[2]:
            raise UnsatisfiableError(f"expected a range that does not end before it starts, found {part[:80]!r}")
    return (start, min(stop, size)) if start < min(stop, size) else None

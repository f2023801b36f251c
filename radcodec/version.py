"""The version of radcodec, in one place."""

from __future__ import annotations

VERSION = "0.1.0"
WRITER = f"radcodec {VERSION}"

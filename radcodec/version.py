"""The version of radcodec, in one place."""

from __future__ import annotations

VERSION = "0.2.0.dev0"
WRITER = f"radcodec {VERSION}"

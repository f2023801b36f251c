"""Whether a package, a module or an entry point is installed."""

from __future__ import annotations

import importlib.metadata
import importlib.util


def is_installed(module: str) -> bool:
    """Say whether a module, or an entry point written ``group: name``, is there."""
    if ": " in module:
        # An installed package has entry points, a source tree has none.
        group, _, name = module.partition(": ")
        return any(point.name == name for point in importlib.metadata.entry_points(group=group))
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False

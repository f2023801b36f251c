"""Sphinx builds the documentation: ``sphinx-build -W -b html docs docs/_build``."""

from __future__ import annotations

import re
from pathlib import Path

from radcodec.version import VERSION

project = "radcodec"
author = copyright = "the radcodec authors"
release = version = VERSION

extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"radcodec {VERSION}"
html_static_path: list[str] = []
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
numpydoc_show_class_members = False
autosummary_generate = False  # numpydoc loads it; no page uses it
autodoc_typehints = "none"  # types of parameters stand in the signature
suppress_warnings = ["misc.highlighting_failure"]

_DOCS = Path(__file__).resolve().parent
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#:\s]+)(#[^)\s]*)?\)")


def _leave_out_links_to_files(_app: object, name: str, source: list[str]) -> None:
    """Turn links to files that are no pages of the site into the names of these files in the source tree."""
    folder = (_DOCS / name).parent

    def replace(match: re.Match[str]) -> str:
        text, target = match.group(1), match.group(2)
        file = (folder / target).resolve()
        if file.is_relative_to(_DOCS) and file.suffix == ".md":
            return match.group(0)
        path = file.relative_to(_DOCS.parent).as_posix()
        return f"`{path}`" if text.strip("`") in path else f"{text} (`{path}`)"

    source[0] = _LINK.sub(replace, source[0])


def setup(app) -> None:  # type: ignore[no-untyped-def]  # Sphinx is not installed where types are checked
    """Register the hook that Sphinx calls with the source of each page."""
    app.connect("source-read", _leave_out_links_to_files)

"""The pages name every data file that reading needs, with the SHA-256 of the file that ships."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINE = re.compile(r"^\| `(models/[^`]+)` \| `([0-9a-f]{64})` \| (\d+) \|", re.MULTILINE)
#: Files of a model's folder, and of the folder of models, that no reader of a .rcz file opens to decode it.
FOR_PEOPLE = {"README.md", "card.md", "config.toml", "registry.toml"}


def named() -> dict[str, tuple[str, int]]:
    """Hash and size of each file that the format page names."""
    page = (ROOT / "docs" / "format.md").read_text(encoding="utf-8")
    return {name: (digest, int(size)) for name, digest, size in LINE.findall(page)}


def test_format_page_names_the_files_that_ship() -> None:
    """The format page lists exactly the data files of models/, each with its SHA-256 and size."""
    registry = tomllib.loads((ROOT / "models" / "registry.toml").read_text(encoding="utf-8"))
    samplers = {entry["name"] for entry in registry["sampler"]}  # no file names one
    files = [path for path in (ROOT / "models").rglob("*") if path.is_file() and path.name not in FOR_PEOPLE]
    files = [path for path in files if path.parent.name not in samplers]
    contents = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in files}
    assert named() == {name: (hashlib.sha256(data).hexdigest(), len(data)) for name, data in contents.items()}


def test_guarantee_page_names_them_as_dependencies() -> None:
    """The page on guarantees names each kind of file, and links to the hashes."""
    page = (ROOT / "docs" / "guarantee.md").read_text(encoding="utf-8")
    section = page.split("## What a reader needs", 1)[1].split("\n## ", 1)[0]
    assert "format.md#files-that-a-reader-needs" in section
    assert {"headers.zdict", "detail.tables", "weights"} <= set(
        re.findall(r"headers\.zdict|detail\.tables|weights", section)
    )

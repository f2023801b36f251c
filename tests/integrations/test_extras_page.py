"""docs/extras.md names every extra, and its examples run where the extra is installed."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/extras.md").read_text(encoding="utf-8")
# For those who work on radcodec itself.
INTERNAL = {"test", "dev", "docs", "bench", "pybdsf", "interop"}
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
SECTIONS = {part.partition("\n")[0]: BLOCK.findall(part) for part in PAGE.split("\n## ")[1:]}
# What an example needs: packages, and modules of radcodec.
NEEDS = {
    "jpeg": ("PIL",),
    "remote": ("fsspec", "radcodec.integrations.remote"),
    "dask": ("dask.array", "radcodec.integrations.dask"),
    "xarray": ("xarray", "xarray.backends: radcodec"),
    "zarr": ("zarr", "radcodec.integrations.zarr"),
    "serve": ("starlette", "uvicorn"),
    "aladin": ("ipyaladin",),
}


def _is_there(module: str) -> bool:
    if ": " in module:
        # An entry point, which an installed package has and a source tree has not.
        group, _, name = module.partition(": ")
        return any(point.name == name for point in importlib.metadata.entry_points(group=group))
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def test_every_extra_is_named() -> None:
    """An extra of pyproject.toml that users install has a row."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (.*?) \|", PAGE, re.MULTILINE))))
    assert set(project["optional-dependencies"]) - INTERNAL - named == set()


@pytest.mark.parametrize("name", sorted(NEEDS))
def test_the_example_runs(name: str, tmp_path: Path) -> None:
    """After the file of the page is made, the example of an extra runs as it stands."""
    missing = [module for module in NEEDS[name] if not _is_there(module)]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    for text in (BLOCK.findall(PAGE)[0], *SECTIONS[name]):
        done = subprocess.run(
            [sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240
        )
        assert done.returncode == 0, done.stderr

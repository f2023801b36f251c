"""docs/extras.md names every extra, and its examples run where the extra is installed."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from installed import is_installed

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


def test_every_extra_is_named() -> None:
    """An extra of pyproject.toml that users install has a row."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (.*?) \|", PAGE, re.MULTILINE))))
    assert set(project["optional-dependencies"]) - INTERNAL - named == set()


@pytest.mark.parametrize("name", sorted(NEEDS))
def test_the_example_runs(name: str, tmp_path: Path) -> None:
    """After the file of the page is made, the example of an extra runs as it stands."""
    missing = [module for module in NEEDS[name] if not is_installed(module)]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    for text in (BLOCK.findall(PAGE)[0], *SECTIONS[name]):
        done = subprocess.run(
            [sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240
        )
        assert done.returncode == 0, done.stderr

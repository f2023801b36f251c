"""The page of other libraries: its examples run as they stand, and its table names every extra."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from made_cubes import cube_pixels, write_cube

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "integrations.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
NEEDS = ("xarray", "zarr", "numcodecs", "virtualizarr")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the examples read."""
    place = tmp_path_factory.mktemp("page")
    write_cube(place)
    for number in (1, 2):
        write_cube(place, f"epoch{number}", pixels=cube_pixels((40, 50), seed=number))
    return place


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_example_runs(number: int, folder: Path) -> None:
    """A Python block of the page runs with warnings as errors."""
    code = BLOCKS[number]
    for package in NEEDS:
        if f"import {package}" in code or f"{package} as" in code or f", {package}" in code or f".{package} " in code:
            pytest.importorskip(package)
    if "x.image" in code:
        pytest.importorskip("casa_formats_io")
        images = pytest.importorskip("casacore.images")
        images.image(str(folder / "x.image"), values=np.zeros((20, 30), "f4")).unlock()
    # Of casa-formats-io, which leaves the files of its tables to the garbage collector.
    options = ["-W", "error", "-W", "ignore::ResourceWarning"]
    done = subprocess.run(
        [sys.executable, *options, "-c", code], cwd=folder, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr


def test_examples_are_short() -> None:
    """Each example has at most five lines beside its imports."""
    for code in BLOCKS:
        assert len([line for line in code.splitlines() if line and "import" not in line]) <= 5


def test_entry_points_lead_to_classes() -> None:
    """What the package registers with other libraries exists."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for group, package in (("xarray.backends", "xarray"), ("zarr.codecs", "zarr"), ("numcodecs.codecs", "numcodecs")):
        pytest.importorskip(package)
        module, name = project["entry-points"][group]["radcodec"].split(":")
        __import__(module)
        assert isinstance(getattr(sys.modules[module], name), type)

"""What the benchmarks need, and what they say where it is missing."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from benchmarks import __main__ as command_line
from benchmarks.paths import ROOT
from benchmarks.requirements import EXTRAS, explain, extra_of

#: Packages of an extra that nothing imports: the name they are installed by is not the name they are imported by.
IMPORTED_AS = {"scikit-learn": "sklearn", "umap-learn": "umap"}


@pytest.mark.parametrize(("gone", "message"), [("models", "has no folder models"), ("numpy", "not installed: numpy")])
def test_import_without_checkout_or_packages(tmp_path: Path, gone: str, message: str) -> None:
    """A copy of the folder without the checkout around it, and a Python without numpy, say what to do."""
    shutil.copytree(ROOT / "benchmarks", tmp_path / "benchmarks", ignore=shutil.ignore_patterns("*.csv", "weights"))
    for name in ("radcodec", "models", "docs"):
        if name != gone:
            (tmp_path / name).mkdir()
    isolated = ["-S"] if gone == "numpy" else []
    done = subprocess.run(
        [sys.executable, *isolated, "-m", "benchmarks", "list"],
        cwd=tmp_path, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert message in done.stderr
    assert ("Clone the repository" if gone == "models" else "pip install '.[bench]'") in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the command, the package and what to install; no traceback."""

    def lines_of(options: argparse.Namespace) -> list[str]:
        raise ModuleNotFoundError("No module named 'sep'", name="sep.core")

    monkeypatch.setattr(command_line, "lines_of", lines_of)
    monkeypatch.setattr("sys.argv", ["benchmarks", "science"])
    with pytest.raises(SystemExit, match=r"`benchmarks science` needs the package sep.*pip install '\.\[bench\]'"):
        command_line.main()


def test_a_missing_module_of_ours_is_an_error() -> None:
    """No installation brings it."""
    err = ModuleNotFoundError("No module named 'benchmarks.gone'", name="benchmarks.gone")
    with pytest.raises(ModuleNotFoundError, match=r"benchmarks\.gone"):
        explain(err, "run")


def test_extras_are_those_of_the_project() -> None:
    """Every package is in the extra that is named, and every package of the benchmarks' extras is known."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {
        extra: {name.split(">")[0].split("[")[0].strip() for name in project["optional-dependencies"][extra]}
        for extra in EXTRAS
    }
    for extra, packages in EXTRAS.items():
        installed_as = {IMPORTED_AS.get(name, name) for name in declared[extra]}
        needed = {name.split(">")[0].strip() for name in project["dependencies"]}
        assert set(packages) <= installed_as | needed, extra
        assert {name for name in installed_as if extra_of(name) is None} == set(), extra

"""What a shell and the system know of the command: completion, the manual page, file(1), the recipe for conda."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import radcodec
from radcodec.cli.app import run

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_taken_by_their_shells(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each is printed whole, names the command, and parses where the shell is installed."""
    assert run(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "_RADCODEC_COMPLETE" in script
    program = shutil.which(shell)
    if program is not None:
        done = subprocess.run([program, "-n"], input=script, capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
    assert run(["completion", "tcsh"]) == 2


def _completed(words: str, place: int) -> list[str]:
    """What bash is offered for a line of words."""
    environment = {**os.environ, "_RADCODEC_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(place)}
    done = subprocess.run(
        [sys.executable, "-m", "radcodec"], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    return done.stdout.split()


def test_commands_options_and_file_names_are_completed() -> None:
    """Commands by their start, options of a command, choices of an option, and files where a file is meant."""
    assert _completed("radcodec de", 1) == ["plain,decompress", "plain,demo"]
    assert "plain,--max-error" in _completed("radcodec compress --ma", 2)
    assert "plain,--skip-done" in _completed("radcodec batch --sk", 2)
    assert _completed("radcodec compress --details-on-base al", 3) == ["plain,always"]
    assert [line.split(",")[0] for line in _completed("radcodec info sky", 2)] == ["file"]


def test_the_manual_page_is_current() -> None:
    """docs/radcodec.1 is what .ci/make_man.py makes of the commands of today."""
    done = subprocess.run(
        [sys.executable, ROOT / ".ci/make_man.py"], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == (ROOT / "docs/radcodec.1").read_text(), "python .ci/make_man.py > docs/radcodec.1"
    assert run(["--help"]) == 0
    for name in ("compress", "batch", "serve", "report", "completion"):
        assert f".SS radcodec {name}\n" in done.stdout


def test_the_manual_page_is_one() -> None:
    """man formats it without a warning."""
    program = shutil.which("man")
    if program is None:
        pytest.skip("no man")
    command = [program, "--warnings", "-l", str(ROOT / "docs/radcodec.1")]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env={**os.environ, "MANWIDTH": "100"}
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "--max-error E" in re.sub("[\u2010\u2212]", "-", re.sub(".\b", "", done.stdout))


def test_file_knows_the_format(tmp_path: Path) -> None:
    """With docs/radcodec.magic, file(1) tells version, kind and mode; a FITS file stays one."""
    program = shutil.which("file")
    if program is None:
        pytest.skip("no file")
    (tmp_path / "a.rcz").write_bytes(radcodec.encode([1.0, 2.0]))
    (tmp_path / "b.rcz").write_bytes(radcodec.encode([1.0, 2.0, 4.0] * 50, max_error=0.1))
    command = [program, "-b", "-m", str(ROOT / "docs/radcodec.magic"), "a.rcz", "b.rcz"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    start = "radcodec compressed image, format version 0 draft 4, an array, "
    mode = radcodec.open(tmp_path / "b.rcz").info.mode
    words = {"bounded": "within an error bound", "lossless": "lossless"}
    assert done.stdout.splitlines() == [f"{start}lossless", start + words[mode]]


def test_the_recipe_agrees_with_the_package() -> None:
    """It parses as a recipe of schema 1; version, requirements and entry point are those of pyproject.toml."""
    yaml = pytest.importorskip("yaml")
    recipe = yaml.safe_load((ROOT / "docs/conda/recipe.yaml").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert recipe["schema_version"] == 1
    assert recipe["context"]["version"] == radcodec.__version__
    names = {"astropy-base": "astropy", "python-safetensors": "safetensors"}
    wanted = set()
    for line in recipe["requirements"]["run"]:
        name, limit = line.split()
        wanted.add(names.get(name, name) + limit)
    assert wanted == {*project["dependencies"], f"python{project['requires-python']}"}
    assert recipe["build"]["python"]["entry_points"] == [
        f"{name} = {place}" for name, place in project["scripts"].items()
    ]
    for path in (recipe["about"]["license_file"], "CITATION.cff"):
        assert (ROOT / path).is_file()


def test_the_recipe_renders() -> None:
    """rattler-build, which conda-forge builds with, makes one package of it."""
    rattler_build = pytest.importorskip("rattler_build")
    recipe = rattler_build.Stage0Recipe.from_file(str(ROOT / "docs/conda/recipe.yaml"))
    variants = recipe.render(rattler_build.VariantConfig.from_file(str(ROOT / "docs/conda/variants.yaml")))
    assert len(variants) == 1
    package = variants[0].recipe.package
    assert (str(package.name), str(package.version)) == ("radcodec", radcodec.__version__)

"""The tutorials work as they stand: their blocks run one after the other in an empty folder."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "tutorials"
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```", re.DOTALL | re.MULTILINE)
# It starts a server, so it has a test of its own.
ELSEWHERE = ("browser.md",)
PAGES = sorted(path.name for path in FOLDER.glob("*.md") if path.name not in ELSEWHERE)
NEEDS_TORCH = ("train.md",)


def commands_of(text: str) -> list[tuple[dict[str, str], list[str]]]:
    """Environment and words of each line of a shell block that calls radcodec; installing is left out."""
    found = []
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        if not words or words[0] == "pip":
            continue
        given = {}
        while "=" in words[0]:
            name, _, value = words.pop(0).partition("=")
            given[name] = value
        if words.pop(0) != "radcodec":
            raise ValueError(f"expected a line that calls radcodec, found {line!r}")
        found.append((given, [sys.executable, "-m", "radcodec", *words]))
    return found


def run(words: list[str], folder: Path, given: dict[str, str]) -> None:
    """Run a program, and show what it said if it fails."""
    done = subprocess.run(
        words, cwd=folder, env=os.environ | given, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_tutorial_runs(page: str, tmp_path: Path) -> None:
    """Every block of a tutorial runs, in the order of the page, with Python's warnings as errors."""
    if page in NEEDS_TORCH and importlib.util.find_spec("torch") is None:
        pytest.skip("training needs PyTorch")
    blocks = BLOCK.findall((FOLDER / page).read_text(encoding="utf-8"))
    assert {kind for kind, _ in blocks} == {"python", "sh"}
    for kind, text in blocks:
        if kind == "python":
            run([sys.executable, "-W", "error", "-c", text], tmp_path, {})
            continue
        for given, words in commands_of(text):
            run(words, tmp_path, given)


def test_every_tutorial_is_found() -> None:
    """The tutorials are on the site, and each is run by this file or by tests/integrations/test_browser_tutorial.py."""
    assert {*PAGES, *ELSEWHERE} == {"survey.md", "bound.md", "cutout.md", "train.md", "browser.md"}
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert all(f"tutorials/{name.removesuffix('.md')}\n" in index for name in (*PAGES, *ELSEWHERE))

"""What the documents show works: Python blocks run as they stand, and the command line's options are all described."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "docs/quickstart.md", "docs/api.md", "docs/streaming.md")


def python_blocks(page: str) -> list[str]:
    """Content of every Python block of a page."""
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


BLOCKS = [(page, number) for page in PAGES for number in range(len(python_blocks(page)))]


@pytest.mark.parametrize(("page", "number"), BLOCKS, ids=[f"{page}-{number}" for page, number in BLOCKS])
def test_example_runs(page: str, number: int, tmp_path: Path) -> None:
    """A Python block of a document runs in an empty folder with warnings as errors."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", python_blocks(page)[number]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr


def test_readme_example_is_short() -> None:
    """The README's first example fits a glance: ten statements or fewer, not counting imports."""
    lines = [line for line in python_blocks("README.md")[0].splitlines() if line and "import" not in line]
    assert len(lines) <= 10


def test_links_lead_somewhere() -> None:
    """Every relative link in the documents names a file that exists."""
    broken = []
    for page in [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if not target.startswith(("http://", "https://")) and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []


def test_cli_page_names_every_option() -> None:
    """docs/cli.md describes every command and every long option, and no option that does not exist."""
    from radcodec.cli import app

    group = next(item for item in vars(app).values() if isinstance(item, click.Group))
    context = click.Context(group)
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    described = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", page))
    sections = set(re.findall(r"^## ([a-z]+)$", page, re.MULTILINE))
    existing = {"--help", "--version"}
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        for parameter in command.params:
            options = (*parameter.opts, *parameter.secondary_opts)
            existing.update(option for option in options if option.startswith("--"))
    assert sections == set(group.list_commands(context))
    assert described - existing == set()
    assert existing - described - {"--version"} == set()

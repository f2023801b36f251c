"""Help of commands with many options: headings, most used first, examples, and every option once."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module

import click
import pytest
from click.testing import CliRunner

COMMANDS = {"compress": "compress", "cutout": "restore", "preview": "restore", "finetune": "train", "watch": "watch"}


def command_of(name: str) -> click.Command:
    """Return the click command with that name."""
    command = getattr(import_module(f"radcodec.cli.{COMMANDS[name]}"), name)
    assert isinstance(command, click.Command)
    return command


def help_of(name: str) -> str:
    """Return the help text of a command."""
    return CliRunner().invoke(command_of(name), ["--help"]).output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_listed_once(name: str) -> None:
    """Each option of the command starts one line of the help, under some heading."""
    lines = help_of(name).splitlines()
    for param in command_of(name).params:
        if isinstance(param, click.Option):
            assert sum(bool(re.match(rf"  {param.opts[0]}(?![\w-])", line)) for line in lines) == 1, param.opts


@pytest.mark.parametrize("name", COMMANDS)
def test_headings_name_options_that_exist(name: str) -> None:
    """A heading with an option that is gone, or one option under two headings, is a mistake in the table."""
    command = command_of(name)
    listed = [option for options in command.headings.values() for option in options]  # type: ignore[attr-defined]
    names = {param.name for param in command.params if isinstance(param, click.Option)}
    assert len(set(listed)) == len(listed)
    assert set(listed) <= names


def test_compress_shows_examples_and_the_bound_first() -> None:
    """Examples come before the options, and the bound is the first option."""
    text = help_of("compress")
    assert "radcodec compress image.fits --max-error 0.125sigma" in text
    order = [
        text.index(part) for part in ("Examples:", "How exact", "--max-error E", "--lossy ", "Output:", "--tile N")
    ]
    assert order == sorted(order)
    assert "unless told otherwise" not in text


def test_smaller_files_name_their_price() -> None:
    """The option that costs faint sources flux says so."""
    text = " ".join(help_of("compress").split())
    assert "always: smaller files at the same bound; faint sources lose flux in stacks." in text


def test_an_option_without_a_heading_is_not_lost() -> None:
    """A new option that no heading names appears under the last heading."""
    from radcodec.cli.headings import GroupedCommand

    command = GroupedCommand(
        "try", params=[click.Option(["--new"], help="New."), click.Option(["--old"])], headings={"First": ("old",)}
    )
    lines = CliRunner().invoke(command, ["--help"]).output.splitlines()
    assert (
        lines.index("First:")
        < lines.index("Other options:")
        < next(number for number, line in enumerate(lines) if line.startswith("  --new"))
    )


@pytest.mark.parametrize("name", ["compress", "preview"])
def test_help_loads_nothing_heavy(name: str) -> None:
    """Help of these commands imports none of numpy, astropy and torch."""
    code = (
        "import sys\n"
        "from radcodec.cli.app import run\n"
        f"run([{name!r}, '--help'])\n"
        "sys.exit(any(heavy in sys.modules for heavy in ('numpy', 'astropy', 'torch')))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0

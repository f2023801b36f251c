"""The click group, its commands loaded lazily, and what happens to their errors."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from radcodec.cli.errors import DONE, EXPECTED, SYSTEM, error_line, exit_code
from radcodec.cli.streams import finish, silence, tell
from radcodec.version import VERSION

# Set by the shell that asks for completions.
COMPLETE = "_RADCODEC_COMPLETE"

# Command to module, one line of help; so that listing or running one command imports no other.
_COMMANDS = {
    "compress": ("radcodec.cli.compress", "Compress FITS files: exactly unless told otherwise."),
    "batch": ("radcodec.cli.batch", "Compress thousands of files: processes, shares, a manifest."),
    "decompress": ("radcodec.cli.restore", "Restore FITS files."),
    "info": ("radcodec.cli.inspect", "Say what a file holds, without decoding a pixel."),
    "verify": ("radcodec.cli.restore", "Check files, also against the originals."),
    "cutout": ("radcodec.cli.restore", "Write a rectangle of an image as a FITS file."),
    "preview": ("radcodec.cli.restore", "Write a picture of an image."),
    "estimate": ("radcodec.cli.inspect", "Dry run: what each mode would take."),
    "models": ("radcodec.cli.inspect", "List the models of the base layer."),
    "report": ("radcodec.cli.report", "Write a page about a file: picture, bound, header, errors."),
    "serve": ("radcodec.cli.serve", "Serve a folder of files as FITS over HTTP, with a viewer."),
    "demo": ("radcodec.cli.demo", "The main job on an embedded sample."),
    "train": ("radcodec.cli.train", "Train a model as a configuration says."),
    "finetune": ("radcodec.cli.train", "Fit a model to a folder of FITS images."),
    "tune": ("radcodec.cli.train", "Search for the best values of a configuration."),
    "completion": ("radcodec.cli.completion", "Print the completion script of a shell."),
}


class _Group(click.Group):
    """A group whose commands are imported when they are run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands, in the order of use."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in _COMMANDS:
            return None
        command = getattr(import_module(_COMMANDS[cmd_name][0]), cmd_name)
        if not isinstance(command, click.Command):
            return None
        if COMPLETE in os.environ:
            from radcodec.cli.completion import complete_file_names

            return complete_file_names(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in _COMMANDS.items()])


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="radcodec")
def radcodec() -> None:
    """Compress radio-astronomical FITS images: exactly, within a bound, or to a bit-rate."""


def _invoke(arguments: list[str]) -> Any:
    """What a command returns, or the exit code that ends it.

    `click.Command.main` is not used: it ends with 1, the code of a broken guarantee, where nobody reads the output.
    """
    if COMPLETE in os.environ:
        radcodec.main(prog_name="radcodec")
    try:
        with radcodec.make_context("radcodec", arguments) as context:
            return radcodec.invoke(context)
    except click.exceptions.Exit as error:
        return error.exit_code


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Write a warning of the library as one line, without the place in its source."""
    tell(f"radcodec: warning: {' '.join(str(message).split())}")


def run(arguments: Sequence[str]) -> int:
    """Exit code of the command line with these arguments. Never raises for an error that is expected."""
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        return _run(arguments)


def _run(arguments: Sequence[str]) -> int:
    try:
        code = _invoke(list(arguments))
        finish()
    except BrokenPipeError:
        silence(sys.stdout)
        tell("radcodec: the reader of the output has gone")
        return SYSTEM
    except click.exceptions.NoArgsIsHelpError as error:
        tell(error.format_message())
        return exit_code(error)
    except EXPECTED as error:
        try:
            finish()
        except OSError:
            silence(sys.stdout)
        tell(error_line(error))
        return exit_code(error)
    return code if isinstance(code, int) else DONE

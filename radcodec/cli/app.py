"""The click group: loads commands lazily and reports their errors."""

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

# The shell sets this to ask for completions.
COMPLETE = "_RADCODEC_COMPLETE"

# Command to module and one line of help. Listing or running one command imports no other.
_COMMANDS = {
    "compress": ("radcodec.cli.compress", "Compress FITS files, losslessly by default."),
    "batch": ("radcodec.cli.batch", "Compress thousands of files and keep a record."),
    "watch": ("radcodec.cli.watch", "Compress files as an instrument drops them."),
    "decompress": ("radcodec.cli.restore", "Restore FITS files."),
    "info": ("radcodec.cli.inspect", "Describe a file without decoding a pixel."),
    "verify": ("radcodec.cli.restore", "Check files, and compare them with the originals."),
    "recover": ("radcodec.cli.recover", "Restore the planes of a stream that was not closed."),
    "cutout": ("radcodec.cli.restore", "Write a part of an image as a FITS file."),
    "preview": ("radcodec.cli.restore", "Write a picture of an image, or a base-only copy."),
    "sample": ("radcodec.cli.sample", "Draw images that a lossy file may have come from."),
    "estimate": ("radcodec.cli.inspect", "Estimate the size, noise and time of each mode."),
    "models": ("radcodec.cli.inspect", "List the models of the base layer."),
    "report": ("radcodec.cli.report", "Write a page about a file."),
    "serve": ("radcodec.cli.serve", "Serve a folder as FITS files over HTTP, with a viewer."),
    "demo": ("radcodec.cli.demo", "Try all modes on a simulated image."),
    "train": ("radcodec.cli.train", "Train a model from a configuration."),
    "finetune": ("radcodec.cli.train", "Fit a model to a folder of FITS images."),
    "tune": ("radcodec.cli.train", "Search for the best configuration values."),
    "completion": ("radcodec.cli.completion", "Print the completion script of a shell."),
}


class _Group(click.Group):
    """A group that imports a command when it is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, most used first."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command with that name."""
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
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in _COMMANDS.items()])


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="radcodec")
def radcodec() -> None:
    """Compress radio-astronomical FITS images: exactly, within a bound, or to a bit-rate."""


def _invoke(arguments: list[str]) -> Any:
    """Run a command and return its result, or the exit code that ends it.

    `click.Command.main` is not used: on a closed pipe it exits with 1, which here means a broken guarantee.
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
    """Run the command line with these arguments and return its exit code. Expected errors are never raised."""
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        return _run(arguments)


def _run(arguments: Sequence[str]) -> int:
    try:
        code = _invoke(list(arguments))
        finish()
    except BrokenPipeError:
        silence(sys.stdout)
        tell("radcodec: the program that reads the output has exited")
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

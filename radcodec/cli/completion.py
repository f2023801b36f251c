"""``radcodec completion``: the script that lets a shell complete commands, options and file names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from radcodec.cli.errors import DONE
from radcodec.cli.streams import show

# Arguments and options that name files: the shell completes those.
_FILES = ("IN", "OUT", "DIR", "FILE", "CONFIG", "STUDY", "FOLDER", "NAME|PATH")


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print the completion script of a shell.

    bash: radcodec completion bash > ~/.local/share/bash-completion/completions/radcodec
    """
    from radcodec.cli.app import COMPLETE, radcodec

    script = get_completion_class(shell)
    assert script is not None
    show(script(radcodec, {}, "radcodec", COMPLETE).source().rstrip("\n"))
    return DONE


def complete_file_names(command: click.Command) -> click.Command:
    """Let the shell complete file names where a parameter takes one; for completion alone."""
    for param in command.params:
        metavar = param.metavar or ""
        if isinstance(param.type, click.types.StringParamType) and metavar.lstrip("[").startswith(_FILES):
            param.type = click.Path()
    return command

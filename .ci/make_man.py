"""The manual page of the command line, made from its help: ``python .ci/make_man.py > docs/radcodec.1``."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from radcodec.cli.app import radcodec

_EXIT_CODES = (
    ("0", "Done."),
    ("1", "A guarantee does not hold: verify found a difference."),
    ("2", "Usage: a bad option or bound, a unit that does not convert, an output that exists."),
    ("3", "The input is not what it should be: not FITS, not .rcz, truncated, corrupt, over a limit."),
    ("4", "The model is missing or does not match."),
    ("5", "The operating system refused: no such file, permission, disk full."),
    ("129, 130, 143", "Ended by SIGHUP, SIGINT (Ctrl-C), SIGTERM."),
)


def escaped(text: str) -> str:
    """Text that troff shows as it is."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.MULTILINE)


def item(term: str, text: str) -> Iterator[str]:
    """One term and what it means."""
    yield from (".TP", f"\\fB{escaped(term)}\\fR", escaped(" ".join(text.split())))


def option_term(option: click.Option) -> str:
    """The names of an option and of its value; not as click prints them, which changes with its version."""
    if isinstance(option.type, click.Choice):
        value = "|".join(option.type.choices)
    else:
        value = option.metavar or option.type.name.upper()
    return ", ".join(option.opts) + ("" if option.is_flag else f" {value}")


def command_lines(name: str, command: click.Command) -> Iterator[str]:
    """The part of the page about one command."""
    usage = " ".join(["[OPTIONS]", *(str(param.metavar or param.name) for param in command.params
                                     if isinstance(param, click.Argument))])  # fmt: skip
    yield f".SS radcodec {name}"
    yield f"\\fBradcodec {name}\\fR {escaped(usage)}"
    for paragraph in (command.help or "").split("\n\n"):
        yield from (".PP", escaped(" ".join(paragraph.split())))
    for param in command.params:
        if isinstance(param, click.Option):
            default = f" Default: {param.default}." if param.show_default else ""
            yield from item(option_term(param), (param.help or "") + default)


def man_page() -> str:
    """The whole page."""
    context = click.Context(radcodec, info_name="radcodec")
    names = radcodec.list_commands(context)  # type: ignore[attr-defined]
    lines = [
        '.TH RADCODEC 1 "" "radcodec" "User Commands"',
        ".SH NAME",
        "radcodec \\- compress radio astronomy images in FITS: exactly, within a bound, or to a bit\\-rate",
        ".SH SYNOPSIS",
        "\\fBradcodec\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR] ...",
        ".SH DESCRIPTION",
        escaped("A dash stands for standard input or output. Files are written beside their target and renamed when "
                "they are complete: a failure or a signal leaves nothing behind."),
        ".SH COMMANDS",
    ]  # fmt: skip
    for name in names:
        command = radcodec.get_command(context, name)  # type: ignore[attr-defined]
        lines += command_lines(name, command)
    lines.append(".SH EXIT STATUS")
    for code, text in _EXIT_CODES:
        lines += item(code, text)
    lines += [".SH ENVIRONMENT", *item("RADCODEC_MODELS", "Folders of more models, as PATH has them.")]
    lines += [".SH SEE ALSO", "\\fBfpack\\fR(1), \\fBfunpack\\fR(1)"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(man_page(), end="")

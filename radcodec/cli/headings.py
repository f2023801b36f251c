"""Group the options of a command under headings in its help, and show examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

_REST = "Other options"


class GroupedCommand(click.Command):
    """A command whose help lists its options under headings.

    Parameters
    ----------
    headings
        Heading to the names of its parameters, most used first. Options without a heading follow as "Other options".
    examples
        Pairs of a command line and its meaning, shown before the options.
    """

    def __init__(
        self,
        *args: Any,
        headings: Mapping[str, Sequence[str]],
        examples: Sequence[tuple[str, str]] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.headings = headings
        self.examples = examples

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, then the options heading by heading."""
        if self.examples:
            with formatter.section("Examples"):
                for line, meaning in self.examples:
                    formatter.write_text(meaning)
                    with formatter.indentation():
                        formatter.write_text(line)
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        records = {param.name: record for param in options if (record := param.get_help_record(ctx)) is not None}
        for heading, names in self.headings.items():
            self._write(formatter, heading, [records.pop(name) for name in names if name in records])
        self._write(formatter, _REST, list(records.values()))

    @staticmethod
    def _write(formatter: click.HelpFormatter, heading: str, records: Sequence[tuple[str, str]]) -> None:
        """Write one heading with its options; none without options."""
        if records:
            with formatter.section(heading):
                formatter.write_dl(records, col_max=26)

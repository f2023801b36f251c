"""Write configurations as TOML, which the standard library only reads."""

from __future__ import annotations

import json
from collections.abc import Mapping


def toml_text(sections: Mapping[str, Mapping[str, object]], comment: str) -> str:
    """Return sections of plain values (text, numbers, booleans, lists of them) as TOML under a comment."""
    parts = [f"# {line}".rstrip() for line in comment.splitlines()]
    for name, values in sections.items():
        parts += ["", f"[{name}]", *(f"{key} = {toml_value(value)}" for key, value in values.items())]
    return "\n".join(parts) + "\n"


def toml_value(value: object) -> str:
    """Return a plain value as TOML."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, str):
        # A JSON string of ASCII is a TOML string, except for one character that JSON does not escape.
        return json.dumps(value).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, int):
        return str(value)
    raise TypeError(f"no TOML for {value!r}")

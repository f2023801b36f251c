"""Sets of options that a function takes as ``**options``, each written once: its name, its type and its default.

A set is a TypedDict whose fields are ``name: Annotated[type, default]``. Type checkers read the types; `fill_in` and
`spelled_out` read the defaults.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_type_hints

Function = TypeVar("Function", bound=Callable[..., Any])


def defaults_of(keywords: type) -> dict[str, Any]:
    """List the options of a set with their defaults."""
    return {name: hint.__metadata__[0] for name, hint in get_type_hints(keywords, include_extras=True).items()}


def fill_in(keywords: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """Add the defaults of the options that are not given.

    Raises
    ------
    TypeError
        If one of those given is not in the set.
    """
    defaults = defaults_of(keywords)
    unknown = next((name for name in given if name not in defaults), None)
    if unknown is not None:
        raise TypeError(f"expected one of the options {', '.join(defaults)}, found {unknown!r}")
    return {**defaults, **given}


def spelled_out(keywords: type) -> Callable[[Function], Function]:
    """Show the options of a set one by one in the signature of a function that takes them as ``**options``."""

    def show(function: Function) -> Function:
        plain = inspect.signature(function)
        own = [parameter for parameter in plain.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD]
        options = [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=hint.__metadata__[0], annotation=hint.__origin__
            )
            for name, hint in get_type_hints(keywords, include_extras=True).items()
        ]
        function.__signature__ = plain.replace(parameters=[*own, *options])  # type: ignore[attr-defined]
        return function

    return show

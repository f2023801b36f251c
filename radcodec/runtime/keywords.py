"""Sets of options that a function takes as ``**options``, each written once: its name, its type and its default.

A set is a TypedDict whose fields are ``name: Annotated[type, default]``. Type checkers and `fill_in` read the types,
`fill_in` and `spelled_out` the defaults. A text behind the default says what is expected where the type does not.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from radcodec.errors import InputError
from radcodec.runtime.option_values import real_number, shown, true_or_false, whole_number

Function = TypeVar("Function", bound=Callable[..., Any])

# How an option of one of these types is read. Options of other types are read where they are used.
_READERS: dict[Any, Callable[[str, Any], Any]] = {bool: true_or_false, int: whole_number, float: real_number}


def defaults_of(keywords: type) -> dict[str, Any]:
    """List the options of a set with their defaults."""
    return {name: hint.__metadata__[0] for name, hint in get_type_hints(keywords, include_extras=True).items()}


def fill_in(keywords: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """Add the defaults of the options that are not given, and read numbers and flags as what their types say.

    Raises
    ------
    TypeError
        If one of those given is not in the set.
    InputError
        If a number or a flag is none.
    """
    defaults = defaults_of(keywords)
    unknown = next((name for name in given if name not in defaults), None)
    if unknown is not None:
        raise TypeError(f"expected one of the options {', '.join(defaults)}, found {unknown!r}")
    hints = get_type_hints(keywords, include_extras=True)
    return {**defaults, **{name: _read(name, hints[name], value) for name, value in given.items()}}


def _read(name: str, hint: Any, value: Any) -> Any:
    """Read the value of an option whose type is a number or a flag, perhaps None; others are given back unchanged."""
    kinds = get_args(hint.__origin__) if get_origin(hint.__origin__) is UnionType else (hint.__origin__,)
    wanted = [kind for kind in kinds if kind is not NoneType]
    if len(wanted) != 1 or wanted[0] not in _READERS or (value is None and len(kinds) > 1):
        return value
    try:
        return _READERS[wanted[0]](name, value)
    except InputError as err:
        if len(hint.__metadata__) == 1:
            raise
        raise InputError(f"expected {hint.__metadata__[1]}, found {shown(value)}") from err


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

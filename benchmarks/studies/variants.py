"""The variants of the detail layer that the ablation compares, and the hooks that make them.

Beside ``indices.py``, only this module reaches into the library. A variant is a name and a function that gives
a context in which ``radcodec.encode`` and ``radcodec.decode`` work as that variant. A new one is a line in ``VARIANTS``
where a constant or a Python function is replaced::

    "borders off": lambda: constant("radcodec.detail.stream", "MAX_BORDER", 0),

Rows of "one class" and "no adaptation" were made when the passes over a tile were compiled from Python.

A hook whose target is gone raises HookError, so that no variant silently measures the default.
Everything is decoded in the same context: a variant's streams are not files of the format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from importlib import import_module
from typing import Any
from unittest.mock import patch

import numpy as np

Context = AbstractContextManager[object]


class HookError(Exception):
    """The library has no such function or constant, or does not use it."""


@contextmanager
def called(*places: tuple[str, str], instead: Callable[..., Any]) -> Iterator[None]:
    """Put ``instead`` in place of Python functions (module, name); HookError if none of them was called."""
    used = False

    def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal used
        used = True
        return instead(*arguments, **options)

    with ExitStack() as stack:
        for module, name in places:
            if not hasattr(import_module(module), name):
                raise HookError(f"{module} has no {name}")
            stack.enter_context(patch.object(import_module(module), name, counted))
        yield
    if not used:
        raise HookError(f"nothing called {' or '.join('.'.join(place) for place in places)}")


def constant(module: str, name: str, value: object) -> Context:
    """Put ``value`` in place of a constant that Python code reads when it runs; HookError if there is none."""
    if not hasattr(import_module(module), name):
        raise HookError(f"{module} has no {name}")
    return patch.object(import_module(module), name, value)


@contextmanager
def max_radius(limit: int) -> Iterator[None]:
    """Limit predictors to that radius; the fit still takes a smaller one if it pays."""
    from radcodec.detail import fit, stream

    real = stream.fit_image
    radii = tuple(sorted({*(r for r in fit.RADII if r <= limit), limit}))

    def limited(*arguments: Any, **options: Any) -> bytes:
        return real(*arguments, **{**options, "max_radius": limit})

    places = (("radcodec.detail", "fit_image"), ("radcodec.detail.stream", "fit_image"))
    with constant("radcodec.detail.fit", "RADII", radii), called(*places, instead=limited):
        yield


@contextmanager
def parametric(*freedoms: float) -> Iterator[None]:
    """Use tables of Student-t errors (infinite: Gaussian) for the learned ones; a tile takes the best of them."""
    from radcodec.detail.tables import pack_tables, unpack_tables
    from radcodec.training.detail_tables import parametric_tables, to_counts

    tables = unpack_tables(pack_tables(np.stack([to_counts(parametric_tables(freedom)) for freedom in freedoms])))
    places = (("radcodec.detail.tables", "default_tables"), ("radcodec.detail.stream", "default_tables"))
    with called(*places, instead=lambda: tables):
        yield


@contextmanager
def both(*contexts: Context) -> Iterator[None]:
    """Apply several variants at once."""
    with ExitStack() as stack:
        for context in contexts:
            stack.enter_context(context)
        yield


def alone() -> Context:
    """Keep details of bounded images alone, also if a base layer under them would make a file smaller."""
    return constant("radcodec.encoding.image", "find_base", lambda *_: (None, None))


def smallest() -> Context:
    """Encode as with ``smallest=True`` in every caller."""
    from radcodec.encoding import on_base

    return both(
        constant("radcodec.encoding.on_base", "LEAST_BOUND", on_base.LEAST_PAYING),
        constant("radcodec.encoding.on_base", "LEAST_GAINS", (0.0, 0.0)),
    )


ON_BASE = "smallest: on a base layer where that pays"
FREEDOMS = (np.inf, 8.0, 4.0, 2.2)  # the forms that the learned tables start from

# All but ``ON_BASE``, which is ``smallest`` of the library, are of the detail layer alone: see ``in_variant``.
VARIANTS: dict[str, Callable[[], Context]] = {
    "default": nullcontext,
    ON_BASE: smallest,
    **{f"max radius {limit}": partial(max_radius, limit) for limit in (1, 2, 4, 8, 12, 16)},
    "parametric tables": partial(parametric, *FREEDOMS),
    "Gaussian tables": partial(parametric, np.inf),
    "reweighting off": lambda: constant("radcodec.detail.fit", "MAX_TURNS", 1),
    "closed loop off": lambda: both(
        constant("radcodec.detail.level", "LOOP_LEVEL", -(10**6)), constant("radcodec.detail.fit", "COARSE", 0.0001)
    ),
    "borders off": lambda: constant("radcodec.detail.stream", "MAX_BORDER", 0),
    "shrinkage off": lambda: called(("radcodec.detail.fit", "_shrink"), instead=lambda e, c, *_: (c, e.gram)),
}


def in_variant(name: str) -> Context:
    """Return the context of a variant; all but ``ON_BASE`` stand alone."""
    return VARIANTS[name]() if name == ON_BASE else both(alone(), VARIANTS[name]())

"""The known answer of a model: numbers from a fixed generator, and the check (docs/format.md, 9.1)."""

from __future__ import annotations

from collections.abc import Iterator

from radcodec.errors import ModelMismatchError


def draw_states() -> Iterator[int]:
    """Yield the states of the 32-bit linear congruential generator of Numerical Recipes, for use in any language."""
    state = 1
    while True:
        state = (1664525 * state + 1013904223) % 2**32
        yield state


def check_answer(name: str, found: str, expected: str, advice: str) -> None:
    """Check what a model of this name gives on this machine against the answer stored with it.

    Raises
    ------
    ModelMismatchError
        They differ: this machine's arithmetic is not exact. ``advice`` ends the message.
    """
    if found != expected:
        raise ModelMismatchError(
            f"model {name!r}: the known-answer check gives {found[:16]}..., expected {expected[:16]}...; {advice}"
        )

"""Options are written once: signatures, defaults and the refusal of unknown ones come from the same sets."""

from __future__ import annotations

import inspect
from typing import Annotated, TypedDict

import numpy as np
import pytest

import radcodec
from radcodec.encoding.bound_spec import BoundKind
from radcodec.encoding.options import Bounded, Lossless, Lossy, make_options
from radcodec.runtime.keywords import fill_in, spelled_out


class Colours(TypedDict, total=False):
    """A set of two options."""

    red: Annotated[int, 3]
    name: Annotated[str | None, None]


@spelled_out(Colours)
def paint(wall: str, *, twice: bool = False, **options: int) -> str:
    """A function with a set of options."""
    return f"{wall} {twice} {options}"


def test_signature_of_a_function_with_a_set() -> None:
    """The signature has the options one by one, after the parameters of the function, with type and default."""
    signature = inspect.signature(paint)
    assert list(signature.parameters) == ["wall", "twice", "red", "name"]
    assert signature.parameters["red"].default == 3
    assert signature.parameters["name"].annotation == (str | None)
    assert signature.parameters["name"].kind is inspect.Parameter.KEYWORD_ONLY


def test_defaults_are_filled_in() -> None:
    """Options that are not given have their default; an unknown one is a TypeError that names those there are."""
    assert fill_in(Colours, {"red": 1}) == {"red": 1, "name": None}
    with pytest.raises(TypeError, match="one of the options red, name, found 'blue'"):
        fill_in(Colours, {"blue": 1})


@pytest.mark.parametrize(
    ("function", "wanted"),
    [
        (radcodec.encode, {"max_error": None, "preview": 0, "tile": 512, "details_on_base": "auto", "verify": True}),
        (radcodec.compress, {"preview": None, "hdu": (), "recompress": False, "overwrite": False, "progress": None}),
        (radcodec.cutout, {"center": None, "size": None, "plane": None, "hdu": None, "partial": False}),
        (radcodec.preview, {"plane": 0, "full": False, "size": None, "on_note": None, "threads": None}),
    ],
)
def test_public_signatures_are_explicit(function: object, wanted: dict[str, object]) -> None:
    """`help` of a public function shows every option with its default, and no ``**options``."""
    parameters = inspect.signature(function).parameters  # type: ignore[arg-type]
    assert {name: parameters[name].default for name in wanted} == wanted
    assert not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())


def test_options_of_fits_files_are_none_of_arrays() -> None:
    """`encode` refuses an option that it does not have, also one that `compress` has."""
    with pytest.raises(TypeError, match="found 'exact_hdu'"):
        radcodec.encode(np.zeros(3), exact_hdu=1)  # type: ignore[call-arg]


def test_fidelity_has_only_its_own_options() -> None:
    """No option gives a lossless file, a bound a bounded one, a bit-rate or stages a lossy one."""
    assert make_options({}).fidelity == Lossless()
    bounded = make_options({"max_error": "0.5sigma", "sigma": 2, "smallest": True}).fidelity
    assert isinstance(bounded, Bounded)
    assert (bounded.bound.kind, bounded.bound.value, bounded.sigma) == (BoundKind.SIGMA, 0.5, 2.0)
    assert make_options({"lossy_bpp": 0.5}).fidelity == Lossy(bpp=0.5)
    assert make_options({"lossy_stages": 2}).fidelity == Lossy(n_stages=2)


def test_share_of_a_preview_is_one_percent_unless_given() -> None:
    """None stands for 1 percent, a lossy file has no preview."""
    assert make_options({}).preview_percent == 1.0
    assert make_options({"preview": 0}).preview_percent == 0.0
    assert make_options({"lossy": True}).preview_percent == 0.0

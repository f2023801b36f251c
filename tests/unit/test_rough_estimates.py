"""What estimates leave out: choices that change little of a size, and never the choice of the smaller form."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import radcodec
from radcodec.encoding import exact_probe, on_base
from radcodec.encoding.array_file import encode_array
from radcodec.encoding.bound_spec import parse_bound
from radcodec.encoding.options import Bounded, EncodeOptions
from radcodec.simulate import simulate_image


def _image(side: int = 200) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(simulate_image((side, side), seed=7))


def _options(bound: str, *, rough: bool) -> EncodeOptions:
    return EncodeOptions(fidelity=Bounded(bound=parse_bound(bound)), tile=512, threads=1, effort=1, rough=rough)


def _calls(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> list[Any]:
    """Note the calls of a function of a module."""
    calls, real = [], getattr(module, name)

    def noted(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        return real(*args, **kwargs)

    monkeypatch.setattr(module, name, noted)
    return calls


def test_a_rough_size_is_nearly_the_whole_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a small image with a coarse bound a rough look takes at most 3 % more, and codes the whole image once."""
    image = _image()
    sizes = {}
    for rough in (False, True):
        calls = _calls(monkeypatch, on_base, "_attempt")
        sizes[rough] = len(encode_array(image, _options("1sigma", rough=rough)).to_bytes())
        whole = sum(box[3] - box[2] == len(image) for _, box, *_ in calls)
        assert whole <= 2 if rough else whole >= 3
    assert sizes[False] <= sizes[True] <= 1.03 * sizes[False]


def test_a_rough_look_does_not_try_exact_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exact streams are coded beside bounded ones, for the smaller of both, unless only the size is asked."""
    calls = _calls(monkeypatch, exact_probe, "_exact_bytes")
    for rough, tried in ((True, False), (False, True)):
        encode_array(_image(), _options("0.125sigma", rough=rough))
        assert bool(calls) == tried


def test_an_estimate_of_a_bound_that_saves_nothing_is_the_exact_one() -> None:
    """Where a bound takes more than exact pixels, these are what encoding stores and what an estimate says."""
    # Whole numbers with a noise of a unit or so: steps of sixteenths of it are finer than what there is.
    image = np.random.default_rng(5).normal(0, 1.5, (160, 160)).round().astype(np.float32)
    rungs = {(rung["mode"], rung["max_error_sigma"]): rung for rung in radcodec.estimate(image, threads=1)}
    exact, fine = rungs["lossless", None], rungs["bounded", 1 / 16]
    assert fine["bits_per_pixel"] == pytest.approx(exact["bits_per_pixel"], rel=0.01)
    assert fine["noise_added_percent"] == 0.0


@pytest.mark.parametrize("kwargs", [{"max_error": "1sigma"}, {"max_error": "1localsigma"}])
def test_a_base_layer_of_one_tile_is_made_once(kwargs: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The trial of an image of one tile is its base layer: the same bytes as where it is coded again."""
    image = _image()
    calls = _calls(monkeypatch, on_base, "_whole_base")
    reused = radcodec.encode(image, effort=1, threads=1, **kwargs)
    assert not calls
    monkeypatch.setattr(on_base, "_as_base", lambda *_: None)
    assert radcodec.encode(image, effort=1, threads=1, **kwargs) == reused
    assert len(calls) == 1

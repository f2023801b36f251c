"""``details_on_base`` chooses whether details of a bounded image are coded on a base layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import radcodec
from radcodec.cli.app import run
from radcodec.simulate import simulate_image

SIGMA = 1.5e-4  # noise of the simulated images


@pytest.fixture(scope="module")
def smooth() -> np.ndarray[Any, np.dtype[np.float32]]:
    """A beam of twelve pixels: a base layer pays at coarse bounds."""
    return simulate_image((150, 200), seed=4, beam_fwhm_px=(12.0, 12.0))


def _on_base(data: bytes) -> bool:
    with radcodec.open(data) as file:
        return bool(file.info.hdus[0]["on_base"])


def test_never_has_no_base_layer_and_keeps_the_bound(smooth: np.ndarray[Any, np.dtype[np.float32]]) -> None:
    """At a bound where auto codes on a base layer, never does not; the file then names no model."""
    auto = radcodec.encode(smooth, max_error=SIGMA)
    never = radcodec.encode(smooth, max_error=SIGMA, details_on_base="never")
    assert _on_base(auto)
    assert not _on_base(never)
    with radcodec.open(never) as file:
        assert file.info.model is None
    assert len(auto) < len(never)
    assert np.abs(radcodec.decode(never).astype(np.float64) - smooth).max() <= SIGMA


def test_always_is_the_older_smallest(smooth: np.ndarray[Any, np.dtype[np.float32]]) -> None:
    """At a quarter of the noise, where auto has no base layer, both have the same one."""
    auto = radcodec.encode(smooth, max_error=SIGMA / 4)
    always = radcodec.encode(smooth, max_error=SIGMA / 4, details_on_base="always")
    assert radcodec.encode(smooth, max_error=SIGMA / 4, details_on_base="auto") == auto
    assert not _on_base(auto)
    assert _on_base(always)
    assert radcodec.encode(smooth, max_error=SIGMA / 4, smallest=True) == always


def test_choices_that_do_not_fit(smooth: np.ndarray[Any, np.dtype[np.float32]]) -> None:
    """Another word, a contradiction, and a choice without a bound to apply it to are errors that say so."""
    with pytest.raises(radcodec.InputError, match="auto, always, never, found 'sometimes'"):
        radcodec.encode(smooth, max_error=SIGMA, details_on_base="sometimes")
    with pytest.raises(radcodec.InputError, match="either smallest or details_on_base='never'"):
        radcodec.encode(smooth, max_error=SIGMA, smallest=True, details_on_base="never")
    with pytest.raises(radcodec.BoundError, match="beside --details-on-base, found none"):
        radcodec.encode(smooth, details_on_base="always")


def test_the_command_line_knows_the_choices(capsys: pytest.CaptureFixture[str]) -> None:
    """Another word is a usage error."""
    assert run(["compress", "x.fits", "--details-on-base", "sometimes"]) == 2
    assert "'auto', 'always', 'never'" in capsys.readouterr().err
    assert run(["compress", "--help"]) == 0
    assert "--details-on-base [auto|always|never]" in capsys.readouterr().out

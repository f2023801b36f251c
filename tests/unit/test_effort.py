"""The option effort: its range, and that bytes depend on the image and the level alone."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import radcodec
from radcodec.cli.app import run
from radcodec.simulate import simulate_fits, simulate_image

SKY = simulate_image((200, 210), seed=11)


def compressed(content: bytes, **options: Any) -> bytes:
    out = io.BytesIO()
    radcodec.compress(io.BytesIO(content), out, preview=0, **options)
    return out.getvalue()


@pytest.mark.parametrize("effort", [0, 10, -1, "x", "5", 5.0, None, True, [5], 10**30])
def test_what_is_no_level_is_refused(effort: Any) -> None:
    """Anything but a whole number of 1 to 9 is refused, in words that name the range and what was found."""
    with pytest.raises(radcodec.InputError, match=r"expected an effort of 1.* to 9.*, found"):
        radcodec.encode(SKY, effort=effort)


def test_levels_of_numpy_are_levels() -> None:
    """An integer of NumPy is a level like the int of the same value."""
    assert radcodec.encode(SKY, effort=np.int8(2)) == radcodec.encode(SKY, effort=2)  # type: ignore[arg-type]


@pytest.mark.parametrize("bound", [None, "0.125sigma", "0.5sigma"])
def test_the_default_is_five(bound: str | None) -> None:
    """Without the option bytes are those of effort 5."""
    assert radcodec.encode(SKY, max_error=bound) == radcodec.encode(SKY, max_error=bound, effort=5)


@pytest.mark.parametrize("effort", [1, 3, 5, 8, 9])
@pytest.mark.parametrize("bound", [None, "0.125sigma"])
def test_bytes_depend_on_neither_threads_nor_time(bound: str | None, effort: int) -> None:
    """One thread, two and a second run write the same bytes, which restore the image."""
    first = radcodec.encode(SKY, max_error=bound, effort=effort, threads=1)
    assert radcodec.encode(SKY, max_error=bound, effort=effort, threads=2) == first
    assert radcodec.encode(SKY, max_error=bound, effort=effort, threads=1) == first
    if bound is None:
        np.testing.assert_array_equal(radcodec.decode(first), SKY)


def test_efforts_differ_in_size_alone() -> None:
    """All levels restore the same exact file; the last takes fewest bytes of 1, 5 and 9 and the first most."""
    content = simulate_fits((220, 200), seed=12)
    files = [compressed(content, effort=effort) for effort in (1, 5, 9)]
    for file in files:
        out = io.BytesIO()
        radcodec.decompress(io.BytesIO(file), out)
        assert out.getvalue() == content
    assert len(files[0]) > len(files[1]) >= 0.999 * len(files[2])


def test_option_of_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``--effort N`` gives the bytes of ``effort=N``; what is no level ends with the exit code of a wrong usage."""
    source, target = tmp_path / "a.fits", tmp_path / "a.rcz"
    content = simulate_fits((96, 90), seed=13)
    source.write_bytes(content)
    assert run(["compress", str(source), str(target), "--effort", "1", "--no-preview", "--quiet"]) == 0
    assert target.read_bytes() == compressed(content, effort=1)
    for level in ("0", "10", "x", "2.5"):
        assert run(["compress", str(source), str(tmp_path / "b.rcz"), "--effort", level]) == 2
        assert "--effort" in capsys.readouterr().err
    assert not (tmp_path / "b.rcz").exists()

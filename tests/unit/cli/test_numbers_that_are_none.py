"""An option that takes a number of seconds or minutes refuses nan, infinity and what no clock can wait for."""

from __future__ import annotations

from pathlib import Path

import pytest

from radcodec.cli.app import run


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e400", "-1"])
@pytest.mark.parametrize(
    "words",
    [
        ["watch", "in", "--out-dir", "out", "--once", "--settle"],
        ["watch", "in", "--out-dir", "out", "--once", "--every"],
        ["finetune", "in", "--minutes"],
    ],
)
def test_no_finite_number(
    words: list[str], value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is a usage error that names the option, and nothing is made."""
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    assert run([*words, value]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert words[-1] in lines[0]
    assert not Path("out").exists()


@pytest.mark.parametrize("option", ["--settle", "--every"])
def test_longer_than_a_clock_can_wait(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The system sleeps for at most 292 years; a wait of over a year is refused."""
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    assert run(["watch", "in", "--out-dir", "out", "--once", option, "1e300"]) == 2
    assert option in capsys.readouterr().err

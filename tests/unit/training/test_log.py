"""What a run tells: lines, a status on terminals alone, CSV rows, TensorBoard's scalars."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

pytest.importorskip("torch")

from radcodec.training import log
from radcodec.training.log import Console, RunLog, cut_rows, duration, tag


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def test_the_status_is_for_terminals_alone() -> None:
    """Elsewhere only lines are written; without a stream nothing is."""
    for stream, shown in ((io.StringIO(), "a line\n"), (Terminal(), "\r\x1b[Kdoing\r\x1b[Ka line\n")):
        console = Console(stream)
        console.status("doing")
        console.line("a line")
        console.clear()
        assert stream.getvalue() == shown
    Console().line("nowhere")


def test_the_status_is_not_drawn_too_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three drawings within the least time the first is made, and one after it."""
    now = [100.0]
    monkeypatch.setattr(log.time, "monotonic", lambda: now[0])
    stream = Terminal()
    console = Console(stream)
    for text, seconds in (("a", 0.0), ("b", 0.1), ("c", 0.2)):
        now[0] = 100.0 + seconds
        console.status(text)
    assert stream.getvalue() == "\r\x1b[Ka\r\x1b[Kc"


def test_rows_beyond_the_checkpoint_are_dropped(tmp_path: Path) -> None:
    """A log of three rows whose checkpoint knows two goes on with the third; one that knows none starts anew."""
    console = Console()
    first = RunLog(tmp_path, rows=0, console=console)
    for step in (1, 2, 3):
        first.row(step, {"step": step, "loss": 0.5}, "")
    first.close()
    second = RunLog(tmp_path, rows=2, console=console)
    second.row(3, {"step": 3, "loss": 0.123456}, "")
    second.close()
    with (tmp_path / "log.csv").open() as stream:
        assert list(csv.reader(stream)) == [["step", "loss"], ["1", "0.50000"], ["2", "0.50000"], ["3", "0.12346"]]
    assert (tmp_path / "log.csv").read_bytes().count(b"\r\n") == 4
    cut_rows(tmp_path / "log.csv", 0)
    assert not (tmp_path / "log.csv").exists()


def test_tensorboard_gets_every_number(tmp_path: Path) -> None:
    """Scalars can be read back by TensorBoard's own reader; what a resumed run says again replaces what was said."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for rows, loss in ((0, 4.0), (1, 2.0)):
        run = RunLog(tmp_path, rows=rows, console=Console())
        for step in range(rows + 1, 3):
            run.row(step, {"phase": "prior", "loss": loss, "dead3": step, "bits_at_0.5": 0.25}, "")
        run.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert sorted(events.Tags()["scalars"]) == ["bits/0.5", "dead/3", "run/loss"]
    assert [(event.step, event.value) for event in events.Scalars("run/loss")] == [(1, 4.0), (2, 2.0)]


def test_a_missing_tensorboard_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One line says so, and the log is written without it."""
    monkeypatch.setattr(log, "find_spec", lambda name: None)
    stream = io.StringIO()
    log.tell_missing_tensorboard(Console(stream))
    assert "tensorboard is not installed" in stream.getvalue()
    RunLog(tmp_path, rows=0, console=Console()).row(1, {"loss": 1.0}, "")
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]


def test_names_and_times() -> None:
    """Columns with a number at the end share a chart; times are short."""
    assert [tag(name) for name in ("perplexity12", "bits_at_0.125", "mean_bits")] == [
        "perplexity/12", "bits/0.125", "run/mean_bits",
    ]  # fmt: skip
    assert [duration(seconds) for seconds in (5.4, 59, 61, 5400)] == ["5 s", "59 s", "1 min", "1 h 30 min"]

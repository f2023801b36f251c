"""The benchmark as one command: every part of it is a command that exists, and one that fails stops no other."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks import commands, machine
from benchmarks.data.datasets import images
from benchmarks.protocol import STEPS, run_all
from benchmarks.science.coders import coder_makers
from benchmarks.science.jobs import DIVISORS, SIZES

README = Path(command.__file__).with_name("README.md")


def told_in_readme() -> list[str]:
    """What stands behind ``python -m benchmarks`` in its code blocks."""
    lines = [
        line for line in README.read_text(encoding="utf-8").splitlines() if line.startswith("python -m benchmarks ")
    ]
    return [line.removeprefix("python -m benchmarks ") for line in lines]


@pytest.mark.parametrize("step", [*STEPS, *told_in_readme()])
def test_every_command_is_one(step: str) -> None:
    """Those of the protocol and those of the README are understood, their codecs and levels known."""
    options = command.parser().parse_args(shlex.split(step, comments=True))
    if options.command == "run" and options.rivals:
        commands.chosen_names(options.rivals, list(command.all_rivals()), "codec")
    if options.command == "science":
        assert set(options.level or []) <= {*DIVISORS, *SIZES}
        assert set((options.rivals or "radcodec").split(",")) <= set(coder_makers())


def test_readme_names_every_command() -> None:
    """A command that the README does not name is one that nobody finds."""
    named = {line.split()[0] for line in told_in_readme()}
    [subparsers] = [action for action in command.parser()._actions if action.dest == "command"]
    assert named == set(subparsers.choices or ())


def test_a_failed_step_stops_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    """Failures that end with a message are listed at the end; an end without one is not listed."""
    done = []

    def carry_out(words: list[str]) -> None:
        done.append(words)
        if words[0] == "b":
            raise SystemExit("no such set")
        if words[0] == "c":
            raise SystemExit(0)
        if words[0] == "d":
            raise MemoryError("too large")

    assert run_all(carry_out, ["a --x 1", "b", "c", "d", "e"]) == ["b", "d"]
    assert done == [["a", "--x", "1"], ["b"], ["c"], ["d"], ["e"]]
    told = capsys.readouterr().err
    assert "b: no such set" in told
    assert "MemoryError: too large" in told


def test_all_hands_the_data_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step that has a folder of sets gets the one that was given."""
    given = []
    monkeypatch.setattr(command, "run_one", lambda options: given.append(getattr(options, "data", None)))
    monkeypatch.setattr("sys.argv", ["benchmarks", "all", "--data", str(tmp_path)])
    command.main()
    assert len(given) == len(STEPS)
    assert set(given) == {tmp_path, None}
    assert given.count(None) == sum(step.split()[0] in ("speed", "base-speed", "kernels") for step in STEPS)


def test_a_file_of_the_same_commit_is_continued(tmp_path: Path) -> None:
    """Also on another day, and where ``tidy`` left only its parts; that of another command or commit is not."""
    slug = machine.slug()
    for name in ("01_{}_abc_speed", "02_{}_abc_run_first-test", "03_{}_abd_run", "04_{}_abc_run-other"):
        (tmp_path / f"2020-01-{name.format(slug)}.csv").touch()
    speed = command.parser().parse_args(["speed"])
    assert commands.default_out(speed, "abc", tmp_path).name == f"2020-01-01_{slug}_abc_speed.csv"
    run = command.parser().parse_args(["run", "--track", "lossless", "--set", "simulated"])
    assert commands.default_out(run, "abc", tmp_path).name == f"2020-01-02_{slug}_abc_run.csv"
    new = commands.default_out(speed, "abd", tmp_path)
    assert new.name.endswith(f"_{slug}_abd_speed.csv")
    assert not new.exists()


@pytest.mark.parametrize("commit", ["nocommit", "abc-dirty"])
def test_a_tree_without_a_commit_is_another_on_another_day(tmp_path: Path, commit: str) -> None:
    """Its name does not say what it was."""
    (tmp_path / f"2020-01-01_{machine.slug()}_{commit}_speed.csv").touch()
    assert not commands.default_out(command.parser().parse_args(["speed"]), commit, tmp_path).exists()


@pytest.mark.parametrize("chosen", ["first/test", "mirabest"])
def test_a_set_that_is_not_there_is_named(tmp_path: Path, chosen: str) -> None:
    """With what gets it, instead of a traceback."""
    with pytest.raises(SystemExit, match=rf"no set {chosen}.*fetch"):
        next(iter(images(tmp_path, chosen)))

"""A search tries what it may, goes on after an interruption, and writes what it found."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("astropy")

from radcodec.cli.app import run
from radcodec.errors import InputError
from radcodec.training import tune as tuning
from radcodec.training.config import LappedConfig, read_config
from radcodec.training.study import Range, get_dotted, read_study, with_values

BASE = """
[model]
kind = "lapped"
name = "smoke"
stages = 6
[data]
folders = []
validation = []
images = 0
simulated = 3
sides = [48]
[fit]
steps = [20, 20]
learning_rates = [0.02, 0.01]
batch = 256
pairs = 200
[run]
seed = 3
threads = 1
summary = "smoke"
out = "runs/smoke"
"""
STUDY = """
[study]
config = "base.toml"
out = "search"
trials = 2
seed = 1
[search]
"fit.learning_rates.1" = { low = 1e-3, high = 1e-1, log = true }
"fit.pairs" = { low = 50, high = 200, step = 50 }
"data.sides" = { choices = [[48], [32, 48]] }
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder with a study in it."""
    monkeypatch.chdir(tmp_path)
    Path("base.toml").write_text(BASE, encoding="utf-8")
    Path("study.toml").write_text(STUDY, encoding="utf-8")


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Trials are not trained: their bits are |log10 rate + 2| + pairs / 1000; what was asked for is listed."""
    pytest.importorskip("optuna")
    asked: list[dict[str, Any]] = []

    def measure(study: object, values: dict[str, Any], *_: object) -> float:
        asked.append(values)
        return abs(math.log10(values["fit.learning_rates.1"]) + 2) + values["fit.pairs"] / 1000

    monkeypatch.setattr(tuning, "_measure", measure)
    return asked


def test_a_study_is_read() -> None:
    """Ranges, choices and numbers are those of the file; the base configuration is beside it."""
    study = read_study(Path("study.toml"))
    assert study.search["fit.learning_rates.1"].log
    assert study.search["fit.pairs"].step == 50
    assert study.search["data.sides"].choices == ([48], [32, 48])
    assert study.config.name == "smoke"


def test_ranges_hold_what_may_come_out_of_them() -> None:
    """Ends included, on the steps, among the choices."""
    steps = Range(low=50, high=200, step=50)
    assert [steps.holds(value) for value in (50, 60, 200, 250, "50")] == [True, False, True, False, False]
    assert Range(low=0.1, high=0.2).holds(0.15)
    assert Range(choices=([1], [2])).holds([2])
    assert not Range(choices=([1], [2])).holds([3])


def test_dotted_keys_count_in_lists() -> None:
    """A value deep in a list is set in a copy."""
    base = {"fit": {"rates": [1.0, 2.0]}, "run": {"out": "a"}}
    assert with_values(base, {"fit.rates.1": 5.0, "run.out": "b"}) == {
        "fit": {"rates": [1.0, 5.0]},
        "run": {"out": "b"},
    }
    assert get_dotted(base, "fit.rates.1") == 2.0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("trials = 2", "trials = 0", "trials must be"),
        ("seed = 1", "", "seed is missing"),
        ("seed = 1", "sed = 1", "sed is not known"),
        ('"base.toml"', '"none.toml"', r"none.toml, found none"),
        ("[search]", "[serch]", "sections study and search"),
        ('"fit.pairs"', '"fit.pears"', r"fit\.pears: expected a key"),
        ('"fit.pairs"', '"run.seed"', r"run\.seed cannot be searched"),
        ('"fit.pairs"', '"data.validation"', "cannot be searched"),
        ("low = 50, high = 200", "low = 200, high = 50", "low below high"),
        ("low = 1e-3", "low = 0.0", "low below high"),
        ("[[48], [32, 48]]", "[]", "data.sides must be"),
        ("high = 1e-1, log", "hi = 1e-1, log", "low, high"),
    ],
)
def test_a_wrong_study_is_refused(old: str, new: str, message: str) -> None:
    """The message names the file and what is wrong."""
    assert old in STUDY
    Path("study.toml").write_text(STUDY.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=rf"study\.toml: not a study: .*{message}"):
        read_study(Path("study.toml"))


def test_a_search_trains_and_measures() -> None:
    """Two real trials: their numbers differ, the best one's configuration is the one that gives its model."""
    pytest.importorskip("optuna")
    result = tuning.tune(Path("study.toml"))
    bits = [row.bits for row in result.trials]
    assert len(bits) == 2
    assert result.best.bits == min(bit for bit in bits if bit is not None)
    assert (result.model / "weights.safetensors").is_file()
    config = read_config(result.config)
    assert isinstance(config, LappedConfig)
    assert config.fit.learning_rates == (0.02, result.best.parameters["fit.learning_rates.1"])
    assert list(config.data.sides) == result.best.parameters["data.sides"]
    assert config.out == "search/best"


def test_a_search_goes_on(measured: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    """Run again with more trials it adds what is missing, with other points; with as many it only tells."""
    assert run(["tune", "study.toml", "--quiet"]) == 0
    first = capsys.readouterr().out
    assert first.splitlines()[0].split() == ["trial", "bit/px", "minutes", *read_study(Path("study.toml")).search]
    assert run(["tune", "study.toml", "--trials", "12", "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [trial["number"] for trial in found["trials"]] == list(range(12))
    assert len({trial["parameters"]["fit.learning_rates.1"] for trial in found["trials"]}) == 12
    for trial in found["trials"]:
        rate, pairs = trial["parameters"]["fit.learning_rates.1"], trial["parameters"]["fit.pairs"]
        assert 1e-3 <= rate <= 1e-1
        assert pairs in (50, 100, 150, 200)
        assert trial["bits_per_pixel"] == pytest.approx(abs(math.log10(rate) + 2) + pairs / 1000)
    # The first trial is the base configuration itself.
    assert list(found["trials"][0]["parameters"].values()) == [0.01, 200, [48]]
    best = min(found["trials"], key=lambda trial: float(trial["bits_per_pixel"]))
    assert found["best"]["number"] == best["number"]
    assert run(["tune", "study.toml", "--trials", "12", "--quiet"]) == 0
    assert len(measured) == 12


def test_a_killed_trial_is_taken_up_again(measured: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its parameters and its folder, where its checkpoint is, are used by the next trial."""
    folders: list[Path] = []
    measure = tuning._measure

    def killed(*arguments: Any) -> float:
        folders.append(arguments[2])
        if len(folders) == 1:
            measure(*arguments)
            raise KeyboardInterrupt
        return measure(*arguments)

    monkeypatch.setattr(tuning, "_measure", killed)
    with pytest.raises(KeyboardInterrupt):
        tuning.tune(Path("study.toml"))
    result = tuning.tune(Path("study.toml"))
    assert len(result.trials) == 2
    assert measured[0] == measured[1]
    assert folders[0] == folders[1] != folders[2]


def test_bad_trials_are_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first trials one that does worse than the median at its first report is pruned."""
    pytest.importorskip("optuna")
    done: list[float] = []

    def measure(study: object, values: object, folder: object, images: object, console: object, watch: Any) -> float:
        done.append(float(len(done)))
        watch(1, done[-1])
        return done[-1]

    monkeypatch.setattr(tuning, "_measure", measure)
    result = tuning.tune(Path("study.toml"), trials=6)
    assert [row.state for row in result.trials] == ["complete"] * 4 + ["pruned"] * 2
    assert result.best.number == 0
    assert tuning.table_lines(result)[-1].split()[1] == "pruned"


def test_failures_are_told_and_do_not_stop_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial that cannot be trained is a row of its own; if all fail the first reason is given."""
    pytest.importorskip("optuna")
    calls = [0]

    def measure(*_: object) -> float:
        calls[0] += 1
        if calls[0] <= 2:
            raise InputError("no such folder")
        return 1.0

    monkeypatch.setattr(tuning, "_measure", measure)
    with pytest.raises(InputError, match="no trial finished; no such folder"):
        tuning.tune(Path("study.toml"))
    assert [row.state for row in tuning.tune(Path("study.toml"), trials=3).trials] == ["failed", "failed", "complete"]


def test_another_study_is_refused(measured: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    """Other ranges or another base in the same folder cannot be compared."""
    assert run(["tune", "study.toml", "--quiet"]) == 0
    Path("base.toml").write_text(BASE.replace("batch = 256", "batch = 128"), encoding="utf-8")
    assert run(["tune", "study.toml", "--quiet"]) == 2
    assert "another base configuration" in capsys.readouterr().err

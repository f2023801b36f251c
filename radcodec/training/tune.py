"""Search hyper-parameters with Optuna: trials are whole trainings, compared by coded bits at equal error.

The measured images are those of the base configuration, read once. A study runs in one process at a time, and resumes
when it is started again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from radcodec.base.store import load_model
from radcodec.errors import InputError
from radcodec.training.data import validation_images
from radcodec.training.datasets import Image
from radcodec.training.log import Console
from radcodec.training.loop import VALIDATION_PX
from radcodec.training.rate import bits_at_errors, mean_bits
from radcodec.training.run import train
from radcodec.training.sources import thin_pixels
from radcodec.training.study import Range, Study, get_dotted, identity, read_study, with_values
from radcodec.training.toml import toml_text

STUDY_FILE = "study.db"
BEST_FILE = "best.toml"
#: A trial is stopped if it is worse than the median of the others at the same step. Not before this many trials are
#: finished, and not in this share of a convolutional model's steps, before codebooks are filled.
UNPRUNED_TRIALS = 4
UNPRUNED_SHARE = 0.35


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRow:
    """One trial: `state` is complete, pruned or failed; `bits` a pixel are there if complete, `error` if failed."""

    number: int
    state: str
    bits: float | None
    minutes: float
    parameters: dict[str, Any]
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """Results of a search: the best trial, its configuration and its model's folder, and all trials."""

    best: TrialRow
    config: Path
    model: Path
    trials: tuple[TrialRow, ...]


def tune(path: Path, *, trials: int | None = None, console: Console | None = None) -> Tuned:
    """Run the study at `path` until it has `trials` trials (default: the study's own number).

    Raises
    ------
    InputError
        The study is malformed, its folder holds another one, or no trial finished.
    """
    console = Console() if console is None else console
    study = read_study(path)
    study.out.mkdir(parents=True, exist_ok=True)
    optuna = import_module("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    found = _open(optuna, study, path)
    images = thin_pixels(validation_images(study.config.data, study.config.seed), VALIDATION_PX)
    wanted = study.trials if trials is None else trials
    while (done := len(_rows(found))) < wanted:
        _run_trial(optuna, found, study, images, console, f"{done + 1} of {wanted}")
    return _result(found, study)


def _open(optuna: Any, study: Study, path: Path) -> Any:
    """Return Optuna's study, with trials that were cut off queued again."""
    steps = study.config.fit.steps
    warm_up = 0 if isinstance(steps, tuple) else int(UNPRUNED_SHARE * steps)
    storage = f"sqlite:///{(study.out / STUDY_FILE).as_posix()}"
    found = optuna.create_study(study_name="radcodec", storage=storage, load_if_exists=True, direction="minimize")
    known = found.user_attrs.get("study")
    if known not in (None, identity(study)):
        raise InputError(
            f"{study.out}: expected the trials of {path}, found those of a study with another base configuration or "
            "other ranges; name another folder in study.out"
        )
    if known is None:
        found.set_user_attr("study", identity(study))
        _queue_base(found, study)
    # Each start has its own seed: the same one would draw the same points again.
    found.sampler = optuna.samplers.TPESampler(seed=study.seed + len(found.trials))
    found.pruner = optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED_TRIALS, n_warmup_steps=warm_up)
    for trial in found.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
        found.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        if trial.user_attrs.get("folder") and set(trial.params) == set(study.search):
            found.enqueue_trial(trial.params, user_attrs={"folder": trial.user_attrs["folder"]})
    return found


def _queue_base(found: Any, study: Study) -> None:
    """Make the base configuration itself the first trial, if its values may be searched."""
    values = {key: get_dotted(study.base, key) for key in study.search}
    if all(where.holds(values[key]) for key, where in study.search.items()):
        stored = {key: json.dumps(value) if study.search[key].choices else value for key, value in values.items()}
        found.enqueue_trial(stored)


def _run_trial(optuna: Any, found: Any, study: Study, images: Sequence[Image], console: Console, count: str) -> None:
    """Run one trial and report its result to Optuna and the console."""
    trial = found.ask()
    values = {key: suggest(trial, key, where) for key, where in study.search.items()}
    name = trial.user_attrs.get("folder") or f"{trial.number:04d}"
    trial.set_user_attr("folder", name)
    head = f"trial {trial.number} ({count})"
    console.line(f"{head}: {'  '.join(f'{key} {text_of(value)}' for key, value in values.items())}")
    states = optuna.trial.TrialState
    try:
        bits = _measure(study, values, study.out / "trials" / name, images, console, _watch(optuna, trial))
    except optuna.TrialPruned:
        found.tell(trial, state=states.PRUNED)
        console.line(f"{head}: stopped, worse than the median")
    except InputError as error:
        trial.set_user_attr("error", str(error))
        found.tell(trial, state=states.FAIL)
        console.line(f"{head}: failed: {error}")
    else:
        found.tell(trial, bits)
        console.line(f"{head}: {bits:.4f} bit/px, best {found.best_value:.4f}")


def _watch(optuna: Any, trial: Any) -> Callable[[int, float], None]:
    """Return what is called with a trial's figures as it learns, and stops it if they are bad."""

    def watch(step: int, bits: float) -> None:
        trial.report(bits, step)
        if trial.should_prune():
            raise optuna.TrialPruned

    return watch


def _measure(
    study: Study,
    values: dict[str, Any],
    folder: Path,
    images: Sequence[Image],
    console: Console,
    watch: Callable[[int, float], None],
) -> float:
    """Return the bits a pixel of a model trained with these values, the geometric mean over the errors."""
    _write_config(study, values, folder, folder / "config.toml")
    model = load_model(str(train(folder / "config.toml", console=console, watch=watch)))
    console.status("measuring")
    return mean_bits(bits_at_errors(model, images))


def _write_config(study: Study, values: dict[str, Any], out: Path, path: Path) -> None:
    """Write the base configuration with some values and a folder `out` of its own to `path`."""
    sections = with_values(study.base, {**values, "run.out": out.as_posix()})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(toml_text(sections, "Made by radcodec tune."), encoding="utf-8")


def suggest(trial: Any, key: str, where: Range) -> Any:
    """Return the value that Optuna wants to try."""
    if where.choices:
        # Optuna stores no lists, so choices are stored as JSON.
        return json.loads(trial.suggest_categorical(key, [json.dumps(choice) for choice in where.choices]))
    if isinstance(where.low, int) and isinstance(where.high, int):
        return trial.suggest_int(key, where.low, where.high, step=where.step or 1, log=where.log)
    return trial.suggest_float(key, where.low, where.high, step=where.step, log=where.log)


def _rows(found: Any) -> list[TrialRow]:
    """Return the trials that came to an end, in their order; those that were cut off were queued again."""
    rows = []
    for trial in found.trials:
        state = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}.get(trial.state.name, "")
        error = str(trial.user_attrs.get("error", ""))
        if not state or (state == "failed" and not error):
            continue
        seconds = (trial.datetime_complete - trial.datetime_start).total_seconds()
        parameters = {
            key: json.loads(value) if isinstance(value, str) else value for key, value in trial.params.items()
        }
        bits = float(trial.value) if state == "complete" else None
        rows.append(TrialRow(
            number=int(trial.number), state=state, bits=bits, minutes=seconds / 60, parameters=parameters, error=error
        ))  # fmt: skip
    return rows


def _result(found: Any, study: Study) -> Tuned:
    """Return what was found, and write the best trial's configuration."""
    rows = _rows(found)
    complete = [row for row in rows if row.bits is not None]
    if not complete:
        errors = [row.error for row in rows if row.error]
        raise InputError(f"{study.out}: no trial finished; {errors[0] if errors else 'all were stopped'}")
    best = min(complete, key=lambda row: (row.bits, row.number))
    folder = study.out / "trials" / str(found.trials[best.number].user_attrs["folder"])
    _write_config(study, best.parameters, study.out / "best", study.out / BEST_FILE)
    return Tuned(best=best, config=study.out / BEST_FILE, model=folder / "model", trials=tuple(rows))


def table_lines(result: Tuned) -> list[str]:
    """Return all trials as a table, the best first."""
    keys = list(result.best.parameters)
    ordered = sorted(result.trials, key=lambda row: (row.bits is None, row.bits or 0.0, row.number))
    rows = [["trial", "bit/px", "minutes", *keys]]
    for row in ordered:
        bits = row.state if row.bits is None else f"{row.bits:.4f}"
        rows.append([str(row.number), bits, f"{row.minutes:.1f}", *(text_of(row.parameters.get(key)) for key in keys)])
    widths = [max(len(cells[column]) for cells in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True)) for cells in rows]


def text_of(value: Any) -> str:
    """Return a parameter in few characters."""
    return f"{value:.4g}" if isinstance(value, float) else json.dumps(value)

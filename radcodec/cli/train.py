"""``radcodec train``, ``finetune`` and ``tune``, which make models. They need the extra ``train``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from radcodec.cli.common import FiniteRange, json_option, print_json, quiet_option, report_errors
from radcodec.cli.errors import DONE
from radcodec.cli.headings import GroupedCommand
from radcodec.cli.streams import say

if TYPE_CHECKING:
    from radcodec.training.finetune import Count, FineTuned
    from radcodec.training.log import Console
    from radcodec.training.tune import Tuned

restart_option = click.option(
    "--restart", is_flag=True, help="Start again instead of resuming from the last checkpoint."
)


@contextmanager
def _training(name: str, path: Path, kind: str) -> Iterator[None]:
    """Report errors of training, including a missing file or package, as other commands do."""
    with report_errors(name):
        if not (path.is_dir() if kind == "folder" else path.is_file()):
            raise FileNotFoundError(2, f"expected a {kind}, found none", name)
        try:
            yield
        except ModuleNotFoundError as error:
            raise click.UsageError(
                f"training needs {error.name}, which is not installed: pip install 'radcodec[train]'"
            ) from error


def _console(quiet: bool) -> Console:
    """Return the console of a run: standard error."""
    from radcodec.training.log import Console, tell_missing_tensorboard

    console = Console(None if quiet else sys.stderr)
    tell_missing_tensorboard(console)
    return console


@click.command()
@click.argument("config", metavar="CONFIG.toml", type=click.Path(path_type=Path))
@restart_option
@quiet_option
def train(config: Path, restart: bool, quiet: bool) -> int:
    """Train a model from a configuration; those under models/ reproduce the shipped models."""
    with _training(str(config), config, "configuration file"):
        from radcodec.training.run import train as run_training

        folder = run_training(config, resume=not restart, console=_console(quiet))
    return say(f"{config} -> {folder}")


@click.command(
    cls=GroupedCommand,
    headings={
        "Run": ("out", "name", "minutes", "restart", "threads"),
        "Model": ("model",),
        "Output": ("quiet", "as_json"),
    },
    examples=[("radcodec finetune survey --minutes 10", "Fit the default model to the images in survey:")],
)
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option("--model", metavar="NAME|PATH", help="Model to start from (default: the default model).")
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), help="Folder of the run (default: runs/NAME).")
@click.option("--name", metavar="NAME", help="Name of the new model (default: MODEL-FOLDER).")
@click.option("--minutes", type=FiniteRange(min=0, min_open=True), metavar="M",
              help="About how long a new run may take (default: 5).")  # fmt: skip
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads to use.")
@restart_option
@quiet_option
@json_option
def finetune(
    folder: Path,
    model: str | None,
    out: Path | None,
    name: str | None,
    minutes: float | None,
    threads: int,
    restart: bool,
    quiet: bool,
    as_json: bool,
) -> int:
    """Fit a model to a folder of FITS images, and compare both models on a held-out tenth."""
    with _training(str(folder), folder, "folder"):
        from radcodec.training.finetune import finetune as run_finetune

        result = run_finetune(
            folder, model=model, out=out, name=name, minutes=minutes, threads=threads, resume=not restart,
            console=_console(quiet),
        )  # fmt: skip
    if as_json:
        print_json(_finetuned_json(result))
    else:
        return say(_finetuned_text(result))
    return DONE


def _finetuned_text(result: FineTuned) -> str:
    """Return the comparison, its conclusion, and how to use the model."""
    from radcodec.training.finetune import table_lines, verdict

    return "\n".join([
        f"trained on {result.trained.images} images of {result.trained.files} files; bits a pixel at equal error "
        f"(companded RMSE) on {result.compared_images} held-out ones:",
        *table_lines(result),
        verdict(result),
        f"model {result.name}  sha256 {result.sha256}",
        f"use:  radcodec compress IN.fits --lossy --model {result.folder}",
        f"      RADCODEC_MODELS={result.folder} radcodec decompress IN.fits.rcz",
    ])  # fmt: skip


def _finetuned_json(result: FineTuned) -> dict[str, object]:
    """Return the object that --json prints."""

    def numbers(count: Count) -> dict[str, int]:
        return {"files": count.files, "images": count.images, "pixels": count.pixels}

    return {
        "model": {"name": result.name, "sha256": result.sha256, "folder": str(result.folder)},
        "start": {"name": result.start, "sha256": result.start_sha256},
        "trained_on": numbers(result.trained),
        "held_out": numbers(result.held_out),
        "compared_on": {"images": result.compared_images, "pixels": result.compared_pixels},
        "bits_per_pixel": [
            {"rmse": error, "before": before, "after": result.after[error]} for error, before in result.before.items()
        ],
        "change_percent": result.change,
        "smaller": result.change < 0,
    }


@click.command()
@click.argument("study", metavar="STUDY.toml", type=click.Path(path_type=Path))
@click.option("--trials", type=click.IntRange(min=1), metavar="N",
              help="Total number of trials (default: from the study).")  # fmt: skip
@quiet_option
@json_option
def tune(study: Path, trials: int | None, quiet: bool, as_json: bool) -> int:
    """Search for the best values of a configuration's keys; run it again to continue."""
    with _training(str(study), study, "study file"):
        from radcodec.training.tune import tune as run_tune

        result = run_tune(study, trials=trials, console=_console(quiet))
    if as_json:
        print_json(_tuned_json(result))
    else:
        return say(_tuned_text(result))
    return DONE


def _tuned_text(result: Tuned) -> str:
    """Return the table of trials and where the best one is."""
    from radcodec.training.tune import table_lines

    return "\n".join([
        *table_lines(result),
        f"best: trial {result.best.number}, {result.best.bits:.4f} bit/px; its model is {result.model}",
        f"train it: radcodec train {result.config}",
    ])  # fmt: skip


def _tuned_json(result: Tuned) -> dict[str, object]:
    """Return the object that --json prints."""
    return {
        "best": {"number": result.best.number, "config": str(result.config), "model": str(result.model)},
        "trials": [
            {
                "number": row.number, "state": row.state, "bits_per_pixel": row.bits, "minutes": row.minutes,
                "parameters": row.parameters, "error": row.error or None,
            }
            for row in result.trials
        ],
    }  # fmt: skip

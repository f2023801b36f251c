"""Fit a shipped model to a folder of FITS images by more training. Both models are compared on a held-out part of the
folder.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radcodec.base.store import WEIGHTS_FILE, Model, load_model
from radcodec.errors import InputError
from radcodec.training.checkpoint import discard_run
from radcodec.training.config import read_toml
from radcodec.training.finetune_plan import HELD_OUT_EVERY, item_pixels, plan_finetune
from radcodec.training.log import Console
from radcodec.training.rate import bits_at_errors, mean_bits
from radcodec.training.run import train
from radcodec.training.sources import Item, divide, list_items, load_items, thin, thin_pixels
from radcodec.training.toml import toml_text

CONFIG_FILE = "finetune.toml"
#: Most pixels of held-out images for the comparison.
COMPARED_PX = 2_000_000
#: Default time of a fine-tuning.
MINUTES = 5.0
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """An amount of data: files, images (planes, or pieces of large ones) and pixels."""

    files: int
    images: int
    pixels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuned:
    """The result of a fine-tuning.

    folder : of the model. trained, held_out : amounts of data.
    before, after : bits a pixel at each error, of the old and the new model.
    compared_images, compared_pixels : held-out data of this comparison.
    """

    folder: Path
    name: str
    sha256: str
    start: str
    start_sha256: str
    trained: Count
    held_out: Count
    compared_images: int
    compared_pixels: int
    before: dict[float, float]
    after: dict[float, float]

    @property
    def change(self) -> float:
        """Change of the bits in percent, the geometric mean over all errors; below 0 if the new model needs fewer."""
        return 100 * (mean_bits(self.after) / mean_bits(self.before) - 1)


def finetune(
    data: Path,
    *,
    model: str | None = None,
    out: Path | None = None,
    name: str | None = None,
    minutes: float | None = None,
    threads: int = 1,
    resume: bool = True,
    console: Console | None = None,
) -> FineTuned:
    """Fit a model (None: the default one) to a folder of FITS images.

    The run is in `out` (``runs/NAME``), its model in ``out/model``; a second call resumes it. `minutes` is the
    approximate time (`MINUTES` for None); an existing run keeps its own.

    Raises
    ------
    InputError
        The folder is missing or holds too few images, or `out` holds another run, or one planned for other `minutes`.
    ModelNotFoundError
        There is no such model.
    """
    console = Console() if console is None else console
    data = data.absolute()
    start = load_model(model)
    place = start.name if model is None or not Path(model).exists() else str(Path(model).absolute())
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{start.name}-{data.name}")[:64] if name is None else name
    if not NAME.fullmatch(name):
        raise InputError(f"expected a name of letters, digits, dots, dashes and underscores, found {name!r}")
    out = Path("runs") / name if out is None else out
    path = out / CONFIG_FILE
    if resume and path.is_file():
        _check_same(path, data, place, name)
        _check_minutes(path, minutes)
        made = out / "model" / "config.toml"
        finished = made.is_file() and made.read_bytes() == path.read_bytes()
        what = "which is finished; the comparison runs again " if finished else ""
        console.line(f"{path}: resuming this run {what}(--restart plans a new one)")
    else:
        console.status("planning")
        planned = MINUTES if minutes is None else minutes
        plan = plan_finetune(data, start, place=place, name=name, out=out, minutes=planned, threads=threads)
        out.mkdir(parents=True, exist_ok=True)
        discard_run(out)
        path.write_text(toml_text(plan, f"{name}: made by radcodec finetune; radcodec train makes it again."), "utf-8")
    folder = train(path, console=console)
    result = compare(start, load_model(str(folder)), folder, read_toml(path), console)
    (folder / "card.md").write_text(card_text(result, data), encoding="utf-8")
    return result


def _check_same(path: Path, data: Path, place: str, name: str) -> None:
    """Raise InputError unless the configuration at `path` is of the same folder, model and name."""
    raw = read_toml(path)
    try:
        found = (raw["data"]["folders"], raw["run"]["start"], raw["model"]["name"])
    except KeyError as err:
        raise InputError(f"{path}: expected the configuration of a fine-tuning, found one without {err}") from err
    if found != ([str(data)], place, name):
        raise InputError(
            f"{path}: expected {place} on {data} as {name}, found {found[1]} on {', '.join(found[0])} as {found[2]}; "
            "name another --out, or start again with --restart"
        )


def _check_minutes(path: Path, minutes: float | None) -> None:
    """Raise InputError where minutes are asked for that the run at `path` was not planned for."""
    planned = read_toml(path)["run"].get("minutes")
    if minutes is None or minutes == planned:
        return
    there = "by an earlier version" if planned is None else f"for {planned:g} minutes"
    raise InputError(
        f"{path}: expected no --minutes for a run that is there, planned {there}, found {minutes:g}: leave them out to "
        "resume it, start again with --restart, or name another --out"
    )


def compare(start: Model, new: Model, folder: Path, raw: dict[str, Any], console: Console) -> FineTuned:
    """Return how two models do on the held-out images of a configuration."""
    kept, held = divide(list_items(raw["data"]["folders"]), HELD_OUT_EVERY)
    images = thin_pixels(load_items(held), COMPARED_PX)
    found = []
    for model in (start, new):
        console.status(f"measuring {model.name} on held-out images")
        found.append(bits_at_errors(model, images))
    console.clear()
    return FineTuned(
        folder=folder, name=new.name, sha256=new.sha256, start=start.name, start_sha256=start.sha256,
        trained=count(thin(kept, raw["data"]["images"])), held_out=count(held),
        compared_images=len(images), compared_pixels=sum(image.size for image in images),
        before=found[0], after=found[1],
    )  # fmt: skip


def count(items: Sequence[Item]) -> Count:
    """Return how much some items are."""
    return Count(files=len({item.file for item in items}), images=len(items), pixels=sum(map(item_pixels, items)))


def table_lines(result: FineTuned) -> list[str]:
    """Return the comparison as a Markdown table."""
    lines = [f"| RMSE | {result.start} | {result.name} | change |", "|---|---|---|---|"]
    for error, before in result.before.items():
        after = result.after[error]
        lines.append(f"| {error:g} | {before:.4f} | {after:.4f} | {percent(100 * (after / before - 1))} |")
    return [
        *lines,
        f"| all | {mean_bits(result.before):.4f} | {mean_bits(result.after):.4f} | {percent(result.change)} |",
    ]


def verdict(result: FineTuned) -> str:
    """Return in a sentence whether the new model is worth using."""
    if result.change < 0:
        return f"{result.name} needs {-result.change:.1f} % fewer bits than {result.start} at equal error."
    return (
        f"{result.name} is NOT smaller than {result.start} ({percent(result.change)} bits at equal error): "
        f"keep {result.start}."
    )


def percent(value: float) -> str:
    """Return a change with its sign."""
    return f"{value:+.1f} %"


def card_text(result: FineTuned, data: Path) -> str:
    """Return the card of a model, with what cannot be known left to be written."""
    size = (result.folder / WEIGHTS_FILE).stat().st_size
    return "\n".join([
        f"# {result.name}",
        "",
        f"`{result.start}`, fine-tuned on the images of `{data}`.",
        "",
        "| | |",
        "|---|---|",
        f"| weights | `{WEIGHTS_FILE}`, {size:,} bytes, SHA-256 `{result.sha256}` |",
        f"| started from | `{result.start}`, SHA-256 `{result.start_sha256}` |",
        "| made by | `radcodec train config.toml` |",
        f"| trained on | {_count_text(result.trained)} |",
        f"| held out | {_count_text(result.held_out)} |",
        "",
        "## Figures",
        "",
        f"Bits a pixel at equal error on {result.compared_images} held-out images ({result.compared_pixels / 1e6:.3g} "
        "Mpix): real streams; RMSE in the companded domain, where 1 is about the noise. The last row is the geometric "
        "mean.",
        "",
        *table_lines(result),
        "",
        verdict(result),
        "",
        "## Data and licence",
        "",
        "To be written: the origin of the images, and the terms of use of the images and these weights.",
        "",
    ])  # fmt: skip


def _count_text(number: Count) -> str:
    """Return a count in words."""
    return f"{number.images} images of {number.files} files, {number.pixels / 1e6:.3g} Mpix"

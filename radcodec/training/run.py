"""Run a whole training from a TOML file to an exported model folder."""

from __future__ import annotations

import hashlib
import shutil
import tomllib
from pathlib import Path

from radcodec.base.convolutional.model import BaseModel, known_answer
from radcodec.base.convolutional.weights import pack_model
from radcodec.base.lapped.model import LappedModel
from radcodec.base.lapped.model import known_answer as lapped_answer
from radcodec.base.lapped.weights import pack_model as pack_lapped
from radcodec.base.store import WEIGHTS_FILE
from radcodec.errors import InputError
from radcodec.training.checkpoint import discard_run
from radcodec.training.config import LappedConfig, read_config
from radcodec.training.lapped_loop import LappedTrainer
from radcodec.training.log import Console, Watch
from radcodec.training.loop import Trainer


def train(
    config_path: Path, *, resume: bool = True, console: Console | None = None, watch: Watch | None = None
) -> Path:
    """Train the model of a configuration; return its folder (weights.safetensors and config.toml).

    Checkpoints and logs go to the configuration's `out` folder, relative to the working folder. With `resume` an
    interrupted run continues from its last checkpoint, otherwise it starts again. `console` shows the progress.

    Raises
    ------
    InputError
        The configuration is wrong, a data folder is missing, or `out` holds a run of another configuration.
    """
    config = read_config(config_path)
    console = Console() if console is None else console
    folder = Path(config.out)
    if not resume:
        discard_run(folder)
    trainer: Trainer | LappedTrainer
    if isinstance(config, LappedConfig):
        trainer = LappedTrainer(config, resume=resume, console=console, watch=watch)
    else:
        trainer = Trainer(config, resume=resume, console=console, watch=watch)
    trainer.fit()
    return write_model(trainer.export(), folder / "model", config_path)


def write_model(model: BaseModel | LappedModel, folder: Path, config_path: Path) -> Path:
    """Write a model's weights and its configuration into `folder` and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(model, LappedModel):
        data = pack_lapped(model.spec, model.arrays, lapped_answer(model))
    else:
        data = pack_model(model.spec, model.arrays, known_answer(model))
    (folder / WEIGHTS_FILE).write_bytes(data)
    shutil.copyfile(config_path, folder / "config.toml")
    return folder


def register_model(folder: Path, models: Path, *, summary: str, default: bool) -> str:
    """Copy an exported model into a models folder, write it into registry.toml and return its SHA-256.

    The model's name is that in its configuration; a model of that name is replaced. With `default` it becomes the one
    used where none is named.

    Raises
    ------
    InputError
        `folder` holds no weights.
    """
    weights = folder / WEIGHTS_FILE
    if not weights.is_file():
        raise InputError(f"{folder}: expected {WEIGHTS_FILE}, as `radcodec train` writes it; found none")
    name = read_config(folder / "config.toml").name
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    target = models / name
    target.mkdir(parents=True, exist_ok=True)
    for item in sorted(folder.iterdir()):
        shutil.copyfile(item, target / item.name)
    registry = models / "registry.toml"
    old = tomllib.loads(registry.read_text(encoding="utf-8")).get("model", []) if registry.is_file() else []
    kept = [dict(entry) for entry in old if entry["name"] != name]
    for entry in kept:
        entry["default"] = bool(entry.get("default", False)) and not default
    entries = [*kept, {"name": name, "sha256": sha256, "default": default, "summary": summary}]
    registry.write_text("\n".join(map(_registry_entry, entries)), encoding="utf-8")
    return sha256


def _registry_entry(entry: dict[str, object]) -> str:
    """Return one [[model]] table as TOML."""
    summary = str(entry.get("summary", "")).replace("\\", "\\\\").replace('"', '\\"')
    return (
        f'[[model]]\nname = "{entry["name"]}"\nsha256 = "{entry["sha256"]}"\n'
        f'default = {"true" if entry.get("default") else "false"}\nsummary = "{summary}"\n'
    )

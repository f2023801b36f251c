"""A whole training run from a TOML file to an exported model folder."""

from __future__ import annotations

import hashlib
import shutil
import tomllib
from pathlib import Path

from radcodec.errors import InputError
from radcodec.lapped.model import LappedModel
from radcodec.lapped.model import known_answer as lapped_answer
from radcodec.lapped.spec import LappedArrays, LappedSpec, Layer, check_arrays
from radcodec.lapped.weights import pack_model as pack_lapped
from radcodec.model_store import WEIGHTS_FILE
from radcodec.training.config import LappedConfig, read_config
from radcodec.training.lapped import LappedTrainer
from radcodec.training.lapped_contexts import LappedPrior, log_table
from radcodec.training.loop import Trainer
from radcodec.vqvae.model import BaseModel, known_answer
from radcodec.vqvae.spec import expansion_table
from radcodec.vqvae.weights import pack_model


def train(config_path: Path, *, resume: bool = True) -> Path:
    """Return the folder of the exported model (weights.safetensors and config.toml) that a configuration describes.

    Checkpoints and log.csv go to the configuration's `out` folder, relative to the working folder; with `resume` a run
    that was interrupted goes on from its last checkpoint, otherwise it starts again.

    Raises
    ------
    InputError
        The configuration is wrong or a data folder is missing.
    """
    config = read_config(config_path)
    log = Path(config.out) / "log.csv"
    if not resume and log.is_file():
        log.unlink()
    if isinstance(config, LappedConfig):
        return write_lapped_model(LappedTrainer(config, resume=resume).fit(), config, config_path)
    trainer = Trainer(config, resume=resume)
    trainer.fit_autoencoder()
    trainer.fit_prior()
    return write_model(trainer.export(), Path(config.out) / "model", config_path)


def write_model(model: BaseModel, folder: Path, config_path: Path) -> Path:
    """Write a model's weights and its configuration into `folder` and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    data = pack_model(model.spec, model.arrays, known_answer(model))
    (folder / WEIGHTS_FILE).write_bytes(data)
    shutil.copyfile(config_path, folder / "config.toml")
    return folder


def write_lapped_model(prior: LappedPrior, config: LappedConfig, config_path: Path) -> Path:
    """Write a lapped model's weights (docs/format.md 9.5) and its configuration into `<out>/model` and return it."""
    folder = Path(config.out) / "model"
    folder.mkdir(parents=True, exist_ok=True)
    layers = {f"layer{i}": Layer(weight=x.weight, bias=x.bias, shift=x.shift) for i, x in enumerate(prior.layers)}
    spec = LappedSpec(name=config.name, stages=config.stages)
    arrays = LappedArrays(log_table=log_table(), layers=layers, tables=prior.tables, sinh=expansion_table())
    check_arrays(spec, arrays)
    data = pack_lapped(spec, arrays, lapped_answer(LappedModel(spec, arrays, "")))
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

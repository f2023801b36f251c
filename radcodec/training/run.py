"""Run a whole training from a TOML file to an exported model folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from radcodec.base.convolutional.model import BaseModel, known_answer
from radcodec.base.convolutional.weights import pack_model
from radcodec.base.lapped.answer import known_answer as lapped_answer
from radcodec.base.lapped.model import LappedModel
from radcodec.base.lapped.weights import pack_model as pack_lapped
from radcodec.base.store import WEIGHTS_FILE
from radcodec.base.trellis.load import trellis_answer
from radcodec.base.trellis.model import TrellisModel
from radcodec.base.trellis.weights import pack_model as pack_trellis
from radcodec.sampling.network import Denoiser
from radcodec.sampling.weights import pack_denoiser
from radcodec.training.checkpoint import discard_run
from radcodec.training.config import DiffusionConfig, LappedConfig, read_config
from radcodec.training.diffusion import DiffusionTrainer
from radcodec.training.lapped_loop import LappedTrainer
from radcodec.training.log import Console, Watch
from radcodec.training.loop import Trainer
from radcodec.training.trellis_loop import TrellisTrainer


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
    if isinstance(config, DiffusionConfig):
        diffusion = DiffusionTrainer(config, resume=resume, console=console, watch=watch)
        diffusion.fit()
        return write_model(diffusion.export(), folder / "model", config_path)
    trainer: Trainer | LappedTrainer | TrellisTrainer
    if isinstance(config, LappedConfig) and config.kind == "vqvae":
        trainer = TrellisTrainer(config, resume=resume, console=console, watch=watch)
    elif isinstance(config, LappedConfig):
        trainer = LappedTrainer(config, resume=resume, console=console, watch=watch)
    else:
        trainer = Trainer(config, resume=resume, console=console, watch=watch)
    trainer.fit()
    return write_model(trainer.export(), folder / "model", config_path)


def write_model(model: BaseModel | LappedModel | Denoiser, folder: Path, config_path: Path) -> Path:
    """Write a model's weights and its configuration into `folder` and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(model, Denoiser):
        data = pack_denoiser(model)
    elif isinstance(model, TrellisModel):
        data = pack_trellis(model.spec, model.arrays, model.wide, trellis_answer(model))
    elif isinstance(model, LappedModel):
        data = pack_lapped(model.spec, model.arrays, lapped_answer(model))
    else:
        data = pack_model(model.spec, model.arrays, known_answer(model))
    (folder / WEIGHTS_FILE).write_bytes(data)
    shutil.copyfile(config_path, folder / "config.toml")
    return folder

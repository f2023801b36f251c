"""What a training run needs, read from a TOML file."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radcodec.errors import InputError
from radcodec.vqvae.spec import CELL, ModelSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class DataConfig:
    """Where training crops come from.

    folders : FITS folders to train on (environment variables expanded); may be empty.
    validation : FITS folder for the figures in the log, "" for simulated images.
    simulated_share : share of crops from simulated images, 0..1 (1 where there are no folders).
    crop_px : side of a crop, a multiple of the coarsest stride.
    pool : simulated images held at a time; one is replaced at every step.
    """

    folders: tuple[str, ...]
    validation: str
    simulated_share: float
    crop_px: int
    pool: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FitConfig:
    """How long and how hard to train.

    steps, batch, learning_rate : of the autoencoder; the rate falls as a cosine to 2 %.
    prior_steps, prior_learning_rate : of the index prior, trained afterwards on the frozen autoencoder.
    rate_weights : a stage each, weight of an index's bits in its choice, relative to the slope of a Gaussian's R(D).
    stage_shares : a stage each, share of the crops that are decoded from the stages up to it (normalised).
    noise_share : share of the crops that are decoded from latents with added noise instead of codes; all of them in the
        first tenth of the steps. They fix the scale of the latents and make the transform a good one at high rates.
    rate_loss, commitment : weights of these losses.
    decay : of the codebooks' moving averages. revive_every : steps without use after which an entry is moved.
    validate_every : steps between validations (which also write a checkpoint).
    """

    steps: int
    batch: int
    learning_rate: float
    prior_steps: int
    prior_learning_rate: float
    rate_weights: tuple[float, ...]
    stage_shares: tuple[float, ...]
    noise_share: float
    rate_loss: float
    commitment: float
    decay: float
    revive_every: int
    validate_every: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """A whole run. `out` is the folder of checkpoints, log and the exported model."""

    seed: int
    threads: int
    summary: str
    out: str
    spec: ModelSpec
    data: DataConfig
    fit: FitConfig

    @property
    def name(self) -> str:
        """The model's name."""
        return self.spec.name


@dataclass(frozen=True, slots=True, kw_only=True)
class LappedDataConfig:
    """Where the training images of a lapped model come from.

    folders, validation : FITS folders to train on and for the figures in the log; either may be empty.
    images : how many of the folders' images are used, evenly spread over them; 0 for all.
    simulated : how many simulated images are added. sides : their sides in pixels, drawn evenly.
    """

    folders: tuple[str, ...]
    validation: tuple[str, ...]
    images: int
    simulated: int
    sides: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LappedFitConfig:
    """How long to fit a lapped model.

    steps, learning_rates : of the network, one for each round.
    batch : pairs a step. pairs : pairs taken of each image, plane and phase.
    """

    steps: tuple[int, ...]
    learning_rates: tuple[float, ...]
    batch: int
    pairs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LappedConfig:
    """A whole run that fits a lapped model of `stages` stages. `out` is as in TrainConfig."""

    name: str
    stages: int
    seed: int
    threads: int
    summary: str
    out: str
    data: LappedDataConfig
    fit: LappedFitConfig


def read_config(path: Path) -> TrainConfig | LappedConfig:
    """Return the run described by a TOML file; of a lapped model if its [model] says kind = "lapped".

    Raises
    ------
    InputError
        The file is not TOML, a key is missing, unknown or of the wrong type, or values do not fit together.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        model = dict(raw["model"])
        if "kind" in model:
            return _read_lapped(raw, path)
        lists = {name: tuple(model[name]) for name in ("strides", "entries", "prior_classes")}
        spec = ModelSpec(**{**model, **lists})
        data = dict(raw["data"])
        fit = dict(raw["fit"])
        run = dict(raw["run"])
        config = TrainConfig(
            spec=spec,
            data=DataConfig(**{**data, "folders": tuple(os.path.expandvars(item) for item in data["folders"]),
                               "validation": os.path.expandvars(data["validation"])}),
            fit=FitConfig(**{**fit, "rate_weights": tuple(fit["rate_weights"]),
                             "stage_shares": tuple(fit["stage_shares"])}),
            **run,
        )  # fmt: skip
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as err:
        raise InputError(
            f"{path}: not a training configuration ({type(err).__name__}: {err}); see models/README.md"
        ) from err
    _check(config, path)
    return config


def _check(config: TrainConfig, path: Path) -> None:
    """Check what the types cannot say."""
    spec = config.spec
    lists = (spec.strides, spec.entries, spec.prior_classes, config.fit.rate_weights, config.fit.stage_shares)
    problems: dict[str, Any] = {
        "lists of a number a stage that have different lengths": len({len(values) for values in lists}) != 1,
        "prior_classes beyond 1..256": any(not 1 <= classes <= 256 for classes in spec.prior_classes),
        f"strides that are not multiples of {CELL}, coarse first": any(stride % CELL for stride in spec.strides)
        or list(spec.strides) != sorted(spec.strides, reverse=True),
        "strides that do not divide each other": any(a % b for a, b in zip(spec.strides, spec.strides[1:])),  # noqa: B905
        "crop_px that is no multiple of the coarsest stride": config.data.crop_px % spec.alignment,
        "entries beyond 2..65536": any(not 2 <= entries <= 65536 for entries in spec.entries),
    }
    found = [what for what, wrong in problems.items() if wrong]
    if found:
        raise InputError(f"{path}: found {'; '.join(found)}; see models/README.md")


def _read_lapped(raw: dict[str, Any], path: Path) -> LappedConfig:
    """Return the run of a lapped model; raises like `read_config`, which maps what else is raised here."""
    model = dict(raw["model"])
    if model.pop("kind") != "lapped":
        raise InputError(f'{path}: expected model.kind to be "lapped" or not there, found {raw["model"]["kind"]!r}')
    data, fit = dict(raw["data"]), dict(raw["fit"])
    folders = {name: tuple(os.path.expandvars(item) for item in data[name]) for name in ("folders", "validation")}
    lists = {name: tuple(fit[name]) for name in ("steps", "learning_rates")}
    config = LappedConfig(
        **model,
        **raw["run"],
        data=LappedDataConfig(**{**data, **folders, "sides": tuple(data["sides"])}),
        fit=LappedFitConfig(**{**fit, **lists}),
    )
    problems = {
        "stages beyond 1..16": not 1 <= config.stages <= 16,
        "steps and learning_rates of different lengths, or none": not config.fit.steps
        or len(config.fit.steps) != len(config.fit.learning_rates),
        "steps, batch or pairs below 1": min(*config.fit.steps, config.fit.batch, config.fit.pairs) < 1,
        "images or simulated below 0": min(config.data.images, config.data.simulated) < 0,
        "sides beyond 16..2048, or none": not config.data.sides
        or not all(16 <= side <= 2048 for side in config.data.sides),
    }
    found = [what for what, wrong in problems.items() if wrong]
    if found:
        raise InputError(f"{path}: found {'; '.join(found)}; see radcodec/training/config.py")
    return config

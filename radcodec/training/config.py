"""Read the configuration of a training run from a TOML file."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from radcodec.base.convolutional.spec import CELL, ModelSpec
from radcodec.errors import InputError
from radcodec.sampling.spec import ALIGNMENT, DenoiserSpec

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataConfig:
    """Source of the training crops.

    folders : FITS folders to train on (environment variables expanded); may be empty.
    validation : FITS folder for the figures in the log, "" for simulated images.
    simulated_share : share of crops from simulated images, 0..1 (1 where there are no folders).
    emission_share : share of the simulated images that are full of emission, 0..1; 0 (default): none.
    crop_px : side of a crop, a multiple of the coarsest stride.
    pool : simulated images held at a time; one is replaced at every step.
    images : number of the folders' images used, evenly spread; 0 (default) for all.
    held_out_every : one file in this many is used for validation instead of training. With fewer files it is the middle
    part of each file's planes. 0 (default): none.
    """

    folders: tuple[str, ...]
    validation: str
    simulated_share: float
    crop_px: int
    pool: int
    images: int = 0
    held_out_every: int = 0
    emission_share: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FitConfig:
    """Length and losses of the training.

    steps, batch, learning_rate : of the autoencoder; the rate falls as a cosine to 2 %.
    prior_steps, prior_learning_rate : of the index prior, trained next on the frozen autoencoder.
    rate_weights : a stage each, weight of an index's bits in its choice, relative to the slope of a Gaussian's R(D).
    stage_shares : a stage each, share of the crops that are decoded from the stages up to it (normalised).
    noise_share : share of the crops decoded from latents with added noise instead of codes; all in the first tenth of
    the steps. They fix the scale of the latents and suit the transform to high rates.
    rate_loss, commitment : weights of these losses.
    decay : of the codebooks' moving averages. revive_every : steps without use after which an entry is moved.
    validate_every : steps between validations (which also write a checkpoint).
    beam_share : share of the loss from errors smoothed by a beam, 0..1; 0 (default): none.
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
    beam_share: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """A whole run.

    out : folder of checkpoints, logs and the exported model.
    start : model to start from, a shipped one's name or a path; "" (default): random weights.
    minutes : planned time of a fine-tuning; 0 (default) for other runs. It does not affect the result.
    """

    seed: int
    threads: int
    summary: str
    out: str
    spec: ModelSpec
    data: DataConfig
    fit: FitConfig
    start: str = ""
    minutes: float = 0.0

    @property
    def name(self) -> str:
        """The model's name."""
        return self.spec.name


@dataclass(frozen=True, slots=True, kw_only=True)
class LappedDataConfig:
    """Source of the training images of a lapped model.

    folders, validation : FITS folders for training and for the log; either may be empty. Without validation images the
    log uses simulated ones.
    images : number of the folders' images used, evenly spread; 0 for all.
    simulated : number of simulated images added. sides : their sides in pixels, drawn evenly.
    emission : number of simulated images full of emission, for models of kind vqvae.
    held_out_every : as in DataConfig.
    """

    folders: tuple[str, ...]
    validation: tuple[str, ...]
    images: int
    simulated: int
    sides: tuple[int, ...]
    held_out_every: int = 0
    emission: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LappedFitConfig:
    """Length of the fit of a lapped model.

    steps, learning_rates : of the network, one for each round.
    batch : pairs a step. pairs : pairs taken of each image, plane and phase.
    atoms : entries of the codebook of atoms of a model of kind vqvae; 0 for none, or for those of ``start``. They are
    learned after the rounds. With atoms and ``start``, steps and learning_rates may be empty: all else stays.
    """

    steps: tuple[int, ...]
    learning_rates: tuple[float, ...]
    batch: int
    pairs: int
    atoms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LappedConfig:
    """A whole run that fits a lapped model of `stages` stages. `out`, `start` and `minutes` are as in TrainConfig.

    kind : "lapped" or "vqvae".
    scalar : lapped model whose network and tables a model of kind vqvae has for tiles without a trellis.
    """

    name: str
    stages: int
    seed: int
    threads: int
    summary: str
    out: str
    data: LappedDataConfig
    fit: LappedFitConfig
    start: str = ""
    minutes: float = 0.0
    kind: str = "lapped"
    scalar: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffusionFitConfig:
    """Length of the training.

    steps, batch, learning_rate : the rate falls as a cosine to 2 %.
    decay : of the weights' moving average, which is what is exported.
    validate_every : steps between validations, which also write a checkpoint.
    """

    steps: int
    batch: int
    learning_rate: float
    decay: float
    validate_every: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffusionConfig:
    """A whole run. The fields are those of ``TrainConfig``."""

    seed: int
    threads: int
    summary: str
    out: str
    spec: DenoiserSpec
    data: DataConfig
    fit: DiffusionFitConfig
    start: str = ""
    minutes: float = 0.0

    @property
    def name(self) -> str:
        """The model's name."""
        return self.spec.name


def read_config(path: Path) -> TrainConfig | LappedConfig | DiffusionConfig:
    """Return the run described by a TOML file; [model] kind says of what kind of model.

    Raises
    ------
    InputError
        The file is not TOML, a key is missing, unknown or of the wrong type, or values do not fit together.
    """
    raw = read_toml(path)
    try:
        sections = {name: dict(raw[name]) for name in ("model", "data", "fit", "run")}
        unknown = set(raw) - set(sections)
        if unknown:
            raise InputError(f"expected the sections {', '.join(sections)}, found {', '.join(sorted(unknown))}, too")
        config: TrainConfig | LappedConfig | DiffusionConfig
        if sections["model"].get("kind") == "diffusion":
            config = _diffusion_config(sections)
        else:
            config = _lapped_config(sections) if "kind" in sections["model"] else _convolutional_config(sections)
    except (KeyError, TypeError, ValueError, InputError) as err:
        what = f"the section [{err.args[0]}] is missing" if isinstance(err, KeyError) else str(err)
        raise InputError(f"{path}: not a training configuration: {what}; see radcodec/training/config.py") from err
    return config


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file.

    Raises
    ------
    InputError
        It is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise InputError(f"{path}: expected TOML, found something else: {err}") from err


def build(kind: type[T], section: str, values: Mapping[str, object]) -> T:
    """Return the dataclass `kind` of the keys of a section, lists as tuples.

    Raises
    ------
    InputError
        A key is missing, unknown or of the wrong type.
    """
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    needed = {name for name, field in known.items() if field.default is MISSING}
    problems = [f"{name} is missing" for name in sorted(needed - set(values))]
    problems += [f"{name} is not known" for name in sorted(set(values) - set(known))]
    made = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    for name, value in made.items():
        if name in known and not _is_of(value, str(known[name].type)):
            problems.append(f"{name} must be {_TYPE_WORDS.get(str(known[name].type), 'a list')}, found {value!r}")
    if problems:
        raise InputError(f"[{section}]: {'; '.join(problems)}")
    return kind(**made)


_TYPES: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "str": (str,)}
_TYPE_WORDS = {
    "int": "a whole number", "float": "a number", "str": "text", "tuple[int, ...]": "a list of whole numbers",
    "tuple[float, ...]": "a list of numbers", "tuple[str, ...]": "a list of texts",
}  # fmt: skip


def _is_of(value: object, annotation: str) -> bool:
    """Return whether a value fits a field's annotation; annotations of other classes always fit."""
    if annotation.startswith("tuple["):
        inner = annotation.removeprefix("tuple[").removesuffix(", ...]")
        return isinstance(value, tuple) and all(_is_of(item, inner) for item in value)
    allowed = _TYPES.get(annotation, (object,))
    return isinstance(value, allowed) and not (isinstance(value, bool) and bool not in allowed)


def _expand(values: dict[str, Any]) -> dict[str, Any]:
    """Return a [data] section with the environment variables in its paths expanded."""

    def expanded(value: object) -> object:
        if isinstance(value, list):
            return [expanded(item) for item in value]
        return os.path.expandvars(value) if isinstance(value, str) else value

    return {name: expanded(value) for name, value in values.items()}


def _refuse(problems: Mapping[str, object]) -> None:
    """Raise InputError with the names of the problems that there are."""
    found = [what for what, wrong in problems.items() if wrong]
    if found:
        raise InputError(f"found {'; '.join(found)}")


def _convolutional_config(sections: dict[str, dict[str, Any]]) -> TrainConfig:
    """Return the run of a convolutional model; raises like `read_config`, which maps what else is raised here."""
    spec = build(ModelSpec, "model", sections["model"])
    data = build(DataConfig, "data", _expand(sections["data"]))
    fit = build(FitConfig, "fit", sections["fit"])
    config = build(TrainConfig, "run", {**sections["run"], "spec": spec, "data": data, "fit": fit})
    lists = (spec.strides, spec.entries, spec.prior_classes, fit.rate_weights, fit.stage_shares)
    _refuse({
        "lists of a number a stage that have different lengths, or none": len({len(values) for values in lists}) != 1
        or not spec.strides,
        "prior_classes beyond 1..256": any(not 1 <= classes <= 256 for classes in spec.prior_classes),
        f"strides that are not multiples of {CELL}, coarse first": any(stride % CELL for stride in spec.strides)
        or list(spec.strides) != sorted(spec.strides, reverse=True) or min(spec.strides, default=1) < 1,
    })  # fmt: skip
    _refuse({
        "strides that do not divide each other": any(a % b for a, b in zip(spec.strides, spec.strides[1:])),  # noqa: B905
        "crop_px that is not a multiple of the coarsest stride": data.crop_px % spec.alignment or data.crop_px < 1,
        "entries beyond 2..65536": any(not 2 <= entries <= 65536 for entries in spec.entries),
        "steps or prior_steps below 0": min(fit.steps, fit.prior_steps) < 0,
        "batch, revive_every, validate_every or threads below 1": min(
            fit.batch, fit.revive_every, fit.validate_every, config.threads) < 1,
        "pool below 1 with simulated images": data.pool < 1
        and (data.simulated_share > 0 or not data.folders),
        "a learning rate that is not above 0": not min(fit.learning_rate, fit.prior_learning_rate) > 0,
        "simulated_share, emission_share, noise_share, beam_share or decay beyond 0..1": any(
            not 0 <= share <= 1 for share in (
                data.simulated_share, data.emission_share, fit.noise_share, fit.beam_share, fit.decay)),
        **_data_problems(data.images, data.held_out_every),
    })  # fmt: skip
    return config


def _data_problems(images: int, held_out_every: int) -> dict[str, bool]:
    """Return possible problems, and whether each occurs, with the numbers common to both kinds of [data]."""
    return {
        "images below 0": images < 0,
        "held_out_every that is neither 0 nor above 1": held_out_every < 0 or held_out_every == 1,
    }


def _lapped_config(sections: dict[str, dict[str, Any]]) -> LappedConfig:
    """Return the run of a lapped model; raises like `read_config`, which maps what else is raised here."""
    kind = sections["model"]["kind"]
    if kind not in ("lapped", "vqvae"):
        raise InputError(f'expected model.kind to be "lapped", "vqvae", "diffusion" or absent, found {kind!r}')
    data = build(LappedDataConfig, "data", _expand(sections["data"]))
    fit = build(LappedFitConfig, "fit", sections["fit"])
    known = {"name", "stages", "kind", "scalar"}
    strange = set(sections["model"]) - known | known & set(sections["run"])
    if strange:
        raise InputError(f"[model] and [run]: keys in the wrong section: {', '.join(sorted(strange))}")
    config = build(LappedConfig, "model and run", {**sections["model"], **sections["run"], "data": data, "fit": fit})
    _refuse({
        "stages beyond 1..16": not 1 <= config.stages <= 16,
        "steps and learning_rates of different lengths, or empty": not (fit.steps or (fit.atoms and config.start))
        or len(fit.steps) != len(fit.learning_rates),
        "atoms beyond 2..256, or of a model that is not of kind vqvae": fit.atoms != 0
        and not (2 <= fit.atoms <= 256 and kind == "vqvae"),
        "steps, batch, pairs or threads below 1": min(*fit.steps, 1, fit.batch, fit.pairs, config.threads) < 1,
        "a learning rate that is not above 0": not min(fit.learning_rates, default=1) > 0,
        "simulated or emission below 0": min(data.simulated, data.emission) < 0,
        "a model of kind vqvae without model.scalar or run.start": kind == "vqvae"
        and not (config.scalar or config.start),
        "sides beyond 16..2048, or no sides": not data.sides or not all(16 <= side <= 2048 for side in data.sides),
        **_data_problems(data.images, data.held_out_every),
    })  # fmt: skip
    return config


def _diffusion_config(sections: dict[str, dict[str, Any]]) -> DiffusionConfig:
    """Return the run of a denoiser; raises like `read_config`, which maps what else is raised here."""
    model = {name: value for name, value in sections["model"].items() if name != "kind"}
    spec = build(DenoiserSpec, "model", model)
    data = build(DataConfig, "data", _expand(sections["data"]))
    fit = build(DiffusionFitConfig, "fit", sections["fit"])
    config = build(DiffusionConfig, "run", {**sections["run"], "spec": spec, "data": data, "fit": fit})
    _refuse({**_diffusion_problems(config), **_data_problems(data.images, data.held_out_every)})
    return config


def _diffusion_problems(config: DiffusionConfig) -> dict[str, bool]:
    """Return possible problems, and whether each occurs."""
    spec, fit = config.spec, config.fit
    return {
        "channels that are not three numbers of 1 or more": len(spec.channels) != 3 or min(spec.channels) < 1,
        "blocks below 1 or above 2": not 1 <= spec.blocks <= 2,
        "data_rms that is not above 0": not spec.data_rms > 0,
        f"crop_px that is not a multiple of {ALIGNMENT}": config.data.crop_px % ALIGNMENT != 0
        or config.data.crop_px < ALIGNMENT,
        "steps, batch, validate_every or threads below 1": min(
            fit.steps, fit.batch, fit.validate_every, config.threads) < 1,
        "a learning rate that is not above 0": not fit.learning_rate > 0,
        "decay, simulated_share or emission_share beyond 0..1": any(
            not 0 <= share <= 1 for share in (fit.decay, config.data.simulated_share, config.data.emission_share)),
        "pool below 1 with simulated images": config.data.pool < 1
        and (config.data.simulated_share > 0 or not config.data.folders),
    }  # fmt: skip

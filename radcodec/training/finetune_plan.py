"""Plan the configuration of a fine-tuning: that of the start model, with other data and as many steps as time allows.

The speed of this machine is measured on a few images.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from radcodec.base.lapped.model import LappedModel
from radcodec.base.registry import models_folder
from radcodec.base.store import Model
from radcodec.base.trellis.model import TrellisModel
from radcodec.errors import InputError
from radcodec.training.config import TrainConfig, read_config, read_toml
from radcodec.training.data import compand_ratio
from radcodec.training.lapped import code_image, fit_network, gather_samples, make_network
from radcodec.training.loop import Trainer
from radcodec.training.sources import Item, Piece, divide, list_items, load_items, thin
from radcodec.training.start import lapped_prior
from radcodec.training.toml import toml_text
from radcodec.training.trellis import Gatherer, assign, fit_wide, make_wide_networks
from radcodec.training.trellis_loop import CODINGS

#: One file in this many is held out.
HELD_OUT_EVERY = 10
#: Shares of the time: coding in the rounds of a lapped model, and the autoencoder of a convolutional one. The rest is
#: for the other part and for measuring.
CODING_SHARE, FITTING_SHARE = 0.45, 0.4
AUTOENCODER_SHARE, PRIOR_SHARE = 0.6, 0.2
#: Time of a round over that of its coding: samples, counts and the log.
ROUND_FACTOR = 2.2
#: Of a lapped model: learning rates of the rounds, shares of their steps, and the fewest and most steps.
ROUND_RATES = (0.002, 0.002)
ROUND_SHARES = (0.35, 0.65)
ROUND_STEPS = (300, 6000)
#: Of a convolutional model: learning rates, as shares of its own; fewest steps; most images held.
#: Then the share of simulated images, against overfitting to few images, and how many of them are held.
RATE_SHARE, PRIOR_RATE_SHARE = 0.25, 0.5
LEAST_STEPS = 20
MOST_IMAGES = 400
SIMULATED_SHARE = 0.25
POOL = 50
#: Images and steps for measuring times.
TRIED_IMAGES, TRIED_STEPS = 3, 12


def plan_finetune(
    data: Path, start: Model, *, place: str, name: str, out: Path, minutes: float, threads: int
) -> dict[str, Any]:
    """Return the sections of a configuration that fine-tunes the model `start` (found by `place`) on a folder.

    Raises
    ------
    InputError
        The folder holds no images, or none large enough; or the model's training configuration is unknown.
    """
    raw = read_toml(base_config(start, place))
    kept, _ = divide(list_items([str(data)]), HELD_OUT_EVERY)
    raw["model"]["name"] = name
    raw["data"] |= {"folders": [str(data)], "held_out_every": HELD_OUT_EVERY}
    raw["run"] |= {
        "threads": threads, "summary": f"{start.name}, fine-tuned on {data.name}", "out": str(out), "start": place,
        "minutes": float(minutes),
    }  # fmt: skip
    torch.set_num_threads(threads)
    if isinstance(start, LappedModel):
        _plan_lapped(raw, start, kept, 60 * minutes)
    else:
        _plan_convolutional(raw, kept, 60 * minutes)
    return raw


def base_config(start: Model, place: str) -> Path:
    """Return the path of a model's training configuration.

    Raises
    ------
    InputError
        It is not beside the weights.
    """
    folder = Path(place) if Path(place).is_dir() else Path(place).parent
    path = folder / "config.toml" if Path(place).exists() else models_folder() / start.name / "config.toml"
    if not path.is_file():
        raise InputError(f"{path}: expected the configuration that {start.name} was made with, found none")
    return path


def _plan_lapped(raw: dict[str, Any], start: LappedModel, kept: Sequence[Item], seconds: float) -> None:
    """Fill in images and steps of a lapped model's rounds."""
    is_trellis = isinstance(start, TrellisModel)
    a_pixel, a_step = (try_trellis if is_trellis else try_lapped)(start, kept, raw["fit"]["batch"], raw["fit"]["pairs"])
    pixels = sum(map(item_pixels, kept))
    rounds = len(ROUND_RATES)
    affordable = CODING_SHARE * seconds / (rounds * ROUND_FACTOR * a_pixel)
    images = max(1, min(len(kept), round(len(kept) * affordable / pixels)))
    steps = min(max(FITTING_SHARE * seconds / a_step, ROUND_STEPS[0]), ROUND_STEPS[1])
    raw["data"] |= {"validation": [], "images": images, "simulated": 0}
    if is_trellis:
        raw["data"]["emission"] = 0
        raw["fit"]["atoms"] = 0  # those of the start model stay: a folder may have few sources
    raw["fit"] |= {"steps": [round(steps * share) for share in ROUND_SHARES], "learning_rates": list(ROUND_RATES)}


def try_lapped(start: LappedModel, kept: Sequence[Item], batch: int, pairs: int) -> tuple[float, float]:
    """Return the seconds that coding takes a pixel, and a step of the fit."""
    rng = np.random.default_rng(0)
    images = [compand_ratio(ratio) for ratio in load_items(thin(kept, TRIED_IMAGES))]
    if not images:
        raise InputError("expected images to fine-tune on, found constant ones")
    prior = lapped_prior(start)
    code_image(images[0], prior, 2, rng)
    begun = time.perf_counter()
    coded = [code_image(image, prior, 2, rng) for image in images]
    a_pixel = (time.perf_counter() - begun) / sum(image.size for image in images)
    samples, network = gather_samples(coded, pairs, rng), make_network()
    begun = time.perf_counter()
    fit_network(network, samples, steps=TRIED_STEPS, rate=0.001, batch=batch)
    return a_pixel, (time.perf_counter() - begun) / TRIED_STEPS


def try_trellis(start: LappedModel, kept: Sequence[Item], batch: int, pairs: int) -> tuple[float, float]:
    """Return the seconds that coding takes a pixel of a model of kind vqvae, and a step of the fit."""
    assert isinstance(start, TrellisModel)
    rng = np.random.default_rng(0)
    images = [compand_ratio(ratio) for ratio in load_items(thin(kept, TRIED_IMAGES))]
    if not images:
        raise InputError("expected images to fine-tune on, found constant ones")
    gatherer = Gatherer(start, pairs, rng)
    begun = time.perf_counter()
    for image in images:
        for _ in range(CODINGS):
            gatherer.add(*assign(image, start, rng))
    a_pixel = (time.perf_counter() - begun) / sum(image.size for image in images)
    found, networks = gatherer.finish(), make_wide_networks()
    begun = time.perf_counter()
    fit_wide(networks, found, steps=TRIED_STEPS, rate=0.001, batch=batch)
    return a_pixel, (time.perf_counter() - begun) / TRIED_STEPS


def _plan_convolutional(raw: dict[str, Any], kept: Sequence[Item], seconds: float) -> None:
    """Fill in crops, steps and learning rates of a convolutional model."""
    fit = raw["fit"]
    alignment = max(raw["model"]["strides"])
    sides = sorted(min(item_shape(item)) for item in kept)
    # A quarter of the images may be too small for the crops.
    crop = min(raw["data"]["crop_px"], sides[len(sides) // 4] // alignment * alignment)
    if crop < alignment:
        raise InputError(f"expected images of at least {alignment} pixels a side, found most to be smaller")
    raw["data"] |= {
        "validation": "", "crop_px": crop, "images": MOST_IMAGES, "simulated_share": SIMULATED_SHARE, "pool": POOL
    }  # fmt: skip
    fit["learning_rate"] *= RATE_SHARE
    fit["prior_learning_rate"] *= PRIOR_RATE_SHARE
    a_step, a_prior_step = try_convolutional(raw)
    fit["steps"] = max(LEAST_STEPS, round(AUTOENCODER_SHARE * seconds / a_step))
    fit["prior_steps"] = max(LEAST_STEPS, round(PRIOR_SHARE * seconds / a_prior_step))
    fit["validate_every"] = max(1, fit["steps"] // 3)


def try_convolutional(raw: dict[str, Any]) -> tuple[float, float]:
    """Return the seconds that a step of the autoencoder takes, and one of the prior."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.toml"
        path.write_text(toml_text(raw, ""), encoding="utf-8")
        config = read_config(path)
        assert isinstance(config, TrainConfig)
        few = replace(
            config,
            out=folder,
            data=replace(config.data, images=TRIED_IMAGES, pool=TRIED_IMAGES),
            fit=replace(config.fit, steps=TRIED_STEPS, prior_steps=TRIED_STEPS),
        )
        trainer = Trainer(few, resume=False)
        times = []
        for step in (trainer.autoencoder_step, trainer.prior_step):
            trainer.network.train(step == trainer.autoencoder_step)
            step()
            begun = time.perf_counter()
            for _ in range(TRIED_STEPS // 3):
                step()
            times.append((time.perf_counter() - begun) / (TRIED_STEPS // 3))
        trainer.log.close()
    return times[0], times[1]


def item_shape(item: Item) -> tuple[int, int]:
    """Return rows and columns of an item."""
    if isinstance(item.content, Piece):
        top, bottom, left, right = item.content.box
        return bottom - top, right - left
    return item.content.shape[0], item.content.shape[1]


def item_pixels(item: Item) -> int:
    """Return the number of pixels of an item."""
    rows, columns = item_shape(item)
    return rows * columns

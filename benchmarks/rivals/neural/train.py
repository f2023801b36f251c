"""Train a neural rival on the data of general-v0: ``python -m benchmarks.rivals.neural.train vae|ae --out FOLDER``.

Data, crops and, unless they are given, batch, learning rate and number of steps are read from
models/general-v0/config.toml. The loss of a crop is its squared companded error, for the VAE times a random level's
weight and with the bits a pixel added. Runs resume, with another number of steps too.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.paths import ROOT
from benchmarks.rivals.neural.networks import LEVELS, LOWEST, Ae, Vae, level_lambda
from radcodec.training.config import TrainConfig, read_config
from radcodec.training.data import CropStream, Image, compand_ratio, validation_images
from radcodec.training.log import append_row
from radcodec.training.loop import WARM_UP_SHARE, cosine

CONFIG = ROOT / "models" / "general-v0" / "config.toml"
#: Share of the steps in which the VAE's decoder sees noise, and after which it sees rounded symbols.
NOISE_ONLY_SHARE = 0.15
#: What has far to go, above all where encoder and decoder were trained before, learns at three times the rate.
FAST = ("log_", "prior.", "hyper_")
GAIN_RATE = 3.0
REPORT_EVERY = 200
#: A squared error of 0.36 / weight, where noise of a quarter in general-v0's latents makes one of about 0.01.
GAIN_SHIFT = 1.65


def step_loss(network: Vae | Ae, batch: torch.Tensor, level: torch.Tensor, *, rounded: bool) -> torch.Tensor:
    """Return the loss of one step, and what it is made of: scalars [loss, squared error, bits a pixel]."""
    if isinstance(network, Ae):
        error = (network(batch) - batch).square().mean()
        return torch.stack([error, error.detach(), torch.zeros(())])
    coded = network(batch, level, rounded=rounded)
    error = (coded.decoded - batch).square().mean(dim=(1, 2, 3))
    loss = coded.bits + level_lambda(level) * error
    return torch.stack([loss.mean(), error.mean().detach(), coded.bits.mean().detach()])


@torch.no_grad()
def validate(network: Vae | Ae, crops: torch.Tensor) -> dict[str, str]:
    """Return the root mean squared errors (and bits a pixel) of fixed crops, at every other level."""
    cells: dict[str, str] = {}
    for level in range(0, LEVELS, 2) if isinstance(network, Vae) else [0]:
        levels = torch.full((len(crops),), float(level))
        if isinstance(network, Vae):
            coded = network(crops, levels, rounded=True)
            cells[f"bits{level}"] = f"{float(coded.bits.mean()):.4f}"
            cells[f"hyper_bits{level}"] = f"{float(coded.hyper_bits.mean()):.4f}"
            decoded = coded.decoded
        else:
            decoded = network(crops)
        cells[f"rmse{level}"] = f"{float((decoded - crops).square().mean().sqrt()):.4f}"
    return cells


def validation_crops(config: TrainConfig, side: int = 288) -> torch.Tensor:
    """Return the middles of the first eight validation images, [8, 1, side, side]."""
    found: list[Image] = []
    for image in validation_images(config.data, config.seed):
        if min(image.shape) >= side and len(found) < 8:
            top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
            found.append(compand_ratio(image[top : top + side, left : left + side]))
    return torch.from_numpy(np.stack(found))[:, None]


@torch.no_grad()
def start_from(network: Vae | Ae, model: str) -> None:
    """Give a new network the encoder and decoder of a VQ-VAE of radcodec; further latents start unused.

    Gains become those at which that model was trained with noise in its latents.
    """
    from radcodec.base.convolutional.model import BaseModel
    from radcodec.base.convolutional.spec import LATENT_UNIT
    from radcodec.base.store import load_model

    found = load_model(model)
    assert isinstance(found, BaseModel)
    for name, tensor in network.encoder.tensors().items():
        values = torch.from_numpy(found.arrays.encoder[name].copy())
        tensor[: len(values)] = values
    for name, layer in network.decoder.named_layers().items():
        known = found.arrays.layers[name]
        weight = torch.from_numpy(known.weight.astype(np.float32)) / 2.0**layer.shift
        layer.weight.zero_()
        layer.weight[:, : weight.shape[1]] = weight
        level = torch.from_numpy(known.bias.astype(np.float32)) - 2.0 ** (layer.shift - 1)
        layer.bias.copy_(level / (LATENT_UNIT * 2.0**layer.shift))
    if isinstance(network, Vae):
        network.log_gain.sub_(GAIN_SHIFT)
        network.log_inverse.add_(GAIN_SHIFT)


class Trainer:
    """One run: network, optimiser, progress, and its files."""

    def __init__(self, name: str, config: TrainConfig, folder: Path, start: str | None = None) -> None:
        torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.config, self.folder = config, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.network: Vae | Ae = Vae() if name == "vae" else Ae()
        self.goes_on = bool(start and start.endswith(".safetensors"))
        if start and self.goes_on:
            from safetensors.torch import load_file

            self.network.load_state_dict(load_file(start))
        elif start:
            start_from(self.network, start)
        slow = [p for n, p in self.network.named_parameters() if not n.startswith(FAST)]
        fast = [p for n, p in self.network.named_parameters() if n.startswith(FAST)]
        self.adam = torch.optim.Adam([{"params": slow, "factor": 1.0}, {"params": fast, "factor": GAIN_RATE}])
        self.step, self.seconds = 0, 0.0
        if self.checkpoint.is_file():
            state = torch.load(self.checkpoint, weights_only=True)
            self.network.load_state_dict(state["network"])
            self.adam.load_state_dict(state["adam"])
            self.step, self.seconds = state["step"], state["seconds"]
            torch.manual_seed(config.seed + self.step)
        self.data = CropStream(config.data, config.seed * 1_000_003 + self.step)
        self.crops = validation_crops(config)

    @property
    def checkpoint(self) -> Path:
        """Where the state is kept."""
        return self.folder / "checkpoint.pt"

    def fit(self) -> None:
        """Train for the configured steps and write ``weights.safetensors``."""
        from safetensors.torch import save_file

        means: list[np.ndarray] = []
        began = time.process_time()
        while self.step < self.config.fit.steps:
            means.append(self.advance())
            self.step += 1
            if self.step % REPORT_EVERY == 0 or self.step == self.config.fit.steps:
                self.seconds += time.process_time() - began
                began = time.process_time()
                self.report(np.mean(means, axis=0))
                means.clear()
        save_file(self.network.state_dict(), self.folder / "weights.safetensors")

    def advance(self) -> np.ndarray:
        """Make one step; gives loss, squared error and bits a pixel."""
        fit, share = self.config.fit, self.step / self.config.fit.steps
        rate = fit.learning_rate * min(1.0, (self.step + 1) / (WARM_UP_SHARE * fit.steps)) * cosine(share)
        for group in self.adam.param_groups:
            group["lr"] = rate * group["factor"]
        rounded = self.goes_on or share > NOISE_ONLY_SHARE
        level = LOWEST + torch.rand(fit.batch) * (LEVELS - 1 - LOWEST)
        found = step_loss(self.network, self.data.batch(fit.batch), level, rounded=rounded)
        self.adam.zero_grad()
        found[0].backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.adam.step()
        self.network.limit()
        return np.asarray(found.detach().numpy())

    def report(self, means: np.ndarray) -> None:
        """Write the checkpoint and a row of ``log.csv``."""
        state = {
            "network": self.network.state_dict(), "adam": self.adam.state_dict(), "step": self.step,
            "seconds": self.seconds,
        }  # fmt: skip
        temporary = self.checkpoint.with_suffix(".tmp")
        torch.save(state, temporary)
        temporary.replace(self.checkpoint)
        names = ("loss", "squared_error", "bits")
        row = {name: f"{value:.5f}" for name, value in zip(names, means, strict=True)}
        cells = {"step": self.step, "cpu_seconds": round(self.seconds), **row, **validate(self.network, self.crops)}
        append_row(self.folder / "log.csv", cells)
        print(cells, flush=True)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=["vae", "ae"])
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoint, log and weights; resumes")
    parser.add_argument("--steps", type=int, help="default: those of general-v0")
    parser.add_argument("--batch", type=int, help="default: that of general-v0")
    parser.add_argument("--rate", type=float, help="learning rate, default: that of general-v0")
    parser.add_argument(
        "--emission", type=float, default=0.0, help="share of simulated images that are full of emission, default 0"
    )
    parser.add_argument(
        "--start", help="VQ-VAE whose encoder and decoder a new network starts with, or trained weights (.safetensors)"
    )
    parser.add_argument("--config", type=Path, default=CONFIG, help="default: general-v0's")
    options = parser.parse_args()
    config = read_config(options.config)
    assert isinstance(config, TrainConfig)
    given = {"steps": options.steps, "batch": options.batch, "learning_rate": options.rate}
    fit = replace(config.fit, **{name: value for name, value in given.items() if value is not None})
    data = replace(config.data, emission_share=options.emission)
    config = replace(config, fit=fit, data=data)
    Trainer(options.name, config, options.out, options.start).fit()


if __name__ == "__main__":
    main()

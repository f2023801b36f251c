"""Train in rounds: each codes all images with the model so far, then fits the next one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from radcodec.errors import InputError
from radcodec.training.config import LappedConfig, LappedDataConfig
from radcodec.training.data import compand_ratio, simulate_ratio, validation_images
from radcodec.training.datasets import Image
from radcodec.training.log import Value, duration
from radcodec.training.rate import mean_bits
from radcodec.training.sources import load_images, thin_pixels
from radcodec.training.trainer import BaseTrainer

#: Most pixels of validation images for the log.
LOG_PX = 500_000


def training_images(config: LappedDataConfig, seed: int) -> list[Image]:
    """Return the companded images to train on: the folders', then simulated ones.

    Raises
    ------
    InputError
        There are no images, or a folder is missing.
    """
    real = load_images(config.folders, every=config.held_out_every, most=config.images)
    rng = np.random.default_rng([seed, 0])
    simulated = [simulate_ratio(rng, int(rng.choice(config.sides))) for _ in range(config.simulated)]
    if not real and not simulated:
        raise InputError("training: expected images in data.folders or data.simulated above 0, found neither")
    return [compand_ratio(ratio) for ratio in real + simulated]


class RoundTrainer(BaseTrainer[LappedConfig], ABC):
    """A run in rounds, resumable after each."""

    rounds = 0

    def fit(self) -> None:
        """Train the remaining rounds."""
        if self.rounds < len(self.config.fit.steps):
            self.console.status("reading images")
            images = self._images()
            validation = thin_pixels(validation_images(self.config.data, self.config.seed), LOG_PX)
            while self.rounds < len(self.config.fit.steps):
                self._round(images, validation)
        self.log.close()

    def _images(self) -> list[Image]:
        """Return the companded images to train on."""
        return training_images(self.config.data, self.config.seed)

    @abstractmethod
    def _round(self, images: list[Image], validation: list[Image]) -> None:
        """Train one round; log and save."""

    def _seed(self) -> np.random.Generator:
        """Start the random numbers of a round: it has its own seed, so that a resumed run gives the same model."""
        torch.manual_seed(self.config.seed + self.rounds)
        return np.random.default_rng([self.config.seed, self.rounds + 1])

    def _finish(
        self, values: dict[str, Value], note: str, bits: dict[float, float], seconds: float, state: dict[str, Any]
    ) -> None:
        """Log a finished round, write the checkpoint and call the observer.

        Parameters
        ----------
        values
            Of the round, for the log; "training_bits" is shown, and ``note`` after the rates.
        bits
            Bits a pixel of the validation images at each error.
        state
            Of networks and tables, for the checkpoint.
        """
        mean = mean_bits(bits)
        columns = {f"bits_at_{error:g}": value for error, value in bits.items()}
        rates = ", ".join(f"{value:.4f} at {error:g}" for error, value in bits.items())
        text = (
            f"round {self.rounds}/{len(self.config.fit.steps)}  training {values['training_bits']:.4f} bit/px  "
            f"validation {rates}  {note}  {duration(seconds)}"
        )
        row = {"round": self.rounds, **values, **columns, "mean_bits": mean, "seconds": round(seconds)}
        self.log.row(self.rounds, row, text)
        self._save_state({"rounds": self.rounds, **state})
        self._tell(self.rounds, mean)

    def _status(self, text: str) -> None:
        """Show what the present round does."""
        self.console.status(f"round {min(self.rounds + 1, len(self.config.fit.steps))}: {text}")


def stored_tables(tables: Mapping[str, npt.NDArray[np.uint32]]) -> dict[str, torch.Tensor]:
    """Return tables as a checkpoint holds them: torch has no unsigned integers of 32 bits."""
    return {name: torch.from_numpy(table.astype(np.int64)) for name, table in tables.items()}

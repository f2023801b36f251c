"""Train the denoiser of posterior samples on crops with noise of all levels."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

from radcodec.sampling.network import Denoiser
from radcodec.sampling.spec import ALIGNMENT
from radcodec.training.config import DiffusionConfig
from radcodec.training.data import CropStream, compand_ratio, validation_images
from radcodec.training.log import Console, Watch, duration
from radcodec.training.loop import cosine
from radcodec.training.sources import thin_pixels
from radcodec.training.trainer import BaseTrainer

#: Mean and spread of the logarithm of the noise level: most draws are between 0.05 and 5 companded units.
LOG_LEVEL = (-0.6, 1.2)
WARM_UP_STEPS = 100
#: Noise levels and pixels of the validation.
LEVELS = (0.1, 0.3, 1.0, 3.0)
VALIDATION_PX = 400_000


class DiffusionTrainer(BaseTrainer[DiffusionConfig]):
    """State of one run: denoiser, its moving average, data and progress."""

    def __init__(
        self, config: DiffusionConfig, *, resume: bool, console: Console | None = None, watch: Watch | None = None
    ) -> None:
        super().__init__(config, console=console, watch=watch)
        self.denoiser, self.average = Denoiser(config.spec), Denoiser(config.spec)
        self.average.load_state_dict(self.denoiser.state_dict())
        self._adam = torch.optim.Adam(self.denoiser.parameters(), lr=config.fit.learning_rate)
        self.step, self.seconds = 0, 0.0
        state = self._load(resume=resume)
        if state is not None:
            self.denoiser.load_state_dict(state["denoiser"])
            self.average.load_state_dict(state["average"])
            self._adam.load_state_dict(state["adam"])
            self.step, self.seconds = int(state["step"]), float(state["seconds"])
        self._open_log(state)
        self.console.status("reading images")
        self.data = CropStream(config.data, config.seed, start=self.step)
        self._validation = thin_pixels(validation_images(config.data, config.seed), VALIDATION_PX)
        self._sum = 0.0

    def fit(self) -> None:
        """Train the steps that are left."""
        fit = self.config.fit
        begun = time.monotonic()
        while self.step < fit.steps:
            self._sum += self.train_step()
            self.step += 1
            now = time.monotonic()
            self.seconds, begun = self.seconds + now - begun, now
            self.console.status(f"denoiser {self.step}/{fit.steps}  {duration(self.seconds)}")
            if self.step % fit.validate_every == 0 or self.step == fit.steps:
                self._report()
        self.log.close()

    def train_step(self) -> float:
        """Make one step; return its loss."""
        fit = self.config.fit
        torch.manual_seed(self.config.seed * 1_000_003 + self.step)
        for group in self._adam.param_groups:
            group["lr"] = fit.learning_rate * min(1.0, (self.step + 1) / WARM_UP_STEPS) * cosine(self.step / fit.steps)
        loss = self.loss(self.data.batch(fit.batch))
        self._adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.denoiser.parameters(), 1.0)
        self._adam.step()
        kept = min(fit.decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mean, value in zip(self.average.parameters(), self.denoiser.parameters(), strict=True):
                mean.lerp_(value, 1.0 - kept)
        return float(loss.detach())

    def loss(self, images: torch.Tensor) -> torch.Tensor:
        """Return the mean squared error of estimates of images [N, 1, c, c], each in units of what its level allows."""
        rms = self.config.spec.data_rms
        level = torch.exp(LOG_LEVEL[0] + LOG_LEVEL[1] * torch.randn(len(images)))
        noisy = images + level[:, None, None, None] * torch.randn_like(images)
        weight = (level**2 + rms**2) / (level * rms) ** 2
        errors = (self.denoiser(noisy, level) - images) ** 2
        # Crops of bright sources would rule the mean: errors grow like the logarithm of the brightness there.
        return (weight * torch.log1p(errors.mean(dim=(1, 2, 3)) * 4) / 4).mean()

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Return the rms error of estimates of the validation images, for each level."""
        found = {}
        for level in LEVELS:
            squares, pixels = 0.0, 0
            for number, image in enumerate(self._validation):
                height, width = (n - n % ALIGNMENT for n in image.shape)
                clean = torch.from_numpy(compand_ratio(image[:height, :width]))[None, None]
                noise = np.random.default_rng([self.config.seed, 7, number]).standard_normal(clean.shape)
                noisy = clean + level * torch.from_numpy(noise.astype(np.float32))
                squares += float(((self.average(noisy, torch.full((1,), level)) - clean) ** 2).sum())
                pixels += clean.numel()
            found[f"rmse_at_{level:g}"] = (squares / pixels) ** 0.5
        return found

    def _report(self) -> None:
        self.console.status("validating")
        found = self.validate()
        since = self.config.fit.validate_every
        row = {"step": self.step, "loss": self._sum / since, **found, "seconds": round(self.seconds)}
        self._sum = 0.0
        shown = "  ".join(f"{name} {value:.4f}" for name, value in found.items())
        self.log.row(self.step, row, f"denoiser {self.step}/{self.config.fit.steps}  {shown}  {duration(self.seconds)}")
        state: dict[str, Any] = {
            "denoiser": self.denoiser.state_dict(),
            "average": self.average.state_dict(),
            "adam": self._adam.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        self._save_state(state)
        self._tell(self.step, found["rmse_at_1"])

    def export(self) -> Denoiser:
        """Return the moving average of the denoiser."""
        return self.average

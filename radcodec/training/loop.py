"""The two training loops: autoencoder first, then the index prior on the frozen autoencoder; both resumable."""

from __future__ import annotations

import csv
import logging
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from radcodec.training.config import TrainConfig
from radcodec.training.data import CropStream, validation_images
from radcodec.training.evaluate import Evaluation, evaluate
from radcodec.training.losses import NOISE_LEVEL, commitment_loss, rate_loss, reconstruction_loss
from radcodec.training.network import Network, export_arrays, partial_sum
from radcodec.training.prior import StageCodes, prior_bits, recount_tables, stage_codes, start_prior
from radcodec.vqvae.model import BaseModel

logger = logging.getLogger(__name__)

#: Share of the steps in which the learning rate rises from 0, and those between which the rate weight does. (Rate in
#: the choice from the start makes the codebooks collapse: few entries, large errors, dearer bits, fewer entries.)
WARM_UP_SHARE = 0.02
RATE_SHARES = (0.2, 0.5)
#: Share of the steps that train the transform alone, with noise in the place of the quantiser.
NOISE_ONLY_SHARE = 0.1
#: Shares of the prior's steps between which a mixture of tables becomes a choice of one.
SHARP_SHARES = (0.3, 0.8)


@dataclass(slots=True, kw_only=True)
class Progress:
    """Steps done in each loop, and whether the tables had their last count; what a checkpoint counts by."""

    autoencoder: int = 0
    prior: int = 0
    recounted: bool = False


class Trainer:
    """State of one run: network, data and progress, with its checkpoint and log files."""

    def __init__(self, config: TrainConfig, *, resume: bool) -> None:
        torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.config = config
        self.folder = Path(config.out)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.network = Network(config.spec)
        self.progress = Progress()
        fit = config.fit
        self._autoencoder_adam = torch.optim.Adam(self.network.autoencoder_parameters(), lr=fit.learning_rate)
        self._prior_adam = torch.optim.Adam(self.network.priors.parameters(), lr=fit.prior_learning_rate)
        if resume and self.checkpoint.is_file():
            self._restore()
        # The stream's seed moves on with the progress: a resumed run sees new crops, not the old ones again.
        done = self.progress.autoencoder + self.progress.prior
        self.data = CropStream(config.data, config.seed * 1_000_003 + done)
        self._validation = list(validation_images(config.data, "folder", config.seed))

    @property
    def checkpoint(self) -> Path:
        """Path of the checkpoint."""
        return self.folder / "checkpoint.pt"

    def fit_autoencoder(self) -> None:
        """Train encoder, decoder and codebooks for the configured steps."""
        fit = self.config.fit
        losses: list[tuple[float, float]] = []
        self.network.train()
        while self.progress.autoencoder < fit.steps:
            losses.append(self._autoencoder_step())
            self.progress.autoencoder += 1
            if self.progress.autoencoder % fit.validate_every == 0 or self.progress.autoencoder == fit.steps:
                means = np.mean(losses, axis=0)
                self._report("autoencoder", {"reconstruction": means[0], "commitment": means[1]})
                losses.clear()

    def fit_prior(self) -> None:
        """Train the prior for the configured steps, then re-estimate its tables from hard choices."""
        fit = self.config.fit
        losses: list[float] = []
        self.network.eval()
        if self.progress.prior == fit.prior_steps and self.progress.recounted:
            return
        if self.progress.prior == 0:
            start_prior(self.network, self._codes, batches=60)
        while self.progress.prior < fit.prior_steps:
            losses.append(self._prior_step())
            self.progress.prior += 1
            if self.progress.prior % fit.validate_every == 0:
                self._report("prior", {"prior_bits": float(np.mean(losses))})
                losses.clear()
        if fit.prior_steps:
            recount_tables(self.network, self._codes, batches=150)
        self.progress.recounted = True
        self._report("final", {})

    def export(self) -> BaseModel:
        """Return the run-time model of the present state (its SHA-256 left empty)."""
        return BaseModel(self.config.spec, export_arrays(self.network, self.config.fit.rate_weights), "")

    def validate(self) -> Evaluation:
        """Return the present figures on the validation images."""
        return evaluate(self.export(), self._validation)

    def _autoencoder_step(self) -> tuple[float, float]:
        """Make one step; return reconstruction and commitment loss."""
        fit, step = self.config.fit, self.progress.autoencoder
        warm = min(1.0, (step + 1) / max(1.0, WARM_UP_SHARE * fit.steps))
        rate = float(np.interp(step / fit.steps, RATE_SHARES, (0.0, 1.0)))
        _set_rate(self._autoencoder_adam, fit.learning_rate * warm * cosine(step / fit.steps))
        batch = self.data.batch(fit.batch)
        latent = self.network.encoder(batch)
        noisy = torch.round(latent + NOISE_LEVEL * torch.randn_like(latent)).detach()
        commitment = torch.zeros(())
        kept = noisy
        if step >= NOISE_ONLY_SHARE * fit.steps:
            weights = [rate * weight for weight in fit.rate_weights]
            quantised = self.network.quantiser(
                latent, rate_weights=weights, decay=fit.decay, revive_every=fit.revive_every
            )
            shares = torch.tensor(fit.stage_shares, dtype=torch.float32)
            stages = 1 + torch.multinomial(shares, fit.batch, replacement=True)
            commitment = commitment_loss(latent, partial_sum(quantised, torch.full_like(stages, len(shares))))
            free = torch.rand(fit.batch) < fit.noise_share
            kept = torch.where(free[:, None, None, None], noisy, partial_sum(quantised, stages))
        decoded = self.network.decoder(kept + (latent - latent.detach()))
        reconstruction = reconstruction_loss(decoded, batch)
        self._autoencoder_adam.zero_grad()
        (reconstruction + fit.commitment * commitment + fit.rate_loss * rate_loss(latent)).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.autoencoder_parameters(), 1.0)
        self._autoencoder_adam.step()
        self.network.limit()
        return float(reconstruction.detach()), float(commitment.detach())

    def _prior_step(self) -> float:
        """Make one step of all stages' priors; return the bits a pixel that they would cost."""
        fit, share = self.config.fit, self.progress.prior / self.config.fit.prior_steps
        _set_rate(self._prior_adam, fit.prior_learning_rate * cosine(share))
        sharpness = float(np.interp(share, SHARP_SHARES, (0.0, 1.0)))
        bits = prior_bits(self.network, self._codes(), sharpness=sharpness)
        self._prior_adam.zero_grad()
        bits.backward()  # type: ignore[no-untyped-call]
        self._prior_adam.step()
        self.network.limit()
        return float(bits.detach())

    def _codes(self) -> list[StageCodes]:
        """Return the codes of the next batch."""
        return stage_codes(self.network, self.data.batch(self.config.fit.batch), self.config.fit.rate_weights)

    def _report(self, phase: str, means: dict[str, float]) -> None:
        """Write a checkpoint and one log row; validate."""
        self._save()
        figures = self.validate()
        books = [self.network.quantiser.codebook(stage) for stage in range(self.config.spec.n_stages)]
        row: dict[str, Any] = {
            "phase": phase,
            "step": self.progress.autoencoder if phase == "autoencoder" else self.progress.prior,
            **{name: "" for name in ("reconstruction", "commitment", "prior_bits")},
            **{name: f"{value:.5f}" for name, value in means.items()},
        }
        for stage, book in enumerate(books):
            row[f"perplexity{stage}"] = f"{book.perplexity():.2f}"
            row[f"dead{stage}"] = int((book.idle > self.config.fit.revive_every // 2).sum())
            row[f"rmse{stage}"] = f"{figures.rmse[stage]:.5f}"
            row[f"coded_bits{stage}"] = f"{figures.coded_bits[stage]:.5f}"
            row[f"order0_bits{stage}"] = f"{figures.order0_bits[stage]:.5f}"
        append_row(self.folder / "log.csv", row)
        logger.info(
            "%s %s: loss %s, rmse %.4f at %.4f bit/px (order 0 %.4f)", phase, row["step"], means,
            figures.rmse[-1], sum(figures.coded_bits), sum(figures.order0_bits),
        )  # fmt: skip

    def _save(self) -> None:
        """Write the checkpoint beside the old one, then replace it."""
        state = {
            "network": self.network.state_dict(),
            "autoencoder_adam": self._autoencoder_adam.state_dict(),
            "prior_adam": self._prior_adam.state_dict(),
            "progress": asdict(self.progress),
        }
        temporary = self.checkpoint.with_suffix(".tmp")
        torch.save(state, temporary)
        temporary.replace(self.checkpoint)

    def _restore(self) -> None:
        """Read the checkpoint (tensors and numbers only: weights_only)."""
        state = torch.load(self.checkpoint, weights_only=True)
        self.network.load_state_dict(state["network"])
        self._autoencoder_adam.load_state_dict(state["autoencoder_adam"])
        self._prior_adam.load_state_dict(state["prior_adam"])
        self.progress = Progress(**state["progress"])
        # The data's seed is moved on by the progress, the stage dropout's likewise.
        torch.manual_seed(self.config.seed + self.progress.autoencoder + self.progress.prior)


def cosine(share: float) -> float:
    """Return the learning rate's factor, from 1 at share 0 to 0.02 at share 1."""
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


def append_row(path: Path, row: dict[str, Any]) -> None:
    """Append one row to a CSV file, with a header if the file is new."""
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)


def _set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of every group."""
    for group in optimiser.param_groups:
        group["lr"] = rate

"""Run the two training loops: the autoencoder, then the index prior on the frozen autoencoder; both resumable.

Random choices depend only on the number of the batch. So a killed run, resumed from its last checkpoint, ends with the
weights of an uninterrupted one.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch

from radcodec.base.convolutional.model import BaseModel
from radcodec.training.config import TrainConfig
from radcodec.training.data import CropStream, validation_images
from radcodec.training.log import Console, Value, Watch, duration
from radcodec.training.log import append_row as append_row
from radcodec.training.losses import NOISE_LEVEL, commitment_loss, rate_loss, reconstruction_loss
from radcodec.training.network import Network, export_arrays, partial_sum
from radcodec.training.prior import StageCodes, prior_bits, recount_tables, stage_codes, start_prior
from radcodec.training.rate import mean_bits, share_bits, stage_points, zero_point
from radcodec.training.sources import thin_pixels
from radcodec.training.stage_rates import Evaluation, evaluate
from radcodec.training.start import start_network
from radcodec.training.trainer import BaseTrainer

#: Share of the steps in which the learning rate rises from 0, and those between which the rate weight does. (A rate in
#: the choice from the start makes the codebooks collapse: few entries, large errors, dearer bits, fewer entries.)
WARM_UP_SHARE = 0.02
RATE_SHARES = (0.2, 0.5)
#: Share of the steps that train the transform alone, with noise in the place of the quantiser.
NOISE_ONLY_SHARE = 0.1
#: Shares of the prior's steps between which a mixture of tables becomes a choice of one.
SHARP_SHARES = (0.3, 0.8)
#: Seconds between checkpoints, besides those of the validations.
CHECKPOINT_SECONDS = 60.0
#: Most pixels of the validation images.
VALIDATION_PX = 3_000_000
#: Losses of each loop, as they are logged.
AUTOENCODER_LOSSES = ("reconstruction", "commitment", "rate")
PRIOR_LOSSES = ("prior_bits",)


@dataclass(slots=True, kw_only=True)
class Progress:
    """Progress of a run, as stored in a checkpoint.

    autoencoder, prior : finished steps. recounted : the tables had their last count. batches : drawn so far.
    losses, summed : sums of the losses since the last log row, and their steps. seconds : spent so far.
    """

    autoencoder: int = 0
    prior: int = 0
    recounted: bool = False
    batches: int = 0
    losses: list[float] = field(default_factory=list)
    summed: int = 0
    seconds: float = 0.0


class Trainer(BaseTrainer[TrainConfig]):
    """State of one run: network, data and progress, with its checkpoint and log files."""

    def __init__(
        self, config: TrainConfig, *, resume: bool, console: Console | None = None, watch: Watch | None = None
    ) -> None:
        super().__init__(config, console=console, watch=watch)
        self.network = Network(config.spec)
        self.progress = Progress()
        fit = config.fit
        self._autoencoder_adam = torch.optim.Adam(self.network.autoencoder_parameters(), lr=fit.learning_rate)
        self._prior_adam = torch.optim.Adam(self.network.priors.parameters(), lr=fit.prior_learning_rate)
        state = self._load(resume=resume)
        if state is not None:
            self._restore(state)
        elif config.start:
            start_network(self.network, config)
        self._open_log(state)
        self._begun = self._saved = time.monotonic()
        self.console.status("reading images")
        self.data = CropStream(config.data, config.seed, start=self.progress.batches)
        self._validation = thin_pixels(validation_images(config.data, config.seed), VALIDATION_PX)

    def fit(self) -> None:
        """Train the rest: autoencoder, then prior."""
        self._fit_autoencoder()
        self._fit_prior()
        self.log.close()

    def export(self) -> BaseModel:
        """Return the run-time model of the present state (its SHA-256 left empty)."""
        return BaseModel(self.config.spec, export_arrays(self.network, self.config.fit.rate_weights), "")

    def _fit_autoencoder(self) -> None:
        """Train encoder, decoder and codebooks for the configured steps."""
        fit = self.config.fit
        self.network.train()
        while self.progress.autoencoder < fit.steps:
            losses = self.autoencoder_step()
            self.progress.autoencoder += 1
            self._note(AUTOENCODER_LOSSES, losses)
            if self.progress.autoencoder % fit.validate_every == 0 or self.progress.autoencoder == fit.steps:
                self._report("autoencoder", AUTOENCODER_LOSSES)
            self._save_now_and_then()

    def _fit_prior(self) -> None:
        """Train the prior for the configured steps, then re-estimate its tables from hard choices."""
        fit = self.config.fit
        self.network.eval()
        if self.progress.recounted:
            return
        if self.progress.prior == 0 and not self.config.start:
            self.console.status("prior: searching for classes")
            start_prior(self.network, self._codes, batches=60)
        while self.progress.prior < fit.prior_steps:
            losses = self.prior_step()
            self.progress.prior += 1
            self._note(PRIOR_LOSSES, losses)
            if self.progress.prior % fit.validate_every == 0:
                self._report("prior", PRIOR_LOSSES)
            self._save_now_and_then()
        if fit.prior_steps:
            self.console.status("prior: counting")
            recount_tables(self.network, self._codes, batches=150)
        self.progress.recounted = True
        self._report("final", PRIOR_LOSSES)

    def autoencoder_step(self) -> tuple[float, ...]:
        """Make one step; return its losses."""
        fit, step = self.config.fit, self.progress.autoencoder
        started = bool(self.config.start)
        warm = min(1.0, (step + 1) / max(1.0, WARM_UP_SHARE * fit.steps))
        rate = 1.0 if started else float(np.interp(step / fit.steps, RATE_SHARES, (0.0, 1.0)))
        _set_rate(self._autoencoder_adam, fit.learning_rate * warm * cosine(step / fit.steps))
        batch = self._batch()
        latent = self.network.encoder(batch)
        noisy = torch.round(latent + NOISE_LEVEL * torch.randn_like(latent)).detach()
        commitment = torch.zeros(())
        kept = noisy
        if started or step >= NOISE_ONLY_SHARE * fit.steps:
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
        reconstruction = reconstruction_loss(decoded, batch, fit.beam_share)
        bits = rate_loss(latent)
        self._autoencoder_adam.zero_grad()
        (reconstruction + fit.commitment * commitment + fit.rate_loss * bits).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.autoencoder_parameters(), 1.0)
        self._autoencoder_adam.step()
        self.network.limit()
        return float(reconstruction.detach()), float(commitment.detach()), float(bits.detach())

    def prior_step(self) -> tuple[float, ...]:
        """Make one step of all stages' priors; return the bits a pixel that they would cost."""
        fit, share = self.config.fit, self.progress.prior / self.config.fit.prior_steps
        _set_rate(self._prior_adam, fit.prior_learning_rate * cosine(share))
        sharpness = float(np.interp(share, SHARP_SHARES, (0.0, 1.0)))
        bits = prior_bits(self.network, self._codes(), sharpness=sharpness)
        self._prior_adam.zero_grad()
        bits.backward()  # type: ignore[no-untyped-call]
        self._prior_adam.step()
        self.network.limit()
        return (float(bits.detach()),)

    def _batch(self) -> torch.Tensor:
        """Return the next batch of crops, with torch's random numbers set to its own."""
        torch.manual_seed(self.config.seed * 1_000_003 + self.progress.batches)
        self.progress.batches += 1
        return self.data.batch(self.config.fit.batch)

    def _codes(self) -> list[StageCodes]:
        """Return the codes of the next batch."""
        return stage_codes(self.network, self._batch(), self.config.fit.rate_weights)

    def _note(self, names: tuple[str, ...], losses: tuple[float, ...]) -> None:
        """Add up losses and show them."""
        progress, fit = self.progress, self.config.fit
        progress.losses = [a + b for a, b in zip(progress.losses or [0.0] * len(losses), losses, strict=True)]
        progress.summed += 1
        now = time.monotonic()
        progress.seconds, self._begun = progress.seconds + now - self._begun, now
        phase, done, steps = "autoencoder", progress.autoencoder, fit.steps
        if names is PRIOR_LOSSES:
            phase, done, steps = "prior", progress.prior, fit.prior_steps
        shown = "  ".join(f"{name} {value:.3f}" for name, value in zip(names, losses, strict=True))
        self.console.status(f"{phase} {done}/{steps}  {shown}  {duration(progress.seconds)}")

    def _report(self, phase: str, names: tuple[str, ...]) -> None:
        """Validate, write a row of the log and a checkpoint, tell who watches."""
        self.console.status(f"{phase}: validating")
        progress, fit = self.progress, self.config.fit
        figures = evaluate(self.export(), self._validation)
        done = progress.autoencoder if phase == "autoencoder" else progress.prior
        means = {name: total / progress.summed for name, total in zip(names, progress.losses, strict=False)}
        progress.losses, progress.summed = [], 0
        zero = zero_point(self._validation)
        bits = share_bits([zero, *stage_points(figures)])
        rates = {f"bits_at_{error:g}": value for error, value in bits.items()}
        row = {
            "phase": phase, "step": done,
            **{name: "" for name in (*AUTOENCODER_LOSSES, *PRIOR_LOSSES)}, **means,
            **self._stage_figures(figures), **rates, "mean_bits": mean_bits(bits), "seconds": round(progress.seconds),
        }  # fmt: skip
        steps = {"autoencoder": fit.steps}.get(phase, fit.prior_steps)
        # The last count of the tables is a separate step.
        total = progress.autoencoder + progress.prior + progress.recounted
        self.log.row(total, row, report_text(f"{phase} {done}/{steps}", row, figures))
        self._save()
        # The prior has learned nothing yet while the autoencoder learns.
        points = stage_points(figures, order0=phase == "autoencoder")
        self._tell(total, mean_bits(share_bits([zero, *points])))

    def _stage_figures(self, figures: Evaluation) -> dict[str, Value]:
        """Return the columns of all stages."""
        values: dict[str, Value] = {}
        for stage in range(self.config.spec.n_stages):
            book = self.network.quantiser.codebook(stage)
            values[f"perplexity{stage}"] = book.perplexity()
            values[f"dead{stage}"] = int((book.idle > self.config.fit.revive_every // 2).sum())
            values[f"rmse{stage}"] = figures.rmse[stage]
            values[f"coded_bits{stage}"] = figures.coded_bits[stage]
            values[f"order0_bits{stage}"] = figures.order0_bits[stage]
        return values

    def _save_now_and_then(self) -> None:
        """Write a checkpoint if the last one is old; not before a step's row is in the log, which would get lost."""
        if time.monotonic() - self._saved > CHECKPOINT_SECONDS:
            self._save()

    def _save(self) -> None:
        """Write a checkpoint."""
        state = {
            "network": self.network.state_dict(),
            "autoencoder_adam": self._autoencoder_adam.state_dict(),
            "prior_adam": self._prior_adam.state_dict(),
            "progress": asdict(self.progress),
        }
        self._save_state(state)
        self._saved = time.monotonic()

    def _restore(self, state: dict[str, Any]) -> None:
        """Take up the state of a checkpoint."""
        self.network.load_state_dict(state["network"])
        self._autoencoder_adam.load_state_dict(state["autoencoder_adam"])
        self._prior_adam.load_state_dict(state["prior_adam"])
        self.progress = Progress(**state["progress"])


def report_text(head: str, row: dict[str, Value], figures: Evaluation) -> str:
    """Return a row of the log as a line to read: losses, error and bits with all stages, codebooks."""
    losses = "  ".join(
        f"{name} {value:.3f}" for name in (*AUTOENCODER_LOSSES, *PRIOR_LOSSES) if isinstance(value := row[name], float)
    )
    stages = range(len(figures.rmse))
    perplexity = " ".join(f"{row[f'perplexity{stage}']:.0f}" for stage in stages)
    dead = " ".join(str(row[f"dead{stage}"]) for stage in stages)
    coded, order0 = sum(figures.coded_bits), sum(figures.order0_bits)
    rate = f"rmse {figures.rmse[-1]:.3f} at {coded:.3f} bit/px (order 0 {order0:.3f})"
    parts = [head, losses, rate, f"perplexity {perplexity}", f"dead {dead}", duration(float(row["seconds"]))]
    return "  ".join(part for part in parts if part)


def cosine(share: float) -> float:
    """Return the learning rate's factor, from 1 at share 0 to 0.02 at share 1."""
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


def _set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of every group."""
    for group in optimiser.param_groups:
        group["lr"] = rate

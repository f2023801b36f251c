"""Train a model of kind vqvae in rounds, resumable after each, with checkpoint and logs."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch

from radcodec.base.lapped.model import LappedModel
from radcodec.base.lapped.spec import LappedSpec
from radcodec.base.store import load_model
from radcodec.base.trellis.codes import TrellisCodes
from radcodec.base.trellis.model import TrellisModel
from radcodec.base.trellis.spec import WIDE_TABLES, WideArrays, check_wide
from radcodec.errors import InputError
from radcodec.training.checkpoint import load_checkpoint, save_checkpoint
from radcodec.training.config import LappedConfig
from radcodec.training.data import compand_ratio, validation_images
from radcodec.training.datasets import Image
from radcodec.training.emission import simulate_emission
from radcodec.training.lapped_loop import LOG_PX, training_images
from radcodec.training.log import Console, RunLog, Watch, duration
from radcodec.training.rate import bits_at_errors, mean_bits
from radcodec.training.sources import thin_pixels
from radcodec.training.trellis import (
    Floats,
    Gathered,
    Gatherer,
    assign,
    fit_wide,
    integer_wide,
    load_wide,
    make_wide_networks,
    moved_points,
    start_arrays,
    wide_tables,
)

#: How often each image is coded in a round, at other steps.
CODINGS = 2


class TrellisTrainer:
    """State of one run: images, networks, arrays and finished rounds, with its checkpoint and log files."""

    def __init__(
        self, config: LappedConfig, *, resume: bool, console: Console | None = None, watch: Watch | None = None
    ) -> None:
        torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.config = config
        self.console = Console() if console is None else console
        self.folder = Path(config.out)
        self._watch = watch
        self.networks = make_wide_networks()
        self.scalar = _scalar_model(config.start or config.scalar)
        self.wide = start_arrays(self.networks)
        self.rounds, rows = 0, 0
        if isinstance(self.scalar, TrellisModel):
            self.wide = self.scalar.wide
            load_wide(self.networks, self.wide)
        state = load_checkpoint(self.folder, config) if resume else None
        if state is not None:
            self.rounds, rows = int(state["rounds"]), int(state["rows"])
            self.networks.load_state_dict(state["networks"])
            tables = {name: state["tables"][name].numpy().astype(np.uint32) for name in WIDE_TABLES}
            points = state["points"].numpy().astype(np.int16)
            self.wide = WideArrays(layers=integer_wide(self.networks), tables=tables, points=points)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = RunLog(self.folder, rows=rows, console=self.console)

    def fit(self) -> None:
        """Train the remaining rounds."""
        if self.rounds < len(self.config.fit.steps):
            self.console.status("reading images")
            images = training_images(self.config.data, self.config.seed)
            rng = np.random.default_rng([self.config.seed, 7])
            sides = self.config.data.sides
            images += [
                compand_ratio(simulate_emission(rng, int(rng.choice(sides)))) for _ in range(self.config.data.emission)
            ]
            validation = thin_pixels(validation_images(self.config.data, self.config.seed), LOG_PX)
            while self.rounds < len(self.config.fit.steps):
                self._round(images, validation)
        self.log.close()

    def export(self) -> TrellisModel:
        """Return the run-time model of the present state (its SHA-256 left empty)."""
        spec = LappedSpec(name=self.config.name, stages=self.config.stages)
        check_wide(spec, self.scalar.arrays, self.wide)
        return TrellisModel(spec, self.scalar.arrays, self.wide, "")

    def _round(self, images: list[Image], validation: list[Image]) -> None:
        """Assign indices, fit the networks, move the codebooks, count the tables; log and save."""
        start, fit = time.monotonic(), self.config.fit
        # Each round has its own seed, so that a resumed run gives the same model.
        rng = np.random.default_rng([self.config.seed, self.rounds + 1])
        torch.manual_seed(self.config.seed + self.rounds)
        coded, found = self._assign(images, rng)
        steps = fit.steps[self.rounds]
        loss = fit_wide(
            self.networks, found, steps=steps, rate=fit.learning_rates[self.rounds], batch=fit.batch,
            on_step=lambda step, bits: self._status(f"fitting {step}/{3 * steps}  {bits:.4f} bits"),
        )  # fmt: skip
        points = moved_points(self.wide.points, found)
        self.wide = WideArrays(layers=integer_wide(self.networks), tables=self.wide.tables, points=points)
        self._status("counting")
        counter = Gatherer(self.export(), 1, rng)
        for codes, target in coded:
            counter.add(codes, target)
        tables = wide_tables(counter.counts.astype(np.float64))
        self.wide = WideArrays(layers=self.wide.layers, tables=tables, points=points)
        self.rounds += 1
        self._status("measuring")
        self._report(found, loss, bits_at_errors(self.export(), validation), time.monotonic() - start)

    def _assign(
        self, images: list[Image], rng: np.random.Generator
    ) -> tuple[list[tuple[TrellisCodes, Floats]], Gathered]:
        """Return the images as coded with the model so far, and what the round learns from them."""
        model = self.export()
        gatherer = Gatherer(model, self.config.fit.pairs, rng)
        coded = []
        for number, image in enumerate(images, start=1):
            for _ in range(CODINGS):
                coded.append(assign(image, model, rng))
                gatherer.add(*coded[-1])
            self._status(f"coding {number}/{len(images)}")
        return coded, gatherer.finish()

    def _report(self, found: Gathered, loss: float, bits: dict[float, float], seconds: float) -> None:
        """Log a round, write the checkpoint and call the observer."""
        mean = mean_bits(bits)
        columns = {f"bits_at_{error:g}": value for error, value in bits.items()}
        used = int((found.seen > 0).sum())
        rates = ", ".join(f"{value:.4f} at {error:g}" for error, value in bits.items())
        text = (
            f"round {self.rounds}/{len(self.config.fit.steps)}  training {found.bits:.4f} bit/px  validation {rates}  "
            f"points used {used} of {found.seen.size}  {duration(seconds)}"
        )
        values = {
            "round": self.rounds, "samples": len(found.phases), "network_bits": loss, "training_bits": found.bits,
            "points_used": used, **columns, "mean_bits": mean, "seconds": round(seconds),
        }  # fmt: skip
        self.log.row(self.rounds, values, text)
        state = {
            "rounds": self.rounds,
            "rows": self.log.rows,
            "networks": self.networks.state_dict(),
            "tables": {name: torch.from_numpy(table.astype(np.int64)) for name, table in self.wide.tables.items()},
            "points": torch.from_numpy(self.wide.points.astype(np.int64)),
        }
        save_checkpoint(self.folder, self.config, state)
        if self._watch is not None:
            self._watch(self.rounds, mean)

    def _status(self, text: str) -> None:
        """Show what the present round does."""
        self.console.status(f"round {min(self.rounds + 1, len(self.config.fit.steps))}: {text}")


def _scalar_model(name: str) -> LappedModel:
    """Load the model whose arrays code tiles without a trellis.

    Raises
    ------
    InputError
        It is of another kind.
    """
    model = load_model(name)
    if not isinstance(model, LappedModel):
        raise InputError(f"training: expected a lapped model or one of kind vqvae to start from, found {name}")
    return model

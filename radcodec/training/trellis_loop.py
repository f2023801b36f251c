"""Train a model of kind vqvae in rounds, resumable after each, with checkpoint and logs."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import torch

from radcodec.base.lapped.model import LappedModel
from radcodec.base.lapped.spec import LappedSpec
from radcodec.base.store import load_model
from radcodec.base.trellis.codes import TrellisCodes
from radcodec.base.trellis.model import TrellisModel
from radcodec.base.trellis.spec import WIDE_TABLES, check_wide
from radcodec.errors import InputError
from radcodec.training.atoms import learn_atoms
from radcodec.training.config import LappedConfig
from radcodec.training.data import compand_ratio
from radcodec.training.datasets import Image
from radcodec.training.emission import simulate_emission
from radcodec.training.log import Console, Value, Watch
from radcodec.training.rate import bits_at_errors
from radcodec.training.rounds import RoundTrainer, stored_tables, training_images
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
    table_counts,
    wide_tables,
)

#: Weight, in counts, of every table row of the model that a run starts from.
START_COUNTS = 200.0
#: How often each image is coded in a round, at other steps.
CODINGS = 2


class TrellisTrainer(RoundTrainer):
    """State of one run: images, networks, arrays and finished rounds, with its checkpoint and log files."""

    def __init__(
        self, config: LappedConfig, *, resume: bool, console: Console | None = None, watch: Watch | None = None
    ) -> None:
        super().__init__(config, console=console, watch=watch)
        self.networks = make_wide_networks()
        self.scalar = _scalar_model(config.start or config.scalar)
        self.wide = start_arrays(self.networks)
        self.start_counts: Floats | None = None
        if isinstance(self.scalar, TrellisModel):
            self.wide = self.scalar.wide
            self.start_counts = table_counts(self.wide.tables, START_COUNTS)
            load_wide(self.networks, self.wide)
        state = self._load(resume=resume)
        if state is not None:
            self.rounds = int(state["rounds"])
            self.networks.load_state_dict(state["networks"])
            tables = {name: state["tables"][name].numpy().astype(np.uint32) for name in WIDE_TABLES}
            points = state["points"].numpy().astype(np.int16)
            self.wide = replace(self.wide, layers=integer_wide(self.networks), tables=tables, points=points)
        self._open_log(state)

    def fit(self) -> None:
        """Train the remaining rounds, then learn the atoms."""
        super().fit()
        if self.config.fit.atoms:
            self.console.status("learning atoms")
            data, seed = self.config.data, self.config.seed
            simulated = training_images(replace(data, folders=(), simulated=max(1, data.simulated)), seed + 1)
            real = training_images(replace(data, simulated=0), seed) if data.folders else []
            kinds = [kind for kind in (real, simulated) if kind]
            atoms = learn_atoms(kinds, self.config.fit.atoms, seed, self.scalar.arrays.sinh)
            self.wide = replace(self.wide, atoms=atoms)

    def export(self) -> TrellisModel:
        """Return the run-time model of the present state (its SHA-256 left empty)."""
        spec = LappedSpec(name=self.config.name, stages=self.config.stages)
        check_wide(spec, self.scalar.arrays, self.wide)
        return TrellisModel(spec, self.scalar.arrays, self.wide, "")

    def _images(self) -> list[Image]:
        """Return the companded images to train on, with some full of emission."""
        images = super()._images()
        rng = np.random.default_rng([self.config.seed, 7])
        sides = self.config.data.sides
        for _ in range(self.config.data.emission):
            images.append(compand_ratio(simulate_emission(rng, int(rng.choice(sides)))))
        return images

    def _round(self, images: list[Image], validation: list[Image]) -> None:
        """Assign indices, fit the networks, move the codebooks, count the tables; log and save."""
        start, fit = time.monotonic(), self.config.fit
        rng = self._seed()
        coded, found = self._assign(images, rng)
        steps = fit.steps[self.rounds]
        loss = fit_wide(
            self.networks, found, steps=steps, rate=fit.learning_rates[self.rounds], batch=fit.batch,
            on_step=lambda step, bits: self._status(f"fitting {step}/{3 * steps}  {bits:.4f} bits"),
        )  # fmt: skip
        points = moved_points(self.wide.points, found)
        self.wide = replace(self.wide, layers=integer_wide(self.networks), points=points)
        self._status("counting")
        counter = Gatherer(self.export(), 1, rng)
        for codes, target in coded:
            counter.add(codes, target)
        counts = counter.counts.astype(np.float64)
        tables = wide_tables(counts if self.start_counts is None else counts + self.start_counts)
        self.wide = replace(self.wide, tables=tables)
        self.rounds += 1
        self._status("measuring")
        bits = bits_at_errors(self.export(), validation)
        used = int((found.seen > 0).sum())
        values: dict[str, Value] = {
            "samples": len(found.phases), "network_bits": loss, "training_bits": found.bits, "points_used": used,
        }  # fmt: skip
        state = {
            "networks": self.networks.state_dict(),
            "tables": stored_tables(self.wide.tables),
            "points": torch.from_numpy(self.wide.points.astype(np.int64)),
        }
        note = f"points used {used} of {found.seen.size}"
        self._finish(values, note, bits, time.monotonic() - start, state)

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

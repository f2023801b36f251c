"""Train a lapped model in rounds, resumable after each, with checkpoint and logs."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt

from radcodec.base.convolutional.spec import expansion_table
from radcodec.base.lapped.model import LappedModel
from radcodec.base.lapped.spec import LappedArrays, LappedSpec, Layer, check_arrays
from radcodec.training import lapped_contexts as contexts
from radcodec.training.config import LappedConfig
from radcodec.training.datasets import Image
from radcodec.training.lapped import (
    Coded,
    code_image,
    count_symbols,
    fit_network,
    gather_samples,
    integer_layers,
    integer_loss,
    make_network,
    training_bits,
)
from radcodec.training.lapped_prior import LappedPrior, finish_tables
from radcodec.training.log import Console, Value, Watch
from radcodec.training.rate import bits_at_errors
from radcodec.training.rounds import RoundTrainer, stored_tables
from radcodec.training.start import start_lapped

#: Weight, in counts, of every table row of the start model.
START_COUNTS = 200.0


class LappedTrainer(RoundTrainer):
    """State of one run: images, network, prior and finished rounds, with its checkpoint and log files."""

    def __init__(
        self, config: LappedConfig, *, resume: bool, console: Console | None = None, watch: Watch | None = None
    ) -> None:
        super().__init__(config, console=console, watch=watch)
        self.network = make_network()
        self.prior: LappedPrior | None = None
        self.start: LappedPrior | None = start_lapped(self.network, config) if config.start else None
        state = self._load(resume=resume)
        if state is not None:
            self.rounds = int(state["rounds"])
            self.network.load_state_dict(state["network"])
            tables = {name: table.numpy().astype(np.uint32) for name, table in state["tables"].items()}
            self.prior = LappedPrior(layers=integer_layers(self.network), tables=tables)
        self._open_log(state)

    def export(self) -> LappedModel:
        """Return the run-time model of the present state (its SHA-256 left empty)."""
        assert self.prior is not None
        layers = {
            f"layer{number}": Layer(weight=layer.weight, bias=layer.bias, shift=layer.shift)
            for number, layer in enumerate(self.prior.layers)
        }
        spec = LappedSpec(name=self.config.name, stages=self.config.stages)
        arrays = LappedArrays(
            log_table=contexts.log_table(), layers=layers, tables=self.prior.tables, sinh=expansion_table()
        )
        check_arrays(spec, arrays)
        return LappedModel(spec, arrays, "")

    def _round(self, images: list[Image], validation: list[Image]) -> None:
        """Code the images, fit the network, count the tables; log and save."""
        start, fit = time.monotonic(), self.config.fit
        rng = self._seed()
        coded = self._code(images, rng)
        samples = gather_samples(coded, fit.pairs, rng)
        loss = fit_network(
            self.network, samples, steps=fit.steps[self.rounds], rate=fit.learning_rates[self.rounds], batch=fit.batch,
            on_step=lambda step, bits: self._status(f"fitting {step}/{fit.steps[self.rounds]}  {bits:.4f} bits"),
        )  # fmt: skip
        layers = integer_layers(self.network)
        self._status("counting")
        counts = count_symbols(coded, layers)
        self.prior = LappedPrior(layers=layers, tables=finish_tables(self._with_start(counts)))
        self.rounds += 1
        self._status("measuring")
        values: dict[str, Value] = {
            "samples": len(samples[0]),
            "network_bits": loss,
            "integer_bits": integer_loss(layers, samples),
            "training_bits": training_bits(self.prior, coded),
            **bucket_figures(counts),
        }
        bits = bits_at_errors(self.export(), validation)
        note = f"buckets {values['bucket_perplexity']:.1f}, {values['dead_buckets']} dead"
        state = {"network": self.network.state_dict(), "tables": stored_tables(self.prior.tables)}
        self._finish(values, note, bits, time.monotonic() - start, state)

    def _code(self, images: list[Image], rng: np.random.Generator) -> list[Coded]:
        """Return the images as coded with the prior so far."""
        prior = self.prior or self.start
        passes = 2 if self.start else min(self.rounds, 2)
        coded = []
        for number, image in enumerate(images, start=1):
            coded.append(code_image(image, prior, passes, rng))
            self._status(f"coding {number}/{len(images)}")
        return coded

    def _with_start(self, counts: dict[str, npt.NDArray[np.float64]]) -> dict[str, npt.NDArray[np.float64]]:
        """Return counts to which those are added that the model that the run starts from is worth."""
        if self.start is None:
            return counts
        shares = {name: table / 2.0**contexts.TABLE_BITS for name, table in self.start.tables.items()}
        return {name: seen + START_COUNTS * shares[name].reshape(seen.shape) for name, seen in counts.items()}


def bucket_figures(counts: dict[str, npt.NDArray[np.float64]]) -> dict[str, Value]:
    """Return how many of the 48 buckets are really used (2^entropy of their shares), and how many never were."""
    used = sum(counts[name].reshape(contexts.BUCKETS, -1).sum(axis=1) for name in ("zz", "zn"))
    share = np.asarray(used)[np.asarray(used) > 0] / np.sum(used)
    return {
        "bucket_perplexity": float(2.0 ** -(share * np.log2(share)).sum()),
        "dead_buckets": int((np.asarray(used) == 0).sum()),
    }

"""Train a lapped model in rounds, resumable after each, with checkpoint and logs."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from radcodec.base.convolutional.spec import expansion_table
from radcodec.base.lapped.model import LappedModel
from radcodec.base.lapped.spec import LappedArrays, LappedSpec, Layer, check_arrays
from radcodec.errors import InputError
from radcodec.training import lapped_contexts as contexts
from radcodec.training.checkpoint import load_checkpoint, save_checkpoint
from radcodec.training.config import LappedConfig, LappedDataConfig
from radcodec.training.data import compand_ratio, simulate_ratio, validation_images
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
from radcodec.training.log import Console, RunLog, Value, Watch, duration
from radcodec.training.rate import bits_at_errors, mean_bits
from radcodec.training.sources import load_images, thin_pixels
from radcodec.training.start import start_lapped

#: Most pixels of validation images for the log.
LOG_PX = 500_000
#: Weight, in counts, of every table row of the start model.
START_COUNTS = 200.0


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


class LappedTrainer:
    """State of one run: images, network, prior and finished rounds, with its checkpoint and log files."""

    def __init__(
        self, config: LappedConfig, *, resume: bool, console: Console | None = None, watch: Watch | None = None
    ) -> None:
        torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.config = config
        self.console = Console() if console is None else console
        self.folder = Path(config.out)
        self._watch = watch
        self.network = make_network()
        self.prior: LappedPrior | None = None
        self.start: LappedPrior | None = start_lapped(self.network, config) if config.start else None
        self.rounds, rows = 0, 0
        state = load_checkpoint(self.folder, config) if resume else None
        if state is not None:
            self.rounds, rows = int(state["rounds"]), int(state["rows"])
            self.network.load_state_dict(state["network"])
            tables = {name: table.numpy().astype(np.uint32) for name, table in state["tables"].items()}
            self.prior = LappedPrior(layers=integer_layers(self.network), tables=tables)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = RunLog(self.folder, rows=rows, console=self.console)

    def fit(self) -> None:
        """Train the remaining rounds."""
        if self.rounds < len(self.config.fit.steps):
            self.console.status("reading images")
            images = training_images(self.config.data, self.config.seed)
            validation = thin_pixels(validation_images(self.config.data, self.config.seed), LOG_PX)
            while self.rounds < len(self.config.fit.steps):
                self._round(images, validation)
        self.log.close()

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
        # Each round has its own seed, so that a resumed run gives the same model.
        rng = np.random.default_rng([self.config.seed, self.rounds + 1])
        torch.manual_seed(self.config.seed + self.rounds)
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
            "round": self.rounds,
            "samples": len(samples[0]),
            "network_bits": loss,
            "integer_bits": integer_loss(layers, samples),
            "training_bits": training_bits(self.prior, coded),
            **bucket_figures(counts),
        }
        self._report(values, bits_at_errors(self.export(), validation), time.monotonic() - start)

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

    def _report(self, values: dict[str, Value], bits: dict[float, float], seconds: float) -> None:
        """Log a round, write the checkpoint and call the observer."""
        assert self.prior is not None
        mean = mean_bits(bits)
        columns = {f"bits_at_{error:g}": value for error, value in bits.items()}
        rates = ", ".join(f"{value:.4f} at {error:g}" for error, value in bits.items())
        text = (
            f"round {self.rounds}/{len(self.config.fit.steps)}  training {values['training_bits']:.4f} bit/px  "
            f"validation {rates}  buckets {values['bucket_perplexity']:.1f}, {values['dead_buckets']} dead  "
            f"{duration(seconds)}"
        )
        self.log.row(self.rounds, {**values, **columns, "mean_bits": mean, "seconds": round(seconds)}, text)
        state = {
            "rounds": self.rounds,
            "rows": self.log.rows,
            "network": self.network.state_dict(),
            "tables": {name: torch.from_numpy(table.astype(np.int64)) for name, table in self.prior.tables.items()},
        }
        save_checkpoint(self.folder, self.config, state)
        if self._watch is not None:
            self._watch(self.rounds, mean)

    def _status(self, text: str) -> None:
        """Show what the present round does."""
        self.console.status(f"round {min(self.rounds + 1, len(self.config.fit.steps))}: {text}")


def bucket_figures(counts: dict[str, npt.NDArray[np.float64]]) -> dict[str, Value]:
    """Return how many of the 48 buckets are really used (2^entropy of their shares), and how many never were."""
    used = sum(counts[name].reshape(contexts.BUCKETS, -1).sum(axis=1) for name in ("zz", "zn"))
    share = np.asarray(used)[np.asarray(used) > 0] / np.sum(used)
    return {
        "bucket_perplexity": float(2.0 ** -(share * np.log2(share)).sum()),
        "dead_buckets": int((np.asarray(used) == 0).sum()),
    }

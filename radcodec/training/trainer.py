"""What every training run has: seeds, configuration, console, folder, log and checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Generic, TypeVar

import torch

from radcodec.training.checkpoint import AnyConfig, load_checkpoint, save_checkpoint
from radcodec.training.log import Console, RunLog, Watch

ConfigT = TypeVar("ConfigT", bound=AnyConfig)


class BaseTrainer(Generic[ConfigT]):
    """A run with its checkpoint and log files; the networks are made after its start, from torch's seed."""

    log: RunLog

    def __init__(self, config: ConfigT, *, console: Console | None, watch: Watch | None) -> None:
        torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.config = config
        self.console = Console() if console is None else console
        self.folder = Path(config.out)
        self._watch = watch

    def _load(self, *, resume: bool) -> dict[str, Any] | None:
        """Return the state of the last checkpoint; None without one, or if the run starts again."""
        return load_checkpoint(self.folder, self.config) if resume else None

    def _open_log(self, state: dict[str, Any] | None) -> None:
        """Make the folder and open the log, which goes on after the rows that it had at the checkpoint."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = RunLog(self.folder, rows=0 if state is None else int(state["rows"]), console=self.console)

    def _save_state(self, state: dict[str, Any]) -> None:
        """Write a checkpoint of this state."""
        save_checkpoint(self.folder, self.config, {**state, "rows": self.log.rows})

    def _tell(self, done: int, figure: float) -> None:
        """Call the observer with the finished rounds or steps and what the validation gave."""
        if self._watch is not None:
            self._watch(done, figure)

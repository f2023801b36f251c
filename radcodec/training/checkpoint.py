"""Read and write the checkpoint of a run, which records its configuration."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

import torch

from radcodec.errors import InputError
from radcodec.training.config import DiffusionConfig, LappedConfig, TrainConfig
from radcodec.training.log import LOG_FILE

AnyConfig: TypeAlias = TrainConfig | LappedConfig | DiffusionConfig

CHECKPOINT_FILE = "checkpoint.pt"
#: Keys that may change between a run and its continuation: they do not affect the result.
FREE = ("out", "summary", "threads", "minutes")


def save_checkpoint(folder: Path, config: AnyConfig, state: dict[str, Any]) -> None:
    """Write the state of a run beside its old checkpoint, then replace that."""
    temporary = folder / f"{CHECKPOINT_FILE}.tmp"
    torch.save({**state, "config": json.dumps(flatten(config))}, temporary)
    temporary.replace(folder / CHECKPOINT_FILE)


def load_checkpoint(folder: Path, config: AnyConfig) -> dict[str, Any] | None:
    """Return the state of a run (tensors, numbers and text only), or None.

    Raises
    ------
    InputError
        It was made with another configuration, or the folder holds the log of a run but no checkpoint of this kind.
    """
    path = folder / CHECKPOINT_FILE
    if not path.is_file():
        return None
    state: dict[str, Any] = torch.load(path, weights_only=True)
    found, wanted = json.loads(state.get("config", "{}")), flatten(config)
    if found != wanted:
        raise InputError(
            f"{folder}: expected the checkpoint of this configuration, found one of another "
            f"({differences(found, wanted)}); name another folder in run.out, or start again with --restart"
        )
    return state


def discard_run(folder: Path) -> None:
    """Remove the checkpoint and the log of an earlier run; TensorBoard's files go when the next one starts."""
    for name in (CHECKPOINT_FILE, LOG_FILE):
        (folder / name).unlink(missing_ok=True)


def flatten(config: AnyConfig) -> dict[str, Any]:
    """Return what a result depends on by dotted name, as JSON gives it back."""
    flat: dict[str, Any] = {}
    for name, value in asdict(config).items():
        if isinstance(value, dict):
            flat |= {f"{name}.{key}": inner for key, inner in value.items()}
        elif name not in FREE:
            flat[name] = value
    loaded: dict[str, Any] = json.loads(json.dumps(flat))
    return loaded


def differences(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    """Return the first three differences of two configurations in words."""
    if not found:
        return "by an earlier version, which did not record it"
    names = [name for name in {**wanted, **found} if found.get(name) != wanted.get(name)]
    changes = [f"{name} was {found.get(name, 'not there')}, now {wanted.get(name, 'not there')}" for name in names[:3]]
    return "; ".join(changes) + (f"; {len(names) - 3} more" if len(names) > 3 else "")

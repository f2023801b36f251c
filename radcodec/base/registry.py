"""The registry of the models that ship with the package; it needs no NumPy.

``registry.toml`` holds one ``[[model]]`` a model: ``name``, ``sha256`` (of ``<name>/weights.safetensors``),
``default``, ``summary``.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from radcodec.errors import ModelNotFoundError
from radcodec.runtime import resources


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecord:
    """One line of the registry, with the text of the model's card ("" if it has none)."""

    name: str
    sha256: str
    default: bool
    summary: str
    card: str


def models_folder() -> Path:
    """Return the folder that holds registry.toml.

    Raises
    ------
    ModelNotFoundError
        There is none.
    """
    folder = resources.find_models_folder()
    if folder is None or not (folder / "registry.toml").is_file():
        raise ModelNotFoundError("no models are installed: expected a folder with registry.toml; reinstall radcodec")
    return folder


def list_models() -> list[ModelRecord]:
    """Return the models that ship with this installation, in the registry's order; [] if there are none."""
    try:
        folder = models_folder()
    except ModelNotFoundError:
        return []
    registry = tomllib.loads((folder / "registry.toml").read_text(encoding="utf-8"))
    records = []
    for entry in registry.get("model", []):
        card = folder / str(entry["name"]) / "card.md"
        records.append(
            ModelRecord(
                name=str(entry["name"]),
                sha256=str(entry["sha256"]),
                default=bool(entry.get("default", False)),
                summary=str(entry.get("summary", "")),
                card=card.read_text(encoding="utf-8") if card.is_file() else "",
            )
        )
    return records

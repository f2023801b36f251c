"""Where models are: the registry that ships with the package, and files that the user names. No torch here.

``registry.toml`` holds one ``[[model]]`` a model: ``name``, ``sha256`` (of ``<name>/weights.safetensors``),
``default``, ``summary``.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from radcodec.errors import ModelMismatchError, ModelNotFoundError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from radcodec.vqvae.model import BaseModel

#: Name of the models folder inside the installed package.
PACKAGE_FOLDER = "models_data"
WEIGHTS_FILE = "weights.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecord:
    """One line of the registry, with the text of the model's card ("" if it has none)."""

    name: str
    sha256: str
    default: bool
    summary: str
    card: str


def models_folder() -> Traversable:
    """Return the folder that holds registry.toml: in the installed package, else beside it in a checkout.

    Raises
    ------
    ModelNotFoundError
        Neither is there.
    """
    installed = resources.files("radcodec") / PACKAGE_FOLDER
    if (installed / "registry.toml").is_file():
        return installed
    checkout = Path(__file__).resolve().parents[2] / "models"
    if (checkout / "registry.toml").is_file():
        return checkout
    raise ModelNotFoundError(
        f"no models are installed: expected registry.toml in {installed} or {checkout}; reinstall radcodec"
    )


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


def load_model(name_or_path: str | None = None) -> BaseModel:
    """Return a model: the default one, a shipped one by name, or one from a weights file or its folder.

    Raises
    ------
    ModelNotFoundError
        There is no such model; the message lists those that there are.
    ModelMismatchError
        A shipped model's bytes are not those of the registry, the file is no model, or the known-answer check fails.
    """
    records = list_models()
    if name_or_path is None:
        for record in records:
            if record.default:
                return _load_record(record)
    for record in records:
        if record.name == name_or_path:
            return _load_record(record)
    if name_or_path is not None:
        path = Path(name_or_path)
        path = path / WEIGHTS_FILE if path.is_dir() else path
        if path.is_file():
            return _load_bytes(path.read_bytes(), str(path))
    raise ModelNotFoundError(_not_found(name_or_path or "(the default)", records))


def find_model(name: str, sha256: str) -> BaseModel:
    """Return the model that a file names; its SHA-256 decides, whatever the shipped one of that name is now.

    Raises
    ------
    ModelNotFoundError
        No shipped model has this SHA-256.
    ModelMismatchError
        See `load_model`.
    """
    records = list_models()
    for record in records:
        if record.sha256 == sha256:
            return _load_record(record)
    raise ModelNotFoundError(_not_found(f"{name} (sha256 {sha256})", records))


def _not_found(wanted: str, records: list[ModelRecord]) -> str:
    """Return the message for a model that is not there."""
    there = ", ".join(f"{record.name} (sha256 {record.sha256[:12]}...)" for record in records) or "none"
    return f"model {wanted} not found; installed models: {there}; give one of these or the path of a weights file"


def _load_record(record: ModelRecord) -> BaseModel:
    """Return a shipped model, its SHA-256 checked."""
    weights = models_folder() / record.name / WEIGHTS_FILE
    if not weights.is_file():
        raise ModelNotFoundError(f"model {record.name}: {weights} is missing; reinstall radcodec")
    data = weights.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != record.sha256:
        raise ModelMismatchError(
            f"model {record.name}: {weights} has sha256 {found}, the registry says {record.sha256}; reinstall radcodec"
        )
    return _load_bytes(data, record.name)


def _load_bytes(data: bytes, where: str) -> BaseModel:
    """Return the model held in the bytes of a weights file, its known answer checked."""
    from radcodec.vqvae.model import BaseModel, check_known_answer
    from radcodec.vqvae.weights import unpack_model

    spec, arrays, answer = unpack_model(data, where)
    model = BaseModel(spec, arrays, hashlib.sha256(data).hexdigest())
    check_known_answer(model, answer)
    return model

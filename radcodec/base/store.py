"""Find models: in the registry that ships with the package, and in files that the user names. Uses no torch."""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeGuard

import numpy as np
import numpy.typing as npt

from radcodec.base.registry import ModelRecord as ModelRecord
from radcodec.base.registry import list_models as list_models
from radcodec.base.registry import models_folder as models_folder
from radcodec.errors import ModelMismatchError, ModelNotFoundError
from radcodec.types import Stream

if TYPE_CHECKING:
    from radcodec.base.lapped.quick import Spectrum

Codes: TypeAlias = Any  # a model's codes of a tile; only the same model understands them


class Model(Protocol):
    """A base-layer model of either kind."""

    name: str
    sha256: str
    n_stages: int
    takes_step: bool

    def encode_tile(
        self,
        values: npt.NDArray[np.float64],
        offset: float,
        scale: float,
        *,
        step: float | None = None,
        like: Codes | None = None,
        keep_flux: bool = False,
    ) -> Codes:
        """Encode a tile [h, w].

        ``step`` is in units of the noise, for models that take one. ``like`` are codes at another step, or of a tile
        nearby; their choices are reused. With ``keep_flux`` bright sources keep their flux at coarse steps.
        """
        ...

    def stage_streams(self, codes: Codes, n_stages: int | None = None) -> list[bytes]:
        """Return one stream for each of the first ``n_stages`` stages."""
        ...

    def restore_codes(
        self, codes: Codes, offset: float, scale: float, n_stages: int | None = None
    ) -> npt.NDArray[np.float64]:
        """Return the pixels [h, w] that the streams of the first stages of codes decode to."""
        ...

    def decode_tile(
        self, streams: Sequence[bytes], shape: tuple[int, int], offset: float, scale: float, n_stages: int | None = None
    ) -> npt.NDArray[np.float64]:
        """Decode pixels [h, w] from the streams of the first stages; raises CorruptError for a malformed one."""
        ...

    def preview_tile(
        self, streams: Sequence[bytes], shape: tuple[int, int], offset: float, scale: float
    ) -> npt.NDArray[np.float64]:
        """Decode the same pixels for display."""
        ...


class SteppedModel(Model, Protocol):
    """A model that takes a step (``takes_step``); it makes previews."""

    def spectrum(
        self, values: npt.NDArray[np.float32], shape: tuple[int, int], *, step: float, code: int | None = None
    ) -> Spectrum:
        """Transform normalised values of a tile [h, w], which are overwritten, or their averages, for `quick_codes`.

        ``step`` and values choose the transform where no ``code`` of another tile does.
        """
        ...

    def quick_codes(self, spectrum: Spectrum, step: float) -> Codes:
        """Code a tile at a step from what `spectrum` gave, without a search."""
        ...

    def shelve(self, codes: Codes, keep: Callable[[bytes], Stream]) -> Codes:
        """Pack codes that wait for others; this model takes them in their place. ``keep`` finds room for the bytes."""
        ...

    def choices(self, codes: Codes) -> Codes:
        """Return codes without content, for other codes to be like."""
        ...

    def blank_tile(self, shape: tuple[int, int]) -> Codes:
        """Return codes of a tile [h, w] that say nothing, in as few bytes as there can be."""
        ...

    def used_stages(self, codes: Codes) -> int:
        """Return the number of stages that the codes need: what later ones hold is nothing."""
        ...

    def digest(self, codes: Codes) -> bytes:
        """Return a digest of codes."""
        ...

    def read_digest(self, streams: Sequence[bytes], shape: tuple[int, int]) -> bytes:
        """Read all streams of a tile; return the digest of what they hold. Raises CorruptError as decoding does."""
        ...


def is_stepped(model: Model) -> TypeGuard[SteppedModel]:
    """Say whether a model takes a step."""
    return model.takes_step


WEIGHTS_FILE = "weights.safetensors"
#: Variable with the places of models that do not ship, searched when a file names one.
MODELS_VARIABLE = "RADCODEC_MODELS"


def find_sampler(name_or_path: str | None = None) -> tuple[Path, str]:
    """Find the weights file of a sampler: the shipped one, one by name, or a path; with its SHA-256, "" for a path.

    ``registry.toml`` holds one ``[[sampler]]`` for each that ships, with ``name`` and ``sha256``.

    Raises
    ------
    ModelNotFoundError
        There is none.
    """
    folder = models_folder()
    registry = tomllib.loads((folder / "registry.toml").read_text(encoding="utf-8"))
    shipped = {str(entry["name"]): str(entry["sha256"]) for entry in registry.get("sampler", [])}
    for name, sha256 in shipped.items():
        if name_or_path in (None, name):
            return folder / name / WEIGHTS_FILE, sha256
    path = Path(name_or_path or "")
    path = path / WEIGHTS_FILE if path.is_dir() else path
    if name_or_path is None or not path.is_file():
        raise ModelNotFoundError(f"sampler {name_or_path} not found; installed: {', '.join(shipped) or 'none'}")
    return path, ""


def check_model(name_or_path: str | None) -> None:
    """Check that a model exists, without reading its weights; None is the default one.

    Raises
    ------
    ModelNotFoundError
        There is no such model; the message lists the installed ones.
    """
    records = list_models()
    if name_or_path is None or any(record.name == name_or_path for record in records):
        return
    path = Path(name_or_path)
    if not (path / WEIGHTS_FILE if path.is_dir() else path).is_file():
        raise ModelNotFoundError(_not_found(name_or_path, records))


def find_record(name: str) -> ModelRecord:
    """Find the record of an installed model by its name.

    Raises
    ------
    ModelNotFoundError
        There is no such model; the message lists the installed ones.
    """
    records = list_models()
    for record in records:
        if record.name == name:
            return record
    raise ModelNotFoundError(_not_found(name, records))


def load_model(name_or_path: str | None = None) -> Model:
    """Load a model: the default one, a shipped one by name, or one from a weights file or its folder.

    Raises
    ------
    ModelNotFoundError
        There is no such model; the message lists the installed ones.
    ModelMismatchError
        A shipped model's bytes differ from the registry, the file is not a model, or the known-answer check fails.
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


def find_model(name: str, sha256: str) -> Model:
    """Find the model that a file names, by its SHA-256 or the start of it; a shipped model of that name may differ.

    Models that do not ship are searched in RADCODEC_MODELS. It lists weights files, folders of them, or folders of
    model folders, separated by the system's path separator.

    Raises
    ------
    ModelNotFoundError
        No shipped model and none of RADCODEC_MODELS has this SHA-256.
    ModelMismatchError
        See `load_model`.
    """
    records = list_models()
    for record in records:
        if record.sha256.startswith(sha256):
            return _load_record(record)
    for path in _own_weights():
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest().startswith(sha256):
            return _load_bytes(data, str(path))
    raise ModelNotFoundError(_not_found(f"{name!r} (sha256 {sha256})" if name else f"of sha256 {sha256}...", records))


def _own_weights() -> list[Path]:
    """Return the weights files that RADCODEC_MODELS leads to."""
    found: list[Path] = []
    for place in filter(None, os.environ.get(MODELS_VARIABLE, "").split(os.pathsep)):
        path = Path(place)
        candidates = [path, path / WEIGHTS_FILE, *sorted(path.glob(f"*/{WEIGHTS_FILE}"))]
        found.extend(candidate for candidate in candidates if candidate.is_file())
    return found


def _not_found(wanted: str, records: list[ModelRecord]) -> str:
    """Return the message for a model that is not there."""
    there = ", ".join(f"{record.name} (sha256 {record.sha256[:12]}...)" for record in records) or "none"
    return (
        f"model {wanted} not found; installed models: {there}; give one of these or the "
        f"path of a weights file; to read files made with a model of your own, name its folder in {MODELS_VARIABLE}"
    )


def _load_record(record: ModelRecord) -> Model:
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


def _load_bytes(data: bytes, where: str) -> Model:
    """Load the model in the bytes of a weights file and check its known answer.

    Only convolutional models load torch.

    Raises
    ------
    ModelNotFoundError
        The model is a convolutional one and torch is not installed.
    """
    from radcodec.base import lapped, trellis

    if lapped.is_lapped(data):
        return _load_lapped(data, where)
    if trellis.is_trellis(data):
        return _load_trellis(data, where)
    from radcodec.base.convolutional.weights import unpack_model

    spec, arrays, answer = unpack_model(data, where)
    try:
        from radcodec.base.convolutional.model import BaseModel, check_known_answer
    except ModuleNotFoundError as err:
        if err.name != "torch":
            raise
        raise ModelNotFoundError(
            f"model {where}: expected PyTorch, which convolutional models need and which is not installed; "
            "pip install 'radcodec[torch]'"
        ) from err
    model = BaseModel(spec, arrays, hashlib.sha256(data).hexdigest())
    check_known_answer(model, answer)
    return model


@lru_cache(maxsize=2)
def _load_lapped(data: bytes, where: str) -> Model:
    """Load a lapped model once a process: its check takes as long as a small image."""
    from radcodec.base import lapped

    return lapped.load_bytes(data, where)


@lru_cache(maxsize=2)
def _load_trellis(data: bytes, where: str) -> Model:
    """Load a trellis model once a process: its check takes as long as a small image."""
    from radcodec.base import trellis

    return trellis.load_bytes(data, where)

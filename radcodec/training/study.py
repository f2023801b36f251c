"""Read a hyper-parameter study: a base configuration and ranges for some of its keys."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radcodec.errors import InputError
from radcodec.training.config import DiffusionConfig, LappedConfig, TrainConfig, read_config, read_toml

#: Keys that cannot be searched: they define the measure, its data, and the output of a trial.
KEPT = ("run.", "data.validation", "data.held_out_every", "data.folders", "model.name", "model.kind")


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The range of a key: `choices`, or from `low` to `high` (whole numbers if both are)."""

    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    step: float | None = None
    log: bool = False

    def holds(self, value: Any) -> bool:
        """Return whether the search may choose this value."""
        if self.choices:
            return value in self.choices
        if not isinstance(value, int | float) or not self.low <= value <= self.high:
            return False
        steps = (value - self.low) / (self.step or 1.0)
        return self.step is None or abs(steps - round(steps)) < 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A study. `base` : sections of the base configuration, `config`. `trials` : their total number."""

    base: dict[str, Any]
    config: TrainConfig | LappedConfig
    out: Path
    trials: int
    seed: int
    search: dict[str, Range]


def read_study(path: Path) -> Study:
    """Return the search that a TOML file describes.

    Raises
    ------
    InputError
        It is not TOML, a key is missing, unknown or of the wrong type, or the base configuration is wrong.
    """
    raw = read_toml(path)
    try:
        if set(raw) != {"study", "search"}:
            raise InputError(f"expected the sections study and search, found {', '.join(raw) or 'none'}")
        head = dict(raw["study"])
        unknown = set(head) - {"config", "out", "trials", "seed"}
        if unknown:
            raise InputError(f"[study]: {', '.join(sorted(unknown))} is not known")
        base_path = path.parent / str(head["config"])
        if not base_path.is_file():
            raise InputError(f"study.config: expected a configuration at {base_path}, found none")
        config, base = read_config(base_path), read_toml(base_path)
        if isinstance(config, DiffusionConfig):
            raise InputError("study.config: expected a model of the base layer, found a sampler")
        if not raw["search"]:
            raise InputError("[search]: expected at least one key")
        return Study(
            base=base,
            config=config,
            out=Path(str(head["out"])),
            trials=_whole(head, "trials", 1),
            seed=_whole(head, "seed", 0),
            search={key: _read_range(base, key, values) for key, values in raw["search"].items()},
        )
    except KeyError as err:
        raise InputError(f"{path}: not a study: {err.args[0]} is missing; see docs/training.md") from err
    except InputError as err:
        raise InputError(f"{path}: not a study: {err}; see docs/training.md") from err


def _whole(head: dict[str, Any], key: str, least: int) -> int:
    """Return a whole number of [study]."""
    value = head[key]
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InputError(f"[study]: {key} must be a whole number of at least {least}, found {value!r}")
    return value


def _read_range(base: dict[str, Any], key: str, values: Any) -> Range:
    """Return one line of [search]."""
    if key.startswith(KEPT):
        raise InputError(f"[search]: {key} cannot be searched: it defines the measure, not the model")
    get_dotted(base, key)
    if not isinstance(values, dict):
        raise InputError(f"[search]: {key} must be {{ low, high }} or {{ choices }}, found {values!r}")
    if set(values) == {"choices"} and isinstance(values["choices"], list) and values["choices"]:
        return Range(choices=tuple(values["choices"]))
    numbers = [value for name, value in values.items() if name != "log"]
    sound = {"low", "high"} <= set(values) <= {"low", "high", "step", "log"} and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in numbers
    )
    if not sound or not values["low"] < values["high"] or (values.get("log") and values["low"] <= 0):
        raise InputError(
            f"[search]: {key} must be {{ low, high }} with low below high, or {{ choices }}, found {values}"
        )
    return Range(**values)


def get_dotted(sections: dict[str, Any], key: str) -> Any:
    """Return the value of a dotted key, whose last parts may be list indices.

    Raises
    ------
    InputError
        There is no such key.
    """
    found: Any = sections
    try:
        for part in key.split("."):
            found = found[int(part)] if isinstance(found, list) else found[part]
    except (KeyError, IndexError, ValueError, TypeError) as err:
        raise InputError(f"{key}: expected a key of the base configuration, found none of that name") from err
    return found


def with_values(base: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Return the sections of a configuration with the values of dotted keys set."""
    sections = copy.deepcopy(base)
    for key, value in values.items():
        place, _, last = key.rpartition(".")
        holder = get_dotted(sections, place)
        if isinstance(holder, list):
            holder[int(last)] = value
        else:
            holder[last] = value
    return sections


def identity(study: Study) -> str:
    """Return in text what all trials of a study have in common, for comparison."""
    ranges = {key: [list(r.choices), r.low, r.high, r.step, r.log] for key, r in study.search.items()}
    return json.dumps({"base": study.base, "search": ranges}, sort_keys=True)

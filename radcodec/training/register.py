"""Add a trained model to a folder of models: ``python -m radcodec.training.register OUT/model MODELS SUMMARY``.

With ``--default`` at the end it becomes the model that is used without a name.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from radcodec.base.store import WEIGHTS_FILE
from radcodec.errors import InputError, RadcodecError
from radcodec.training.config import read_config

_USAGE = "usage: python -m radcodec.training.register OUT/model MODELS SUMMARY [--default]\n"


def register_model(folder: Path, models: Path, *, summary: str, default: bool) -> str:
    """Copy an exported model into a folder of models, add it to registry.toml and return its SHA-256.

    The configuration gives the model's name; a model of that name is replaced. With `default` it becomes the one used
    without a name.

    Raises
    ------
    InputError
        `folder` holds no weights.
    """
    weights = folder / WEIGHTS_FILE
    if not weights.is_file():
        raise InputError(f"{folder}: expected {WEIGHTS_FILE}, as `radcodec train` writes it; found none")
    name = read_config(folder / "config.toml").name
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    target = models / name
    target.mkdir(parents=True, exist_ok=True)
    for item in sorted(folder.iterdir()):
        shutil.copyfile(item, target / item.name)
    registry = models / "registry.toml"
    old = tomllib.loads(registry.read_text(encoding="utf-8")) if registry.is_file() else {}
    kept = [dict(entry) for entry in old.get("model", []) if entry["name"] != name]
    for entry in kept:
        entry["default"] = bool(entry.get("default", False)) and not default
    entries = [*kept, {"name": name, "sha256": sha256, "default": default, "summary": summary}]
    tables = [_registry_entry("model", entry) for entry in entries]
    tables += [_registry_entry("sampler", entry) for entry in old.get("sampler", [])]
    registry.write_text("\n".join(tables), encoding="utf-8")
    return sha256


def _registry_entry(kind: str, entry: dict[str, object]) -> str:
    """Return one [[model]] or [[sampler]] table as TOML; samplers have no default."""
    summary = str(entry.get("summary", "")).replace("\\", "\\\\").replace('"', '\\"')
    default = f"default = {'true' if entry.get('default') else 'false'}\n" if kind == "model" else ""
    return f'[[{kind}]]\nname = "{entry["name"]}"\nsha256 = "{entry["sha256"]}"\n{default}summary = "{summary}"\n'


def main(arguments: Sequence[str]) -> int:
    """Run the command; the exit code is 0 (success), 2 (usage) or 3 (no model in the folder)."""
    default = bool(arguments) and arguments[-1] == "--default"
    given = arguments[: len(arguments) - default]
    if len(given) != 3 or any(text.startswith("-") for text in given):
        sys.stderr.write(_USAGE)
        return 2
    try:
        sha256 = register_model(Path(given[0]), Path(given[1]), summary=given[2], default=default)
    except RadcodecError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    sys.stdout.write(f"{sha256}  {given[0]}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

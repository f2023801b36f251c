"""The public files of the data sets: where each is published and what its hash must be.

    python -m benchmarks fetch --data DIR

Addresses other than FIRST's and MiraBest's were looked up by name and size; the hash tells whether a file is the one
that was measured. FIRST's cut-outs are listed by the package (``radcodec.training.datasets``).
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path

LIST = Path(__file__).with_name("downloads.toml")
SETS = ("first/test", "telescopes", "cubes", "eightbit")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicFile:
    """``path`` is below the data folder, ``url`` empty where no address is known, ``source`` whose file it is."""

    path: str
    sha256: str
    url: str
    source: str
    licence: str


def public_files(listed: Path = LIST) -> list[PublicFile]:
    """List every file, with FIRST's cut-outs behind the address that the list gives for them."""
    from radcodec.training.datasets.first import list_first

    given = tomllib.loads(listed.read_text(encoding="utf-8"))
    files = [PublicFile(**entry) for entry in given["file"]]
    first = given.get("first")
    if first is not None:
        for name, known_hash in list_first().items():
            url = first["url"] + name.rpartition("/")[2]
            sha256 = known_hash.removeprefix("sha256:")
            files.append(
                PublicFile(
                    path=f"first/{name}", sha256=sha256, url=url, source=first["source"], licence=first["licence"]
                )
            )
    return files


def fetch(root: Path, sets: list[str], listed: Path = LIST) -> list[str]:
    """Download the files of some sets, and return a line on each that is still missing below ``root``.

    A file with the right hash is left alone; an interrupted download continues where it stopped.
    """
    from radcodec.errors import InputError
    from radcodec.training.datasets.archives import fetch_file

    missing = []
    for file in public_files(listed):
        if not any(file.path.startswith(f"{chosen}/") for chosen in sets) or _is_there(root, file):
            continue
        if not file.url:
            missing.append(f"{file.path}: no address is known; it is from {file.source}, SHA-256 {file.sha256}")
            continue
        try:
            fetch_file(root, file.path, file.url, f"sha256:{file.sha256}", progress=False)
        except InputError as err:
            missing.append(f"{file.path}: {err}")
    return missing


def _is_there(root: Path, file: PublicFile) -> bool:
    path = root / file.path
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256

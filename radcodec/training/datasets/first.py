"""VLA FIRST cut-outs at positions of MiraBest: FITS, 300 x 300 float32 in Jy/beam, with their noise.

These are 310 of MiraBest's galaxies, with the split of this project's models (first.txt). Labels are MiraBest's FR
classes, so an image has the label of its 8-bit picture in ``mirabest``.

References
----------
Becker, White and Helfand 1995, ApJ 450, 559 (FIRST). Files: folder FITS of github.com/fmporter/MiraBest, from SkyView.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from radcodec.training.datasets.archives import fetch_file
from radcodec.training.datasets.folders import load_folder
from radcodec.training.datasets.images import LabelledImages, Split
from radcodec.training.datasets.mirabest import FR_CLASSES, parse_name

#: The repository's default branch. The hashes in first.txt are those of a copy, to detect changed files.
URL = "https://raw.githubusercontent.com/fmporter/MiraBest/HEAD/FITS/"


def load_first(root: Path, split: Split, limit: int | None = None) -> LabelledImages:
    """Return the images of ``root/split`` with their FR classes, at most ``limit`` of them.

    Raises
    ------
    InputError
        The folder is missing or empty, or a file has no MiraBest name.
    """
    data = load_folder(root / split, limit)
    return replace(data, labels=tuple(parse_name(name).label for name in data.names), label_names=FR_CLASSES)


def list_first() -> dict[str, str]:
    """Return split/file to sha256:hash, of all files."""
    lines = (files("radcodec.training.datasets") / "first.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split() for line in lines if line and not line.startswith("#"))


def fetch_first(root: Path, *, progress: bool = True) -> Path:
    """Download the missing files to ``root`` and return it.

    Raises
    ------
    InputError
        A download fails or a hash differs.
    """
    from tqdm import tqdm

    for name, known_hash in tqdm(list_first().items(), unit="file", disable=not progress):
        fetch_file(root, name, URL + name.split("/")[-1], known_hash, progress=False)
    return root

"""Recognise the folders of CASA tables by their files."""

from __future__ import annotations

import os

# Of the line of a table.info that names the type of a table.
_INFO_BYTES = 200


def casa_table_type(path: str) -> str:
    """Read the type of a casacore table from its folder: ``"unknown"`` where table.info gives none, "" for no table.

    Images are of the type ``Image``, measurement sets ``Measurement Set``.
    """
    if not os.path.isfile(os.path.join(path, "table.dat")):
        return ""
    try:
        with open(os.path.join(path, "table.info"), "rb") as file:
            first = file.readline(_INFO_BYTES)
    except OSError:
        first = b""
    name, _, value = first.decode("latin-1").partition("=")
    return value.strip() if name.strip() == "Type" and value.strip() else "unknown"


def is_casa_image(path: str) -> bool:
    """Say whether a path is the folder of a CASA image."""
    return casa_table_type(path) == "Image"

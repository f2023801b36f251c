"""Reports of open files, with what the registry of models knows of the model that a file names."""

from __future__ import annotations

from dataclasses import replace

from radcodec.container import report
from radcodec.container.reader import Reader


def describe(
    reader: Reader, *, path: str | None = None, seconds: float | None = None, warnings: tuple[str, ...] = ()
) -> report.Report:
    """Describe an open file in a report.

    A short file has the start of its model's SHA-256 alone. Name and hash of an installed model are completed.
    """
    found = report.describe(reader, path=path, seconds=seconds, warnings=warnings)
    if found.model is None or found.model["name"]:
        return found
    from radcodec.base.registry import list_models

    for record in list_models():
        if record.sha256.startswith(found.model["sha256"]):
            return replace(found, model={"name": record.name, "sha256": record.sha256})
    return found

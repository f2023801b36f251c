"""Print constraints that pin each dependency to its oldest supported release: ``python .ci/oldest.py > oldest.txt``.

They are those of pyproject.toml, of the library and of the extras that users install.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

# Of those who work on radcodec itself, and what is tested elsewhere.
LEFT_OUT = {"bench", "dev", "docs", "interop", "latents", "pybdsf", "test", "torch", "train"}
# VirtualiZarr and ipyaladin are not part of that environment: VirtualiZarr needs a newer NumPy than radcodec.
LEFT_OUT |= {"aladin", "virtualizarr"}
PIN = re.compile(r"([A-Za-z0-9_.-]+)(?:\[\w+\])?>=([0-9.]+)")


def pins() -> list[str]:
    """List ``name==version`` for each requirement with a lowest version."""
    project = tomllib.loads(Path(__file__).resolve().parents[1].joinpath("pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    named = [*project["dependencies"], *(line for name in extras if name not in LEFT_OUT for line in extras[name])]
    found = (PIN.match(line) for line in named)
    return sorted({f"{match[1]}=={match[2]}" for match in found if match is not None})


if __name__ == "__main__":
    print("\n".join(pins()))

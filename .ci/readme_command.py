"""Print a command of README as it stands: ``python .ci/readme_command.py 1`` installs and runs the main job."""

from __future__ import annotations

import re
import sys
from pathlib import Path

SECTION = "## Install and see it work"


def commands(readme: str) -> list[str]:
    """The shell blocks of README's section on installing, in order."""
    section = readme.split(SECTION, 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


if __name__ == "__main__":
    found = commands(Path(__file__).resolve().parents[1].joinpath("README.md").read_text(encoding="utf-8"))
    if len(found) != 2:
        sys.exit(f"expected two commands in the section {SECTION!r} of README.md, found {len(found)}")
    print(found[int(sys.argv[1]) - 1])

"""Names of what a row was measured with: processor, system, commit."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path

NO_COMMIT, DIRTY = "nocommit", "-dirty"  # of trees that have no commit, or differ from it


def processor() -> str:
    """Return the model name of the processor."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found.group(1).strip() if found else platform.machine()


def slug() -> str:
    """Return the processor as it appears in file names."""
    plain = re.sub(r"\((r|tm)\)", "", processor().lower())
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def system() -> str:
    """Return the processor, cores and Python in one cell."""
    return f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def commit() -> str:
    """Return the short hash of HEAD, with ``-dirty`` if the tree differs; ``nocommit`` outside a repository."""
    root = Path(__file__).resolve().parents[1]

    def git(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)

    head = git("rev-parse", "--short=12", "HEAD")
    if head.returncode:
        return NO_COMMIT
    changed = git("status", "--porcelain", "--untracked-files=no", "--", "radcodec", "models").stdout.strip()
    return head.stdout.strip() + (DIRTY if changed else "")

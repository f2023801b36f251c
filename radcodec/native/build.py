"""Compile the native core while the package is built (a build hook of Hatchling).

``compiling.py`` says with what. The build requires ``ziglang`` from the package index only where the machine has no C
compiler.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # what is built, not what may be installed

from radcodec.native.compiling import HERE, LIBRARY, compile_core, find_compiler, zig_compiler

ZIG = "ziglang>=0.13,<0.16"


class NativeBuildHook(BuildHookInterface[Any]):  # type: ignore[misc]  # there while building alone
    """Put the compiled core beside its sources, so that the checkout works as well, and into the wheel."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Return the packages that the build needs: a compiler where the machine has none."""
        return [ZIG] if self.target_name == "wheel" and find_compiler() is None else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before files are collected."""
        if self.target_name != "wheel":
            return
        platform = sysconfig.get_platform()
        compiler = find_compiler() or zig_compiler(platform)
        out = HERE / LIBRARY
        if not os.access(HERE, os.W_OK):
            self._folder = tempfile.TemporaryDirectory()
            out = Path(self._folder.name) / LIBRARY
        if version != "editable":
            build_data["force_include"][str(out)] = f"radcodec/native/{LIBRARY}"
        compile_core(out, compiler, platform.rsplit("-", 1)[-1].lower())
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform.replace('-', '_').replace('.', '_')}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what could not be compiled beside its sources."""
        if hasattr(self, "_folder"):
            self._folder.cleanup()

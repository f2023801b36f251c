"""A command of radcodec in a fresh interpreter, for tests that look at what it imports."""

from __future__ import annotations

#: Source that carries out the arguments ``argv`` (its format field) and goes on, so that imports can be listed.
RUN_COMMAND = """
from radcodec.cli import main
sys.argv = {argv!r}
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
"""

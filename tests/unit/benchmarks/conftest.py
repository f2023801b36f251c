"""The benchmarks are not in the installed package: they are imported from the checkout, after what is installed."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))

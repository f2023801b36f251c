"""The standing benchmarks as a list of commands, and the loop that runs them one after the other.

They compare radcodec with other codecs, and are run again for a release. Studies of its parts are not among them.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterable

REAL = "--set first/test --set telescopes --set cubes"
FIRST = "--set first/train --set first/val --set first/test"
SMALL_SIDES = "--side 256 --side 512 --side 1024 --side 2048"
DIVISORS = "--divisor 16 --divisor 8 --divisor 4 --divisor 2 --divisor 1"

#: Timed commands come first; nothing else may run beside them.
STEPS = (
    "cold",
    "effort",
    "estimate",
    "kernels",
    f"speed --no-memory {SMALL_SIDES}",
    "speed --side 4096",
    "speed --divisor 2 --rivals radcodec,jpeg2000,sz3,sperr",
    "speed --no-memory --side 8192 --repeat 3 --rivals radcodec,jpeg2000,rice,sz3,sperr,fpzip",
    "base-speed",
    "run --track lossless --set simulated",
    f"run --track bounded {DIVISORS} --set simulated",
    f"run --track lossless {REAL} --set mirabest",
    f"run --track bounded {DIVISORS} {REAL}",
    f"run --track integers {REAL}",
    f"run --track lattices {FIRST} --rivals radcodec,jpegxl-e9,pcodec",
    f"run --track integers {FIRST} --rivals radcodec,jpegxl-e9,pcodec",
    f"run --track files {REAL}",
    f"run --track defaults {REAL}",
    "run --track bounds --set first/test --set telescopes --set mosaic",
    "rd --set first/test --set telescopes",
    "rd --set first/test --set telescopes --rivals radcodec --model general-v0",
    "stack",
    "science",
    "science --set simulated --finder pybdsf --level 2 --level 8 --level 0.25 --level 0.5",
)


def run_all(run_step: Callable[[list[str]], object], steps: Iterable[str] = STEPS) -> list[str]:
    """Run every step, given its words, and return the steps that failed.

    A failed step stops no other one; its error goes to standard error. Each command continues where it was stopped.
    """
    failed = []
    for step in steps:
        print(f"== {step}", flush=True)
        try:
            run_step(step.split())
        except SystemExit as err:
            if err.code:
                print(f"{step}: {err.code}", file=sys.stderr, flush=True)
                failed.append(step)
        except Exception:  # hours of other steps do not depend on it
            traceback.print_exc()
            failed.append(step)
    return failed

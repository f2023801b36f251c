"""Fail if a test was skipped that was set up to run: ``python .ci/check_skips.py JUNIT.xml [REASON]...``.

A skipped test is allowed if its reason matches one of the regular expressions.
"""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter


def skips(path: str) -> Counter[str]:
    """Count the reasons of the skipped tests of a JUnit file; raises SystemExit where no test ran."""
    cases = list(ElementTree.parse(path).iter("testcase"))
    found = Counter(
        f"{mark.get('message') or ''} {(mark.text or '').strip()}" for case in cases for mark in case.iter("skipped")
    )
    if len(cases) <= sum(found.values()):
        sys.exit(f"expected tests in {path}, found none that ran")
    return found


if __name__ == "__main__":
    allowed = re.compile("|".join(sys.argv[2:]) or "$^")
    unexpected = {reason: count for reason, count in skips(sys.argv[1]).items() if not allowed.search(reason)}
    for reason, count in unexpected.items():
        print(f"skipped {count}: {reason}")
    sys.exit(f"{sum(unexpected.values())} tests were skipped that this script has set up" if unexpected else 0)

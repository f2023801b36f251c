"""Random damage, larger than one bit, and every case that such damage ever found."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from corruption.repair import NAMES, join, repair, repair_index, split
from corruption.samples import BOUNDED, EXACT, Restored, check_damaged, read, sample
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CASES = sorted((Path(__file__).resolve().parent / "cases").glob("*.rcz"))
FAST = EXACT + BOUNDED
CALM = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


@cache
def restored_sample(name: str) -> Restored:
    """What a sample restores to."""
    return read(sample(name))


@CALM
@given(
    name=st.sampled_from(FAST),
    where=st.floats(0, 1),
    n_removed=st.integers(0, 40),
    inserted=st.binary(max_size=40),
    repaired=st.booleans(),
)
def test_spliced_bytes(name: str, where: float, n_removed: int, inserted: bytes, repaired: bool) -> None:
    """Some bytes anywhere replaced by others, of the same number or not."""
    data = sample(name)
    at = int(where * len(data))
    damaged = data[:at] + inserted + data[at + n_removed :]
    check_damaged(repair(damaged) if repaired else damaged, restored_sample(name), f"{name}: {damaged.hex()}")


@CALM
@given(
    name=st.sampled_from(FAST),
    section=st.sampled_from(NAMES),
    where=st.floats(0, 1),
    n_removed=st.integers(0, 20),
    inserted=st.binary(max_size=20),
)
def test_spliced_sections(name: str, section: str, where: float, n_removed: int, inserted: bytes) -> None:
    """The same within a section, with lengths and checksums that fit."""
    parts = split(sample(name))
    assert parts is not None
    content = parts.sections[section]
    at = int(where * len(content))
    parts.sections[section] = content[:at] + inserted + content[at + n_removed :]
    damaged = join(repair_index(parts))
    check_damaged(damaged, restored_sample(name), f"{name}: {damaged.hex()}")


@CALM
@given(content=st.binary(max_size=300), kind=st.integers(0, 1))
def test_random_files(content: bytes, kind: int) -> None:
    """A right prelude before random sections."""
    parts = split(sample("array_lossless"))
    assert parts is not None
    sections = {name: content[i * 20 : i * 20 + 20] for i, name in enumerate(NAMES[:-1])} | {"EXTRA": content[100:]}
    damaged = join(type(parts)(kind=kind, mode=0, flags=0, sections=sections))
    check_damaged(damaged, None, damaged.hex())


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_known_case(case: Path) -> None:
    """A file that was once read wrongly, or crashed a reader, is rejected."""
    check_damaged(case.read_bytes(), None, case.name)

"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
# What takes most of the time of the whole suite: left out of the fast tier (CONTRIBUTING.md).
SLOW = (
    "corruption",
    "integrations",
    "interop",
    "roundtrip",
    "determinism/test_same_bytes.py",
    "golden/test_agreement.py",
    "unit/benchmarks",
    "unit/cli/test_batch.py",
    "unit/cli/test_closed_streams.py",
    "unit/cli/test_many_files.py",
    "unit/cli/test_named_pipes.py",
    "unit/cli/test_output_folder.py",
    "unit/cli/test_signals.py",
    "unit/detail/test_loop.py",
    "unit/detail/test_quick_fit.py",
    "unit/detail/test_seams.py",
    "unit/detail/test_stream.py",
    "unit/fits/test_tile_compressed.py",
    "unit/fits/test_unpack.py",
    "unit/lapped/test_block_choice.py",
    "unit/lapped/test_reference.py",
    "unit/test_blas_limit.py",
    "unit/test_box_tiles.py",
    "unit/test_bound_warnings.py",
    "unit/test_compressed_again.py",
    "unit/test_details_on_base.py",
    "unit/test_effort.py",
    "unit/test_extreme_values.py",
    "unit/test_fidelity.py",
    "unit/test_fill_values.py",
    "unit/test_labelled_pictures.py",
    "unit/test_local_noise.py",
    "unit/test_local_noise_integers.py",
    "unit/test_lossy.py",
    "unit/test_native_build.py",
    "unit/test_never_larger.py",
    "unit/test_no_numpy_warnings.py",
    "unit/test_on_base.py",
    "unit/test_outliers.py",
    "unit/test_quick_look.py",
    "unit/test_readme.py",
    "unit/test_rough_estimates.py",
    "unit/test_units_in_the_last_place.py",
    "unit/test_written_streams.py",
    "unit/training",
)
# Files that take longest. Where several processes share the files (--dist loadfile), each starts with some of these, so
# that none of them is still at one when the others have ended.
LONG = (
    "interop/test_other_processors.py",
    "unit/training",
    "corruption/test_damage.py",
    "unit/test_tutorials.py",
    "corruption/test_native_fuzzing.py",
    "corruption/test_native_safety.py",
    "corruption/test_differential.py",
    "roundtrip",
    "golden",
    "unit/test_native_build.py",
    "interop/test_recover_killed.py",
    "unit/container/test_short_files.py",
    "unit/detail/test_turned_tiles.py",
    "unit/benchmarks",
    "unit/test_readme.py",
    "determinism",
    "corruption",
    "interop",
    "integrations",
)


def pytest_configure(config: pytest.Config) -> None:
    """Keep the order of `LONG` where several processes share files: pytest-xdist orders them by number of tests."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of the slow files and folders, and put those of the longest files first."""
    slow, long = ([TESTS / name for name in names] for names in (SLOW, LONG))
    for item in items:
        if any(item.path.is_relative_to(place) for place in slow):
            item.add_marker(pytest.mark.slow)
    # Stable: the tests of a file stay in their order.
    items.sort(key=lambda item: next((n for n, place in enumerate(long) if item.path.is_relative_to(place)), len(long)))


def find_shared_data() -> Path | None:
    """Folder of the shared data set (RADCODEC_DATA, else ../shared/data), or None where there is none."""
    root = Path(os.environ.get("RADCODEC_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    return root if (root / "MANIFEST.tsv").is_file() else None


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the shared data set; skips the test where it is absent."""
    root = find_shared_data()
    if root is None:
        pytest.skip("shared data not found: set RADCODEC_DATA to the folder that holds MANIFEST.tsv")
    return root

"""Pages about the lossy mode show rows of the default model, or of the one that it came from until there are some."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.reporting import section
from benchmarks.reporting.results import Results
from benchmarks.reporting.section import measured_model


class Rows(Results):
    """Results with rows of some models."""

    def rows(self, command: str) -> list[dict[str, str]]:
        return [{"variant": name, "set": "first/test"} for name in self.names] if command == "rd" else []


@pytest.mark.parametrize(
    ("names", "expected"), [([], "new"), (["old"], "old"), (["old", "new"], "new"), (["other"], "old")]
)
def test_rows_of_the_start_model_stand_in_for_those_of_the_default(
    names: list[str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without rows of the default, its start model is shown; without any rows, the default."""
    (tmp_path / "new").mkdir()
    (tmp_path / "registry.toml").write_text('[[model]]\nname = "new"\ndefault = true\n', encoding="utf-8")
    (tmp_path / "new" / "config.toml").write_text('[run]\nstart = "old"\n', encoding="utf-8")
    monkeypatch.setattr(section, "MODELS", tmp_path / "registry.toml")
    results = Rows(tmp_path)
    results.names = names
    assert measured_model(results) == expected

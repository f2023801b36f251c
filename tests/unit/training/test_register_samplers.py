"""``python -m radcodec.training.register`` leaves the samplers of a registry alone."""

from __future__ import annotations

import tomllib
from pathlib import Path

from radcodec.training.register import main

SHIPPED = Path(__file__).parents[3] / "models" / "lapped-v2"


def test_a_new_model_keeps_the_samplers(tmp_path: Path) -> None:
    """A sampler that was listed before a model is registered is listed with the same name, hash and summary after."""
    registry = tmp_path / "registry.toml"
    registry.write_text('[[sampler]]\nname = "s"\nsha256 = "ab"\nsummary = "of \\"posteriors\\""\n')
    assert main([str(SHIPPED), str(tmp_path), "text"]) == 0
    found = tomllib.loads(registry.read_text())
    assert found["sampler"] == [{"name": "s", "sha256": "ab", "summary": 'of "posteriors"'}]
    assert [model["name"] for model in found["model"]] == ["lapped-v2"]

"""Crops of simulated emission: `emission_share` says how many of the simulated images are full of it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from radcodec.errors import InputError
from radcodec.training import data
from radcodec.training.config import DataConfig, read_config

ROOT = Path(__file__).resolve().parents[3]


def stream(share: float | None, monkeypatch: pytest.MonkeyPatch) -> data.CropStream:
    """A stream without folders whose images are 1 where they are emission, and 0 elsewhere."""
    monkeypatch.setattr(data, "simulate_emission", lambda rng, side: np.ones((side, side), np.float32))
    monkeypatch.setattr(data, "simulate_ratio", lambda rng, side: np.zeros((side, side), np.float32))
    own = {} if share is None else {"emission_share": share}
    config = DataConfig(folders=(), validation="", simulated_share=0.5, crop_px=32, pool=200, **own)
    return data.CropStream(config, 5)


@pytest.mark.parametrize(("share", "least", "most"), [(None, 0, 0), (0.0, 0, 0), (1.0, 1, 1), (0.375, 0.22, 0.53)])
def test_share_of_emission(share: float | None, least: float, most: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 200 images about the share is emission: within 4.5 standard deviations of a binomial; none by default."""
    crops = stream(share, monkeypatch).batch(400)
    found = float((crops.amax(dim=(1, 2, 3)) > 0).float().mean())
    assert least <= found <= most


def test_share_beyond_one_is_refused(tmp_path: Path) -> None:
    """A configuration with a share over 1 is not a training configuration."""
    text = (ROOT / "models" / "general-v0" / "config.toml").read_text(encoding="utf-8")
    assert "emission_share" not in tomllib.loads(text)["data"]
    path = tmp_path / "config.toml"
    path.write_text(text.replace("crop_px = 96", "crop_px = 96\nemission_share = 1.5"), encoding="utf-8")
    with pytest.raises(InputError, match="emission_share"):
        read_config(path)
    path.write_text(text.replace("crop_px = 96", "crop_px = 96\nemission_share = 0.5"), encoding="utf-8")
    config = read_config(path)
    assert config.data.emission_share == 0.5  # type: ignore[union-attr]

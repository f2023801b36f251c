"""Models are found by name, path or hash; what does not match is refused."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from radcodec.base import registry as model_registry
from radcodec.base import store
from radcodec.base.convolutional.model import BaseModel, known_answer
from radcodec.base.convolutional.weights import pack_model, unpack_model
from radcodec.base.store import find_model, list_models, load_model
from radcodec.errors import ModelMismatchError, ModelNotFoundError


@pytest.fixture
def weights(model: BaseModel) -> bytes:
    """The bytes of the tiny model's file."""
    return pack_model(model.spec, model.arrays, known_answer(model))


@pytest.fixture
def registry(tmp_path: Path, weights: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A models folder with the tiny model, registered under a wrong hash."""
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "weights.safetensors").write_bytes(weights)
    (tmp_path / "registry.toml").write_text(f'[[model]]\nname = "tiny"\nsha256 = "{"a" * 64}"\ndefault = true\n')
    monkeypatch.setattr(store, "models_folder", lambda: tmp_path)
    monkeypatch.setattr(model_registry, "models_folder", lambda: tmp_path)
    return tmp_path


def test_a_model_file_holds_the_whole_model(model: BaseModel, weights: bytes, tmp_path: Path) -> None:
    """A weights file loads by path or folder and writes the streams of the model that was saved."""
    path = tmp_path / "weights.safetensors"
    path.write_bytes(weights)
    tile = np.random.default_rng(0).normal(size=(40, 50))
    expected = model.stage_streams(model.encode_tile(tile, 0.0, 1.0))
    for name in (path, tmp_path):
        loaded = load_model(str(name))
        assert loaded.spec == model.spec
        assert loaded.stage_streams(loaded.encode_tile(tile, 0.0, 1.0)) == expected
        assert loaded.sha256 == hashlib.sha256(weights).hexdigest()


def test_files_that_are_no_model_are_mismatches(weights: bytes) -> None:
    """Noise, an empty file and a cut file raise ModelMismatchError naming the file."""
    for data in (b"", b"noise" * 100, weights[:1000], weights[:-1]):
        with pytest.raises(ModelMismatchError, match="some-file"):
            unpack_model(data, "some-file")


@pytest.mark.usefixtures("registry")
def test_a_shipped_model_with_another_hash_is_refused() -> None:
    """The registry's hash is checked, for the default, by name and by hash."""
    for load in (load_model, lambda: load_model("tiny"), lambda: find_model("tiny", "a" * 64)):
        with pytest.raises(ModelMismatchError, match="reinstall"):
            load()


@pytest.mark.usefixtures("registry")
def test_unknown_models_list_the_known_ones() -> None:
    """The message names what is installed."""
    with pytest.raises(ModelNotFoundError, match=r"nothing.*tiny \(sha256 aaaaaaaaaaaa"):
        load_model("nothing")
    with pytest.raises(ModelNotFoundError, match="installed models: tiny"):
        find_model("tiny", "b" * 64)


def test_own_models_are_found_by_their_hash(weights: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that does not ship is found through RADCODEC_MODELS, as a file, its folder or the folder above."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / store.WEIGHTS_FILE).write_bytes(weights)
    sha256 = hashlib.sha256(weights).hexdigest()
    with pytest.raises(ModelNotFoundError, match="RADCODEC_MODELS"):
        find_model("mine", sha256)
    for place in (folder / store.WEIGHTS_FILE, folder, tmp_path):
        monkeypatch.setenv(store.MODELS_VARIABLE, f"{tmp_path / 'nothing'}{os.pathsep}{place}")
        assert find_model("mine", sha256).sha256 == sha256


def test_shipped_models_load_and_listing_them_imports_no_torch() -> None:
    """Every registered model matches its hash and known answer; one is the default; listing stays light."""
    records = list_models()
    for record in records:
        assert load_model(record.name).sha256 == record.sha256
        assert record.card
    if records:
        assert [record.default for record in records].count(True) == 1
        assert load_model().name == find_model("", load_model().sha256).name
    code = "import sys; from radcodec.base.store import list_models; list_models(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""CIFAR-10 is read from python batches, and a VQ-VAE learns it.

The shared data holds 1000 test images as JPEG files, not the batches. `write_batches` packs them in the published
layout: ``python tests/unit/training/test_datasets_cifar10.py JPEG.tar ROOT`` makes what cifar10-smoke.toml trains on.
"""

from __future__ import annotations

import csv
import io
import math
import pickle
import sys
import tarfile
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("astropy")

from radcodec.training.datasets import load_dataset, load_source
from radcodec.training.run import train

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
CONFIG = Path(__file__).with_name("cifar10-smoke.toml")


def write_batches(jpegs: Path, root: Path) -> Path:
    """Write 90 JPEG images of each class as five training batches and 10 as the test batch; return their folder."""
    image = pytest.importorskip("PIL.Image")
    folder = root / "cifar10" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    rows: list[tuple[int, str, np.ndarray]] = []
    with tarfile.open(jpegs) as tar:
        for member in sorted(tar.getmembers(), key=lambda found: Path(found.name).name):
            if member.isfile():
                name = Path(member.name)
                pixels = np.asarray(image.open(io.BytesIO(tar.extractfile(member).read())).convert("RGB"))
                rows.append((CLASSES.index(name.parent.name), name.name, pixels.transpose(2, 0, 1).reshape(-1)))
    size = len(rows) // 10
    parts = {
        f"data_batch_{number}": rows[(number - 1) * 18 * size // 10 :][: 18 * size // 10] for number in range(1, 6)
    }
    for name, part in (parts | {"test_batch": rows[9 * size :]}).items():
        write_pickle(
            folder / name,
            {
                "batch_label": name,
                "labels": [label for label, _, _ in part],
                "data": np.stack([pixels for _, _, pixels in part]),
                "filenames": [file for _, file, _ in part],
            },
        )
    write_pickle(folder / "batches.meta", {"num_cases_per_batch": size, "label_names": CLASSES, "num_vis": 3072})
    return folder


class Python2Pickler(pickle._Pickler):
    """Writes text and bytes as Python 2 wrote its str, protocol 2, as in the published batches of CIFAR-10."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_str(self, text: str | bytes) -> None:
        raw = text.encode("latin1") if isinstance(text, str) else text
        self.write(pickle.BINSTRING + len(raw).to_bytes(4, "little") + raw)
        self.memoize(text)

    dispatch[str] = dispatch[bytes] = save_str


def write_pickle(path: Path, value: object) -> None:
    """Write a pickle as Python 2 and NumPy 1 did."""
    stream = io.BytesIO()
    Python2Pickler(stream, protocol=2).dump(value)
    path.write_bytes(stream.getvalue().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"))


@pytest.fixture(scope="module")
def root(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Root folder of data sets with the 1000 images as CIFAR-10."""
    folder = tmp_path_factory.mktemp("sets")
    write_batches(shared_data / "eightbit" / "cifar10-test-1000-jpeg.tar", folder)
    return folder


def test_batches_give_the_pixels_of_the_pictures(root: Path, shared_data: Path) -> None:
    """900 and 100 images of 32 x 32 x 3 with ten classes; the first is test/airplane/0000.jpg, band by band."""
    image = pytest.importorskip("PIL.Image")
    training = load_dataset("cifar10", root, "train")
    testing = load_dataset("cifar10", root, "test")
    assert (len(training), len(testing)) == (900, 100)
    assert training.label_names == tuple(CLASSES)
    assert [testing.labels.count(label) for label in range(10)] == [10] * 10
    first = training.names.index("0000.jpg")
    with tarfile.open(shared_data / "eightbit" / "cifar10-test-1000-jpeg.tar") as tar:
        member = next(m for m in tar if m.name == f"test/{CLASSES[training.labels[first]]}/0000.jpg")
        picture = np.asarray(image.open(io.BytesIO(tar.extractfile(member).read())))
    assert np.array_equal(training.images[first], picture)


def test_a_short_training_on_cifar10_converges(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In 60 steps the mean squared error of reconstructions falls to under half of that of the first 10."""
    monkeypatch.setenv("RADCODEC_SETS", root.as_posix())
    config = tmp_path / "config.toml"
    text = CONFIG.read_text(encoding="utf-8")
    for old, new in (
        ("\nsteps = 3000", "\nsteps = 60"), ("prior_steps = 300", "prior_steps = 0"),
        ("validate_every = 300", "validate_every = 10"), ('"runs/cifar10-smoke"', f'"{(tmp_path / "run").as_posix()}"'),
    ):  # fmt: skip
        assert old in text
        text = text.replace(old, new)
    config.write_text(text, encoding="utf-8")
    train(config)
    with (tmp_path / "run" / "log.csv").open(encoding="utf-8") as stream:
        losses = [float(row["reconstruction"]) for row in csv.DictReader(stream) if row["reconstruction"]]
    # The loss is the mean of log(mean squared error + 0.01).
    errors = [math.exp(loss) - 0.01 for loss in losses]
    assert len(errors) == 6
    assert errors[-1] < 0.5 * errors[0]
    assert len(load_source(f"cifar10/test:{root.as_posix()}")) == 100


if __name__ == "__main__":
    print(write_batches(Path(sys.argv[1]), Path(sys.argv[2])))

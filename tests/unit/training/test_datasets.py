"""Every data set comes out of its published format as images with labels, and turns into training images."""

from __future__ import annotations

import pickle
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("astropy")

from radcodec.errors import InputError, UnsupportedDataError
from radcodec.simulate import simulate_fits
from radcodec.training.datasets import (
    DATASETS,
    LabelledImages,
    fetch_dataset,
    load_dataset,
    load_folder,
    load_source,
    normalise,
    select_images,
    training_images,
)
from radcodec.training.datasets.archives import unpack_archive
from radcodec.training.datasets.first import list_first
from radcodec.training.datasets.mirabest import MIRABEST, parse_name

ARCHIVE = "eightbit/mirabest-batches.tar.gz"


def _write_pickle(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(value, protocol=3))


def _write_rgz(folder: Path, sizes: tuple[int, ...], *, side: int = 150) -> None:
    """Write batches as the script that made rgz108k did: a list of flat images, NumPy scalars in the columns."""
    number = 0
    for batch, size in enumerate(sizes, start=1):
        name = "test_batch" if batch == len(sizes) else f"data_batch_{batch}"
        rows = range(number, number + size)
        number += size
        _write_pickle(
            folder / name,
            {
                "batch_label": Path(f"training batch {batch} of {len(sizes) - 1}"),
                "data": [np.full(side * side, row % 251, np.uint8) for row in rows],
                "filenames": [f"RGZJ{row:06d}.png" for row in rows],
                "src_ids": [f"RGZJ{row:06d}" for row in rows],
                "mb_flag": list(np.array([row % 2 for row in rows], np.int64)),
                "LAS": list(np.array([row + 0.25 for row in rows])),
            },
        )
    _write_pickle(folder / "batches.meta", {"label_names": [""]})


@pytest.fixture(scope="module")
def mirabest_root(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Root folder with MiraBest unpacked from the archive of the shared data, as if it had been put there by hand."""
    root = tmp_path_factory.mktemp("sets")
    (root / "mirabest").mkdir()
    shutil.copyfile(shared_data / ARCHIVE, root / "mirabest" / "batches.tar.gz")
    unpack_archive(root / "mirabest" / "batches.tar.gz", MIRABEST.archive, root / "mirabest" / "batches")
    return root


def test_mirabest_batches_hold_what_their_readme_says(mirabest_root: Path) -> None:
    """704 training and 88 test images; 351 FR I and 441 FR II; labels are the first digits of the names."""
    training = load_dataset("mirabest", mirabest_root, "train")
    testing = load_dataset("mirabest", mirabest_root, "test")
    assert (len(training), len(testing)) == (704, 88)
    assert training.label_names == ("FRI", "FRII")
    labels = (*training.labels, *testing.labels)
    assert (labels.count(0), labels.count(1)) == (351, 441)
    galaxies = [parse_name(name) for name in (*training.names, *testing.names)]
    assert tuple(galaxy.label for galaxy in galaxies) == labels
    assert {galaxy.code for galaxy in galaxies} == {"100", "200"}
    assert all(image.shape == (150, 150) and image.dtype == np.uint8 for image in training.images)


def test_fits_images_have_the_labels_of_their_8_bit_pictures(mirabest_root: Path, shared_data: Path) -> None:
    """Of the 310 FIRST images 191 are in the batches, at the same position, with the same class and the same sky."""
    pictures = {}
    for split in ("train", "test"):
        data = load_dataset("mirabest", mirabest_root, split)
        for name, label, image in zip(data.names, data.labels, data.images, strict=True):
            galaxy = parse_name(name)
            pictures[galaxy.ra_deg, galaxy.dec_deg] = (label, image)
    found = 0
    alike = []
    for split in ("train", "val", "test"):
        data = load_dataset("first", shared_data, split)
        for name, label, image in zip(data.names, data.labels, data.images, strict=True):
            galaxy = parse_name(name)
            if (galaxy.ra_deg, galaxy.dec_deg) in pictures:
                found += 1
                assert label == pictures[galaxy.ra_deg, galaxy.dec_deg][0]
                picture = pictures[galaxy.ra_deg, galaxy.dec_deg][1].astype(float)
                if picture.any() and np.isfinite(image).all():
                    # Cut and cut out as mirabest_processing.py does it.
                    kept = np.where(normalise(image.astype(float)) > 3, image, 0)[75:225, 75:225]
                    alike.append(np.corrcoef(picture.ravel(), kept.ravel())[0, 1])
    assert found == 191
    assert np.median(alike) > 0.9


def test_first_lists_the_files_of_the_shared_data(shared_data: Path) -> None:
    """The 310 names and hashes are those of the manifest, and every name can be read."""
    listed = list_first()
    rows = [line.split("\t") for line in (shared_data / "MANIFEST.tsv").read_text(encoding="utf-8").splitlines()]
    manifest = {row[0].removeprefix("first/"): f"sha256:{row[2]}" for row in rows if row[0].startswith("first/")}
    assert listed == manifest
    assert sum(parse_name(name).label == 2 for name in listed) == 8


def test_names_tell_class_position_redshift_and_size() -> None:
    """The digits and numbers of a FITS name, and the name of an older batch, which lacks the last two."""
    galaxy = parse_name("100_124.729+020.106_0.0755_0033.11.fits")
    assert (galaxy.code, galaxy.label, galaxy.confident, galaxy.morphology) == ("100", 0, True, "standard")
    assert (galaxy.ra_deg, galaxy.dec_deg, galaxy.redshift, galaxy.size_arcsec) == (124.729, 20.106, 0.0755, 33.11)
    galaxy = parse_name("BestCat_proc/Cropped/212_010.451_-009.284.png")
    assert (galaxy.label, galaxy.confident, galaxy.morphology) == (1, False, "wide-angle tail")
    assert (galaxy.ra_deg, galaxy.dec_deg, galaxy.redshift, galaxy.size_arcsec) == (10.451, -9.284, None, None)
    with pytest.raises(InputError, match=r"expected a MiraBest name .* found 'NGC 5921'"):
        parse_name("NGC 5921")


def test_radio_galaxy_zoo_batches_give_images_and_columns(tmp_path: Path) -> None:
    """53 training batches and a test batch are read in order; ids, MiraBest flags and sizes go with the images."""
    _write_rgz(tmp_path / "rgz108k" / "rgz108k-batches-py", (2,) * 53 + (3,))
    data = load_dataset("rgz108k", tmp_path)
    assert len(data) == 106
    assert data.labels is None
    assert data.names[:2] == ("RGZJ000000.png", "RGZJ000001.png")
    assert [int(image[149, 149]) for image in data.images] == list(range(106))
    assert data.columns["mb_flag"][:4] == (0, 1, 0, 1)
    assert data.columns["LAS"][3] == 3.25
    assert load_dataset("rgz108k", tmp_path, "test").columns["src_ids"] == ("RGZJ000106", "RGZJ000107", "RGZJ000108")
    outside = select_images(data, [row for row, flag in enumerate(data.columns["mb_flag"]) if not flag])
    assert len(outside) == 53
    assert outside.columns["src_ids"][1] == "RGZJ000002"


def test_a_limit_leaves_later_batches_unread(tmp_path: Path) -> None:
    """Three images come from the first two batches, though the others are missing."""
    folder = tmp_path / "rgz108k" / "rgz108k-batches-py"
    _write_rgz(folder, (2, 2, 2))
    assert len(load_dataset("rgz108k", tmp_path, limit=3)) == 3
    with pytest.raises(InputError, match=r"data_batch_3: expected a pickled batch, found no file"):
        load_dataset("rgz108k", tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": [np.zeros(9, np.uint8)]}, r"expected images of 1 x 150 x 150 uint8"),
        ({"data": [np.zeros(22500, np.int16)]}, r"expected images of 1 x 150 x 150 uint8"),
        ({"data": "text"}, r"expected a dictionary with 'data'"),
        ({"filenames": ["a", "b"]}, r"expected a list of 1 'filenames'"),
        ({"labels": None}, r"expected a list of 1 'labels'"),
        ({"labels": [[0]]}, r"expected numbers or text in 'labels'"),
        ({"labels": [2]}, r"expected labels of the 2 classes, found 1..2"),
    ],
)
def test_batches_of_another_layout_are_input_errors(tmp_path: Path, change: dict[str, object], message: str) -> None:
    """The message says what is wrong with the batch."""
    folder = tmp_path / "mirabest" / "batches"
    batch = {"data": [np.zeros((150, 150), np.uint8)], "labels": [1], "filenames": ["a.png"]}
    for number in range(1, 9):
        _write_pickle(folder / f"data_batch_{number}", batch | (change if number == 8 else {}))
    _write_pickle(folder / "batches.meta", {"label_names": ["FRI", "FRII"]})
    with pytest.raises(InputError, match=message):
        load_dataset("mirabest", tmp_path)
    _write_pickle(folder / "data_batch_8", batch)
    assert len(load_dataset("mirabest", tmp_path)) == 8
    _write_pickle(folder / "batches.meta", ["FRI"])
    with pytest.raises(InputError, match=r"batches.meta: expected a dictionary with a list of 'label_names'"):
        load_dataset("mirabest", tmp_path)


def test_a_batch_that_runs_code_is_refused(tmp_path: Path) -> None:
    """A batch that names a function is an error, and the function is not called."""
    marker = tmp_path / "ran"
    folder = tmp_path / "cifar10" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    (folder / "data_batch_1").write_bytes(b"cpathlib\nPath\n(S'" + str(marker).encode() + b"'\ntR.")
    with pytest.raises(UnsupportedDataError, match=r"data_batch_1: expected plain data, .* needs pathlib.Path"):
        load_dataset("cifar10", tmp_path)
    assert not marker.exists()


def test_unknown_sets_and_splits_are_input_errors(tmp_path: Path) -> None:
    """The message lists what there is."""
    with pytest.raises(InputError, match=r"expected a data set of mirabest, .*, found 'mnist'"):
        load_dataset("mnist", tmp_path)
    with pytest.raises(InputError, match=r"expected a data set of mirabest, .*, found 'mnist'"):
        fetch_dataset("mnist", tmp_path)
    with pytest.raises(InputError, match=r"expected one of the splits train, val, test, found 'all'"):
        load_dataset("cifar10", tmp_path, "all")
    with pytest.raises(InputError, match=r"expected the split train or test, found val"):
        load_dataset("cifar10", tmp_path, "val")


def test_fits_folders_keep_names_and_sizes(tmp_path: Path) -> None:
    """Planes of different sizes are float32, named by their files, without labels; a limit keeps the first."""
    (tmp_path / "b.fits").write_bytes(simulate_fits((40, 50), seed=2, n_axes=4))
    (tmp_path / "a.fits").write_bytes(simulate_fits((33, 35), seed=1))
    data = load_folder(tmp_path)
    assert data.names == ("a.fits", "b.fits")
    assert [image.shape for image in data.images] == [(33, 35), (40, 50)]
    assert data.images[0].dtype == np.float32
    assert data.labels is None
    assert len(load_folder(tmp_path, 1)) == 1
    assert [image.shape for image in load_source(str(tmp_path))] == [(33, 35), (40, 50)]


def test_cut_images_are_measured_by_their_faintest_level() -> None:
    """Cut at 3 sigma with 7 as the faintest level, sigma is 7.5 / 3; what was cut stays 0; black images go."""
    image = np.array([[0, 0, 7], [0, 75, 250]], np.uint8)
    black = np.zeros((2, 3), np.uint8)
    data = LabelledImages(images=(image, black), names=("a", "b"), labels=None, label_names=(), cut_sigma=3.0)
    (ratio,) = training_images(data)
    assert ratio.dtype == np.float32
    assert ratio.tolist() == pytest.approx(np.array([[0, 0, 2.8], [0, 30, 100]]))


def test_colours_become_luminance_in_units_of_its_deviation() -> None:
    """Red, green, blue and black have the luminances 76.245, 149.685, 29.07 and 0: median 52.6575, MAD 38.12."""
    image = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [0, 0, 0]]], np.uint8)
    data = LabelledImages(images=(image,), names=("a",), labels=(0,), label_names=("x",))
    (ratio,) = training_images(data)
    sigma = 1.4826 * (23.5875 + 52.6575) / 2
    expected = [[23.5875 / sigma, 97.0275 / sigma], [-23.5875 / sigma, -52.6575 / sigma]]
    assert np.allclose(ratio, expected, rtol=1e-4)


def test_cut_images_agree_with_the_floats_that_they_were_made_of(mirabest_root: Path, shared_data: Path) -> None:
    """The peak of an 8-bit picture in its noise is within a factor 1.5 of that of the FITS image, for half of them."""
    data = load_dataset("mirabest", mirabest_root, "train")
    positions = {parse_name(name).ra_deg: row for row, name in enumerate(data.names)}
    first = load_dataset("first", shared_data, "train")
    factors = []
    for name, image in zip(first.names, first.images, strict=True):
        row = positions.get(parse_name(name).ra_deg)
        if row is not None and data.images[row].any():
            floats = training_images(replace(first, images=(image,), names=(name,), labels=None))[0][75:225, 75:225]
            factors.append(float(training_images(select_images(data, [row]))[0].max() / floats.max()))
    assert len(factors) > 100
    low, high = np.percentile(factors, [25, 75])
    assert 1 / 1.5 < low < high < 1.5


def test_data_that_is_there_is_read_without_the_extra(tmp_path: Path) -> None:
    """Without pooch and tqdm data sets are read all the same; only fetching one says what is missing."""
    _write_rgz(tmp_path / "rgz108k" / "rgz108k-batches-py", (1,) * 54)
    code = (
        "import sys; from pathlib import Path; sys.modules['pooch'] = sys.modules['tqdm'] = None\n"
        "from radcodec.training.datasets import fetch_dataset, load_source\n"
        "assert len(load_source('rgz108k:' + sys.argv[1])) == 52\n"
        "try:\n    fetch_dataset('cifar10', Path(sys.argv[1]))\n"
        "except ModuleNotFoundError as error:\n    assert 'pooch' in str(error)\n"
        "else:\n    raise AssertionError"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=120)


def test_entries_of_a_configuration_name_sets_and_folders(tmp_path: Path) -> None:
    """NAME:ROOT and NAME/SPLIT:ROOT are data sets; what starts with no known name is a folder, colon or not."""
    for split, number in (("train", 1), ("test", 2)):
        folder = tmp_path / "first" / split
        folder.mkdir(parents=True)
        for item in range(number):
            name = f"100_1{item}4.729+020.106_0.0755_0033.11.fits"
            (folder / name).write_bytes(simulate_fits((40, 50), seed=item))
    assert len(load_source(f"first:{tmp_path}")) == 1
    assert len(load_source(f"first/test:{tmp_path}")) == 2
    with pytest.raises(InputError, match=r"expected one of the splits"):
        load_source(f"first/all:{tmp_path}")
    with pytest.raises(InputError, match=re.escape("nobody:knows: no such folder")):
        load_source("nobody:knows")


def test_every_set_is_described() -> None:
    """Names, summaries and terms are there for the five sets of the documentation."""
    page = (Path(__file__).resolve().parents[3] / "docs" / "training.md").read_text(encoding="utf-8")
    assert list(DATASETS) == ["mirabest", "mirabest-f", "first", "rgz108k", "cifar10"]
    for name, data in DATASETS.items():
        assert f"`{name}`" in page
        assert data.summary
        assert data.terms

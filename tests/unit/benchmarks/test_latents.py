"""Scores of nearest neighbours on vectors of known classes, and what embeddings do not change with."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.studies.embeddings import align, bands, embed, light_moments, middle, moments, plain_features, pooled
from benchmarks.studies.latents import latent_lines

SIZE = 120


def classes(n: int = SIZE) -> np.ndarray:
    """Zeros and ones in turn."""
    return np.arange(n) % 2


def blob(centre: tuple[float, float], along: float, across: float, degrees: float, side: int = 90) -> np.ndarray:
    """A Gaussian of 1000 sigma with the rms extents along and across; degrees from x towards y."""
    y, x = np.mgrid[:side, :side].astype(np.float64)
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    u, v = (x - centre[1]) * c + (y - centre[0]) * s, (y - centre[0]) * c - (x - centre[1]) * s
    return (1000 * np.exp(-0.5 * ((u / along) ** 2 + (v / across) ** 2))).astype(np.float32)


def test_separable_classes_are_all_right() -> None:
    """Two clusters ten spreads apart: every neighbour is of the class, in cross-validation and on the test split."""
    pytest.importorskip("sklearn")
    from benchmarks.studies.latents import score

    labels = classes()
    vectors = np.random.default_rng(1).normal(size=(SIZE, 12))
    vectors[:, 3] += 10 * labels
    got = score(vectors, labels, 90)
    assert (got.knn_cv, got.knn_test) == (1, 1)
    assert got.silhouette > 0.2


def test_shuffled_classes_are_near_the_base_rate() -> None:
    """Classes that vectors know nothing of: the test split is right in half of the cases, within three deviations."""
    pytest.importorskip("sklearn")
    from benchmarks.studies.latents import score

    rng = np.random.default_rng(2)
    labels = rng.permutation(classes(400))
    got = score(rng.normal(size=(400, 6)), labels, 200)
    assert abs(got.knn_test - 0.5) < 3 * 0.5 / np.sqrt(200)
    assert abs(got.silhouette) < 0.02


def test_test_split_is_not_fitted_to() -> None:
    """A component that only the test vectors spread along is not among the principal ones of the training vectors."""
    pytest.importorskip("sklearn")
    from benchmarks.studies.latents import reduction

    train = np.zeros((20, 3))
    train[:, 0] = np.arange(20) - 9.5
    test = np.array([[0.0, 100.0, 0.0]])
    assert np.abs(reduction(train, test, scaled=False, components=1)) == pytest.approx(np.zeros((1, 1)), abs=1e-9)


def test_light_moments_by_hand() -> None:
    """Two equal pixels, at (2, 3) and (2, 7), with the noise between them below the cut: centre (2, 5), variance 4."""
    image = np.ones((9, 11), np.float32)
    image[2, 3] = image[2, 7] = 50
    centre, spread = light_moments(image)
    assert centre == pytest.approx([2, 5])
    assert spread == pytest.approx(np.array([[0, 0], [0, 4]]))


def test_aligned_images_are_the_same_wherever_they_were() -> None:
    """A blob that was moved, turned and made smaller is, once aligned, the blob aligned; before, it is not."""
    pytest.importorskip("scipy")
    one, other = blob((45, 45), 8, 3, 0), blob((38, 50), 6, 2.25, 65)
    first, second = align(one), align(other)
    assert np.abs(first - second).mean() < 0.1 * np.abs(one - other).mean()
    assert light_moments(first)[0] == pytest.approx([44.5, 44.5], abs=0.5)


def test_aligned_images_have_one_handedness() -> None:
    """A blob with a small companion on one side, and its mirror image, are aligned alike."""
    pytest.importorskip("scipy")
    image = blob((45, 40), 6, 3, 0) + blob((45, 70), 2, 2, 0)
    assert align(image) == pytest.approx(align(np.ascontiguousarray(image[:, ::-1])), abs=1)


def test_turns_do_not_matter() -> None:
    """Plain features of an image and of a turn of it by a right angle, averaged over the four turns, are the same."""
    pytest.importorskip("scipy")
    image = blob((30, 50), 9, 3, 30)
    straight, turned = (embed([part], plain_features, "four turns") for part in (image, np.rot90(image).copy()))
    for name, vectors in straight.items():
        assert vectors == pytest.approx(turned[name], rel=1e-9, abs=1e-9), name


def test_pooling_by_hand() -> None:
    """Means over squares of two; what does not fill a square is left out. The middle of an image is its middle."""
    assert pooled(np.array([[1.0, 3.0, 9.0], [5.0, 7.0, 9.0]]), 2) == pytest.approx(np.array([[4.0]]))
    assert middle(np.arange(25.0).reshape(5, 5), 1) == np.array([[12.0]])


def test_bands_by_hand() -> None:
    """A coefficient of 7 in the lowest place has log2 8 = 3 in the first ring and nothing elsewhere."""
    coefficients = np.zeros((16, 16))
    coefficients[0, 0] = -7
    levels = bands(coefficients, 4, 1)
    assert levels[0] > 0
    assert levels[1:] == pytest.approx(np.zeros(3))
    count = round(3 / levels[0])
    assert levels[0] == pytest.approx(3 / count)


def test_moments_by_hand() -> None:
    """Latents 1, 3 and 2, 2: means 2 and 2, variances 2 and 0 (of n - 1), no covariance."""
    assert moments(np.array([[[1.0, 3.0]], [[2.0, 2.0]]])) == pytest.approx([2, 2, 2, 0, 0])


def test_table_by_hand() -> None:
    """The chosen embedding is in bold, and 3 of 4 right has a standard error of sqrt(0.75 * 0.25 / 4)."""
    row = {
        "set": "s", "model": "m", "embedding": "e", "pose": "p", "k": "5", "chosen": "yes", "knn_cv": "0.8",
        "test": "4", "knn_test": "0.75", "base_rate": "0.5", "silhouette": "0.1", "silhouette_umap": "0.2",
    }  # fmt: skip
    assert "| **e** | p | 5 | 0.800 | **0.750** ± 0.217 | 0.500 | 0.10, 0.20 |" in latent_lines([row])[-1]

"""Do the codec's indices know what a galaxy looks like? FR classes by nearest neighbours, and a UMAP.

Every embedding (``embeddings.py``) is centred, divided by its spreads or not, reduced by PCA, and classified by the
most frequent class among the k nearest neighbours. The training split alone chooses the scaling, the number of
components, k, and (``chosen``) the embedding of each source, by ``N_FOLDS``-fold cross-validation. So ``knn_cv`` is a
little too good. ``knn_test`` is the accuracy on the published test split, which chooses nothing; the whole training
split are its neighbours. ``base_rate`` is the accuracy of always naming the test split's more frequent class.

Sets: ``mirabest`` has 8 bits, with everything below 3 sigma set to 0. ``first`` has floats with their noise, without
hybrids, the middle 150 x 150 pixels; ``train`` and ``val`` are the training split. The models were trained on images of
``first/train``, and so on galaxies that are in ``mirabest`` too, without their classes.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks import machine
from benchmarks.figures import new_figure, save_figure
from benchmarks.rows import append_row
from benchmarks.studies.embeddings import (
    POSES,
    Describe,
    Ratio,
    Vectors,
    convolutional_features,
    embed,
    middle,
    plain_features,
    trellis_features,
)
from benchmarks.studies.indices import PLAIN
from benchmarks.types import Row

COLUMNS = (
    "machine", "commit", "set", "train", "test", "model", "embedding", "pose", "dimensions", "scaled", "components",
    "k", "chosen", "knn_cv", "knn_test", "base_rate", "base_rate_train", "silhouette", "silhouette_umap",
)  # fmt: skip
KEY = ("set", "model", "embedding", "pose")
SETS = ("mirabest", "first")
NAMES = ("FRI", "FRII")
COLOURS = ("tab:blue", "tab:orange")
N_FOLDS, SEED = 5, 0
COMPONENTS, NEIGHBOURS = (8, 16, 32), (5, 11, 21)
UMAP_NEIGHBOURS = 15
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Galaxies:
    """Images in units of their noise with their classes, 0 or 1; the first ``n_train`` are the training split."""

    ratios: list[Ratio]
    labels: Labels
    n_train: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What neighbours in an embedding know of the classes; ``reduced`` are its vectors [N, components]."""

    scaled: bool
    components: int
    k: int
    knn_cv: float
    knn_test: float
    silhouette: float
    reduced: Vectors


def load_galaxies(data: Path, name: str) -> Galaxies:
    """Load the galaxies of a set that are FRI or FRII, without the few images of MiraBest that are black."""
    from radcodec.training.datasets import LabelledImages, load_dataset, select_images, training_images

    def two_classes(split: str) -> LabelledImages:
        found = load_dataset(name, data, split)
        chosen = [i for i, label in enumerate(found.labels or ()) if label < len(NAMES) and found.images[i].any()]
        return select_images(found, chosen)

    parts = [two_classes(split) for split in (("train", "test") if name == "mirabest" else ("train", "val", "test"))]
    ratios = [middle(ratio) for part in parts for ratio in training_images(part)]
    labels = np.array([label for part in parts for label in part.labels or ()], np.int64)
    if len(ratios) != len(labels):
        raise SystemExit(f"{name}: expected an image for each of {len(labels)} labels, found {len(ratios)}")
    return Galaxies(ratios=ratios, labels=labels, n_train=len(labels) - len(parts[-1]))


def reduction(train: Vectors, vectors: Vectors, *, scaled: bool, components: int) -> Vectors:
    """Project vectors [N, components] on the principal components of the training ones."""
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler(with_std=scaled).fit(train)
    pca = PCA(min(components, *train.shape), random_state=SEED, svd_solver="randomized").fit(scaler.transform(train))
    return np.asarray(pca.transform(scaler.transform(vectors)), np.float64)


def knn_accuracy(train: Vectors, labels: Labels, test: Vectors, truth: Labels, k: int) -> float:
    """Return the share of the test vectors whose k nearest training ones name their class by majority."""
    from sklearn.neighbors import KNeighborsClassifier

    return float(KNeighborsClassifier(k).fit(train, labels).score(test, truth))


def cross_validated(vectors: Vectors, labels: Labels) -> dict[tuple[bool, int, int], float]:
    """Return the accuracy over the folds for every (scaled, components, k), each fitted to the other folds."""
    from sklearn.model_selection import StratifiedKFold

    right: dict[tuple[bool, int, int], float] = defaultdict(float)
    for rest, fold in StratifiedKFold(N_FOLDS, shuffle=True, random_state=SEED).split(vectors, labels):
        for scaled in (False, True):
            most = reduction(vectors[rest], vectors, scaled=scaled, components=max(COMPONENTS))
            for components, k in product(COMPONENTS, NEIGHBOURS):
                some = most[:, :components]
                hits = knn_accuracy(some[rest], labels[rest], some[fold], labels[fold], k)
                right[scaled, components, k] += hits * len(fold) / len(labels)
    return dict(right)


def score(vectors: Vectors, labels: Labels, n_train: int) -> Score:
    """Score an embedding [N, D] whose first ``n_train`` vectors are for training."""
    from sklearn.metrics import silhouette_score

    found = cross_validated(vectors[:n_train], labels[:n_train])
    scaled, components, k = max(found, key=lambda setting: found[setting])
    reduced = reduction(vectors[:n_train], vectors, scaled=scaled, components=components)
    test = knn_accuracy(reduced[:n_train], labels[:n_train], reduced[n_train:], labels[n_train:], k)
    return Score(
        scaled=scaled, components=reduced.shape[1], k=k, knn_cv=found[scaled, components, k], knn_test=test,
        silhouette=float(silhouette_score(reduced, labels)), reduced=reduced,
    )  # fmt: skip


def umap_places(vectors: Vectors) -> Vectors:
    """Place vectors in a plane [N, 2] by UMAP, without their classes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from umap import UMAP

        return np.asarray(UMAP(n_neighbors=UMAP_NEIGHBOURS, random_state=SEED, n_jobs=1).fit_transform(vectors))


def sources(models: Sequence[str]) -> dict[str, Describe]:
    """Return what makes embeddings, by name of the model; ``plain`` has none."""
    from radcodec.base.store import load_model
    from radcodec.base.trellis.model import TrellisModel

    found: dict[str, Describe] = {}
    for name in models:
        if name == PLAIN:
            found[name] = plain_features
            continue
        model = load_model(name)
        found[name] = trellis_features(model) if isinstance(model, TrellisModel) else convolutional_features(model)
    return found


def run_latents(*, data: Path, figures: Path, models: Sequence[str], out: Path, commit: str) -> list[str]:
    """Write the scores of all sets to ``out`` and draw a UMAP of each; gives a line on each embedding."""
    if out.exists():
        raise SystemExit(f"{out} is there already: give another --out")
    lines = []
    for name in SETS:
        galaxies = load_galaxies(data, name)
        drawn: dict[str, tuple[str, Score, Vectors]] = {}
        for source, describe in sources(models).items():
            vectors = {
                (pose, title): found
                for pose in POSES
                for title, found in embed(galaxies.ratios, describe, pose).items()
            }
            scores = {key: score(found, galaxies.labels, galaxies.n_train) for key, found in vectors.items()}
            best = max(scores, key=lambda key: scores[key].knn_cv)
            places = umap_places(scores[best].reduced)
            drawn[source] = (f"{best[1]}, {best[0]}", scores[best], places)
            for (pose, title), found in scores.items():
                row = known_cells(name, galaxies, commit) | score_cells(found) | {
                    "model": source, "embedding": title, "pose": pose, "dimensions": vectors[pose, title].shape[1],
                    "chosen": "yes" if (pose, title) == best else "",
                    "silhouette_umap": f"{silhouette(places, galaxies.labels):.4f}" if (pose, title) == best else "",
                }  # fmt: skip
                append_row(out, COLUMNS, row)
                lines.append(
                    f"{name}, {source}, {title}, {pose}: {found.knn_cv:.3f} cross-validated, {found.knn_test:.3f} test"
                )
        lines.append(f"drawn: {draw_umap(name, galaxies, drawn, figures / f'umap-{name}.png')}")
    return lines


def silhouette(places: Vectors, labels: Labels) -> float:
    """Return the mean silhouette of the classes: 1 for clusters far apart, 0 for classes that lie in each other."""
    from sklearn.metrics import silhouette_score

    return float(silhouette_score(places, labels))


def known_cells(name: str, galaxies: Galaxies, commit: str) -> dict[str, object]:
    """Return the cells that all rows of a set have."""
    shares = [np.bincount(part, minlength=2) / len(part) for part in np.split(galaxies.labels, [galaxies.n_train])]
    return {
        "machine": machine.system(), "commit": commit, "set": name, "train": galaxies.n_train,
        "test": len(galaxies.labels) - galaxies.n_train, "base_rate_train": f"{shares[0].max():.4f}",
        "base_rate": f"{shares[1].max():.4f}",
    }  # fmt: skip


def score_cells(found: Score) -> dict[str, object]:
    """Return the measured cells of a row."""
    return {
        "scaled": "yes" if found.scaled else "no", "components": found.components, "k": found.k,
        "knn_cv": f"{found.knn_cv:.4f}", "knn_test": f"{found.knn_test:.4f}", "silhouette": f"{found.silhouette:.4f}",
    }  # fmt: skip


def draw_umap(name: str, galaxies: Galaxies, drawn: Mapping[str, tuple[str, Score, Vectors]], path: Path) -> Path:
    """Draw a panel for each source with its chosen embedding: dots for training, rings for test images."""
    figure, axes = new_figure(1, len(drawn), (0.4 + 4.2 * len(drawn), 4.4))
    train = np.arange(len(galaxies.labels)) < galaxies.n_train
    for axis, (source, (title, found, places)) in zip(axes[0], drawn.items(), strict=True):
        for label, (class_name, colour) in enumerate(zip(NAMES, COLOURS, strict=True)):
            dots, rings = (places[(galaxies.labels == label) & some] for some in (train, ~train))
            axis.scatter(*dots.T, s=7, color=colour, label=class_name, linewidths=0)
            axis.scatter(*rings.T, s=22, facecolors="none", edgecolors=colour, linewidths=1)
        axis.set_title(f"{source}: {title}\n{found.k} neighbours: {found.knn_test:.2f} of the test split", fontsize=9)
        axis.set(xticks=[], yticks=[])
    axes[0][0].legend(fontsize=8, title=name, title_fontsize=8)
    return save_figure(figure, path)


def latent_lines(rows: list[Row]) -> list[str]:
    """Write a Markdown line for each embedding; the chosen ones in bold."""
    lines = [
        "| set | model | embedding | image | k | cross-validated | test | base rate | silhouette, UMAP |",
        "|---|---|---|---|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        mark = "**" if row["chosen"] else ""
        umap = f", {float(row['silhouette_umap']):.2f}" if row["silhouette_umap"] else ""
        n = int(row["test"])
        error = np.sqrt(float(row["knn_test"]) * (1 - float(row["knn_test"])) / n)
        lines.append(
            f"| {row['set']} | {row['model']} | {mark}{row['embedding']}{mark} | {row['pose']} | {row['k']} | "
            f"{float(row['knn_cv']):.3f} | {mark}{float(row['knn_test']):.3f}{mark} ± {error:.3f} | "
            f"{float(row['base_rate']):.3f} | {float(row['silhouette']):.2f}{umap} |"
        )
    return lines

"""Learn a codebook of source atoms by alternating assignment: shapes and gains, weighed as companding weighs errors.

::

    images -> patches around bright local maxima, in eight orientations
    codebook -> best entry and gain of each patch -> weighted means of its patches -> codebook, and so on
    codebook -> search of all images at several steps -> counts -> lengths of prefix codes

Images of many beams, real and simulated, give the patches; of each kind about as many are taken.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from radcodec.base.companding import KNEE
from radcodec.base.lapped.emphasis import BRIGHT
from radcodec.base.trellis.atoms import MOST_BITS, RADIUS, SIDE, AtomArrays, AtomBook, most_atoms
from radcodec.base.trellis.pursuit import Pursuit, local_maxima
from radcodec.errors import InputError
from radcodec.training.datasets import Image

#: Least height of a patch's middle, in noises.
LEAST_SNR = 8.0
#: Most patches of one image, and of all images of a kind, before they are turned.
IMAGE_PATCHES, KIND_PATCHES = 25, 1200
ROUNDS = 25
#: Levels: the first one in noises, steps to an octave.
FIRST_LEVEL, OCTAVE, N_LEVELS = 3.0, 4, 64
#: Steps of a scalar quantiser at which searches count entries.
STEPS = (1.5, 2.5, 4.0)
#: Squared steps that an atom has to take off for each of its bits, so that it is counted.
COST = 3.5

Floats = npt.NDArray[np.float64]


def learn_atoms(kinds: Sequence[Sequence[Image]], n_atoms: int, seed: int, sinh: Floats) -> AtomArrays:
    """Learn ``n_atoms`` atoms from companded images of several kinds.

    Raises
    ------
    InputError
        There are fewer patches than atoms.
    """
    rng = np.random.default_rng([seed, 11])
    patches = np.concatenate([_turned(_patches_of(images, rng)) for images in kinds])
    if len(patches) < 4 * n_atoms:
        raise InputError(
            f"training: expected at least {4 * n_atoms} patches around sources above {LEAST_SNR:g} sigma for "
            f"{n_atoms} atoms, found {len(patches)}; give more images or fewer atoms"
        )
    shapes = alternate(patches.reshape(len(patches), -1), n_atoms, rng)
    signed = np.sign(shapes) * np.rint(127.0 * np.sqrt(np.abs(shapes)))
    levels = np.rint(16.0 * FIRST_LEVEL * 2.0 ** (np.arange(N_LEVELS) / OCTAVE)).astype(np.int32)
    arrays = AtomArrays(
        patches=signed.astype(np.int8).reshape(n_atoms, SIDE, SIDE),
        levels=levels,
        atom_lengths=code_lengths(np.ones(n_atoms)),
        level_lengths=code_lengths(np.ones(N_LEVELS)),
    )
    return _counted(arrays, [image for images in kinds for image in images], sinh)


def _patches_of(images: Sequence[Image], rng: np.random.Generator) -> Floats:
    """Return patches around local maxima, in noises, [N, 17, 17]; at most KIND_PATCHES."""
    found: list[Floats] = []
    for image in images:
        values = KNEE * np.sinh(np.asarray(image, np.float64) / KNEE)
        maxima = zip(*(part.tolist() for part in local_maxima(values, LEAST_SNR)), strict=True)
        places = [place for place in maxima if all(_inside(at, n) for at, n in zip(place, values.shape, strict=True))]
        if len(places) > IMAGE_PATCHES:
            places = [places[k] for k in np.sort(rng.choice(len(places), IMAGE_PATCHES, replace=False))]
        found += [values[y - RADIUS : y + RADIUS + 1, x - RADIUS : x + RADIUS + 1] for y, x in places]
    if len(found) > KIND_PATCHES:
        found = [found[k] for k in np.sort(rng.choice(len(found), KIND_PATCHES, replace=False))]
    return np.array(found).reshape(-1, SIDE, SIDE)


def _inside(at: int, n: int) -> bool:
    return RADIUS <= at < n - RADIUS


def _turned(patches: Floats) -> Floats:
    """Return patches in all eight orientations."""
    quarters = [np.rot90(patches, k, (1, 2)) for k in range(4)]
    return np.concatenate([*quarters, *(part[:, ::-1] for part in quarters)])


def alternate(patches: Floats, n_atoms: int, rng: np.random.Generator) -> Floats:
    """Return shapes [n_atoms, S] with a peak of 1, by assigning patches [N, S] and averaging them in turns."""
    weights = 1.0 / (1.0 + np.square(patches / KNEE))  # companded errors are about errors times the root of these
    energy = (weights * patches**2).sum(axis=1)
    shapes = _peak_one(patches[rng.choice(len(patches), n_atoms, replace=False)])
    rows = np.arange(len(patches))
    for _ in range(ROUNDS):
        product = (weights * patches) @ shapes.T
        gains = np.maximum(product / (weights @ (shapes**2).T), 1e-9)
        errors = energy[:, None] - gains * product
        chosen = errors.argmin(axis=1)
        gain, error = gains[rows, chosen], errors[rows, chosen]
        worst = iter(np.argsort(-error, kind="stable"))
        for k in range(n_atoms):
            mine = chosen == k
            if mine.sum() < 2:  # an idle entry takes the patch that is coded worst
                shapes[k] = patches[next(worst)]
                continue
            weight = weights[mine] * np.square(gain[mine, None])
            shapes[k] = (weight * patches[mine] / gain[mine, None]).sum(axis=0) / weight.sum(axis=0)
        shapes = _peak_one(shapes)
    return shapes


def _peak_one(shapes: Floats) -> Floats:
    return np.asarray(np.clip(shapes / np.maximum(shapes.max(axis=1, keepdims=True), 1e-9), -1.0, 1.0), np.float64)


def _counted(arrays: AtomArrays, images: Sequence[Image], sinh: Floats) -> AtomArrays:
    """Return the codebook with lengths of codes by how often a search of the images takes each entry and level."""
    pursuit = Pursuit(AtomBook(arrays, sinh), cost=COST, source_cost=COST, faintest=BRIGHT)
    index, level = np.ones(len(arrays.patches)), np.full(arrays.levels.size, 0.05)
    for number, image in enumerate(images):
        found = pursuit.find(np.asarray(image, np.float64), STEPS[number % len(STEPS)])
        if len(found) == most_atoms((image.shape[0], image.shape[1])):  # full of emission
            continue
        share = 1.0 / max(1.0, len(found) / IMAGE_PATCHES)  # images with much emission do not decide
        np.add.at(index, found[:, 2], share)
        np.add.at(level, found[:, 3], share)
    return AtomArrays(
        patches=arrays.patches,
        levels=arrays.levels,
        atom_lengths=code_lengths(index),
        level_lengths=code_lengths(level),
    )


def code_lengths(counts: Floats) -> npt.NDArray[np.uint8]:
    """Return the lengths of a Huffman code, at most MOST_BITS; rare symbols count more until they fit."""
    floor = 0.0
    while True:
        lengths = _huffman(np.maximum(counts, floor))
        if lengths.max() <= MOST_BITS:
            return lengths.astype(np.uint8)
        floor = max(2.0 * floor, float(counts.sum()) * 2.0 ** (-MOST_BITS - 4))


def _huffman(counts: Floats) -> npt.NDArray[np.int64]:
    lengths = np.zeros(counts.size, np.int64)
    heap = [(float(count), k, [k]) for k, count in enumerate(counts)]
    heapq.heapify(heap)
    number = counts.size
    while len(heap) > 1:
        (first, _, some), (second, _, others) = heapq.heappop(heap), heapq.heappop(heap)
        lengths[some + others] += 1
        heapq.heappush(heap, (first + second, number, some + others))
        number += 1
    return lengths

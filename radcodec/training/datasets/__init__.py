"""Load data sets to train on through one interface.

>>> from radcodec.training.datasets import fetch_dataset, load_dataset, training_images
>>> fetch_dataset("mirabest", root)                        # once; resumes, checks hashes
>>> galaxies = load_dataset("mirabest", root, "train")     # images, names, labels
>>> ratios = training_images(galaxies)                     # float32 [H, W] in units of their noise
"""

from radcodec.training.datasets.folders import load_folder, load_planes
from radcodec.training.datasets.images import LabelledImages, Split, select_images
from radcodec.training.datasets.ratio import Image, measure_noise, normalise, training_images
from radcodec.training.datasets.registry import DATASETS, fetch_dataset, load_dataset, load_source

__all__ = [
    "DATASETS",
    "Image",
    "LabelledImages",
    "Split",
    "fetch_dataset",
    "load_dataset",
    "load_folder",
    "load_planes",
    "load_source",
    "measure_noise",
    "normalise",
    "select_images",
    "training_images",
]

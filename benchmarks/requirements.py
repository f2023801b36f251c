"""Which extra of radcodec brings a package that a benchmark imports."""

from __future__ import annotations

EXTRAS = {
    "bench": (
        "blosc2", "fpzip", "imagecodecs", "matplotlib", "pcodec", "photutils", "psutil", "scipy", "sep",
    ),
    "train": ("optuna", "pooch", "tensorboard", "torch", "tqdm"),
    "latents": ("sklearn", "umap"),
    "pybdsf": ("bdsf",),
}  # fmt: skip


def extra_of(package: str) -> str | None:
    """Return the extra that brings a package; None for packages that none brings."""
    return next((extra for extra, packages in EXTRAS.items() if package in packages), None)


def explain(err: ModuleNotFoundError, command: str) -> str:
    """Say which package a command needs, and how to install it in the checkout.

    Raises ``err`` itself if the missing module is one of ours, which no installation brings.
    """
    package = (err.name or "").partition(".")[0]
    if package in ("", "benchmarks", "radcodec"):
        raise err
    extra = extra_of(package)
    install = f"'.[{extra}]'" if extra else package
    return f"`benchmarks {command}` needs the package {package}, which is not installed: run `pip install {install}`"

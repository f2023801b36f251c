"""All images of a file, from first sample to chosen base stages: what files of both kinds have in common.

plan_image -> find_scaling -> load the model where one is needed -> code_image -> previews, or lossy images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from radcodec.base.normalise import load_named_model
from radcodec.encoding.bound_rate import BoundRate, CodedSet, next_set, start_rate
from radcodec.encoding.coded_image import CodedImage, FinishedImage
from radcodec.encoding.image import code_image
from radcodec.encoding.image_plan import ImagePlan, SourceImage, plan_image
from radcodec.encoding.lossy import LossyImages, finish_lossy, next_try
from radcodec.encoding.on_base import find_scaling
from radcodec.encoding.options import Bounded, EncodeOptions, Lossy
from radcodec.encoding.preview import finish_with_previews
from radcodec.errors import BoundError, ModelError
from radcodec.types import Mode

if TYPE_CHECKING:
    from radcodec.base.store import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedImages:
    """The images of a file, ready to be written.

    ``model`` is that of their base layer, None where they have none. ``noise``, physical units, was measured beside an
    absolute bound, in the image with the largest one. ``lossy``, ``bounded`` and
    ``extra_bytes``, those of what else is in the file, are for `smaller_images`.
    """

    images: Sequence[FinishedImage] = field(repr=False)
    model: Model | None = field(default=None, repr=False)
    warnings: tuple[str, ...] = ()
    noise: float | None = None
    lossy: LossyImages | None = field(default=None, repr=False)
    bounded: BoundRate | None = field(default=None, repr=False)
    extra_bytes: int = 0

    @property
    def mode(self) -> Mode:
        """The mode of a file of these images: what they hold, not what was asked for (docs/format.md, 2.1)."""
        return max((image.mode for image in self.images), default=Mode.LOSSLESS)

    @property
    def may_be_too_large(self) -> bool:
        """Whether the size of the file is still to be held against a bit-rate, by `smaller_images`."""
        return self.bounded is not None or (self.lossy is not None and self.lossy.search is not None)


def encode_images(
    sources: Sequence[SourceImage], options: EncodeOptions, *, seed: int, extra_bytes: int = 0
) -> EncodedImages:
    """Encode the images of a file.

    Parameters
    ----------
    options
        Of the file. Each image has a fidelity of its own, as it may stay exact.
    seed
        Of the dither of the first image; the next ones count up.
    extra_bytes
        Size of what else is in the file.

    Raises
    ------
    BoundError, ModelError, GuaranteeError
        If the bound, the model or the result is not what it should be.
    """
    fidelity = options.fidelity
    if isinstance(fidelity, Bounded) and fidelity.bpp is not None:
        rate = start_rate(sources, options, seed, fidelity, _code_all)
        return replace(_finish_all(rate.best, options, extra_bytes), bounded=rate)
    coded = _code_all(sources, options, seed)
    if isinstance(fidelity, Lossy):
        lossy = finish_lossy(coded.images, coded.model, options, fidelity)
        encoded = EncodedImages(images=lossy.images, model=lossy.model, lossy=lossy)
        if _is_without_effect(coded.images, encoded):
            without = "the lossy mode has no effect: no part of an image has noise in all of its planes"
            return replace(encoded, warnings=(*coded.warnings, without))
        return replace(encoded, warnings=coded.warnings)
    return _finish_all(coded, options, extra_bytes)


def _code_all(sources: Sequence[SourceImage], options: EncodeOptions, seed: int) -> CodedSet:
    """Code the images of a file; errors as `encode_images`."""
    plans = _plan_all(sources, options, seed)
    scalings = [find_scaling(plan) for plan in plans]
    wants_base = any(scaling is not None for scaling in scalings)
    model, warnings = _load_model(plans, options, wants_base=wants_base)
    coded = [code_image(plan, options, scaling, model) for plan, scaling in zip(plans, scalings, strict=True)]
    for image in coded:
        name = image.plan.source.name if len(coded) > 1 else ""
        warnings += [f"{name}: {warning}" if name else warning for warning in image.warnings]
    return CodedSet(images=coded, model=model, warnings=tuple(warnings))


def _finish_all(coded: CodedSet, options: EncodeOptions, extra_bytes: int) -> EncodedImages:
    """Finish exact and bounded images, with their previews."""
    images = finish_with_previews(coded.images, coded.model, options, extra_bytes)
    widest = max(coded.images, key=lambda image: image.record.bound or 0.0, default=None)
    return EncodedImages(
        images=images,
        model=coded.model if any(image.record.n_stages for image in images) else None,
        warnings=coded.warnings,
        noise=None if widest is None else widest.plan.noise,
        extra_bytes=extra_bytes,
    )


def smaller_images(encoded: EncodedImages, size_bytes: int) -> EncodedImages | None:
    """Give other images of the same file, closer to a bit-rate, by the size of the last file; None where that stands.

    Raises
    ------
    BoundError
        If even the smallest file, or that of a given bound, does not keep to the bit-rate.
    """
    if encoded.bounded is not None:
        rate = next_set(encoded.bounded, size_bytes)
        if rate is None:
            return None
        return replace(_finish_all(rate.best, rate.options, encoded.extra_bytes), bounded=rate)
    lossy = None if encoded.lossy is None else next_try(encoded.lossy, size_bytes)
    return None if lossy is None else replace(encoded, images=lossy.images, lossy=lossy)


def _is_without_effect(coded: Sequence[CodedImage], encoded: EncodedImages) -> bool:
    wanted = any(image.is_lossy and image.plan.pixels.size for image in coded)
    return wanted and encoded.mode is not Mode.LOSSY


def _load_model(
    plans: Sequence[ImagePlan], options: EncodeOptions, *, wants_base: bool
) -> tuple[Model | None, list[str]]:
    """Load the model of base layers where one is needed, and say where a preview has to do without.

    Raises
    ------
    ModelError
        If a model that was named, or is needed for lossy images, is not there.
    """
    if isinstance(options.fidelity, Lossy):
        is_needed = any(isinstance(plan.fidelity, Lossy) and plan.coding.grid.n_tiles for plan in plans)
        return (load_named_model(options.model) if is_needed else None), []
    has_preview = options.preview_percent > 0 and any(plan.coding.grid.n_tiles for plan in plans)
    if not wants_base and not has_preview:
        return None, []
    try:
        return load_named_model(options.model), []
    except ModelError as err:
        if options.model is not None:
            raise
        return None, [f"no preview: {err}"] if options.preview_percent > 0 else []


def _plan_all(sources: Sequence[SourceImage], options: EncodeOptions, seed: int) -> list[ImagePlan]:
    """Plan all images of a file. A bound that is too coarse for some is refused only where it suits none.

    Raises
    ------
    BoundError
        If the bound does not fit an image, or is over 10 times the noise of every image that has some.
    """
    seeds = [(seed + number) % (1 << 64) for number in range(len(sources))]
    plans: dict[int, ImagePlan] = {}
    refused: dict[int, BoundError] = {}
    for number, source in enumerate(sources):
        try:
            plans[number] = plan_image(source, options, seed=seeds[number])
        except BoundError as err:
            if not err.too_coarse or len(sources) == 1:
                raise
            refused[number] = err
    if refused and not any(plan.noise for number, plan in plans.items() if _is_bounded(sources[number])):
        raise next(iter(refused.values()))
    for number in refused:
        plan = plan_image(_forced(sources[number]), options, seed=seeds[number])
        text = "the bound is over 10 times the noise of this image, though not of others: little of it is left"
        plans[number] = replace(plan, warnings=(text, *plan.warnings))
    return [plans[number] for number in range(len(sources))]


def _is_bounded(source: SourceImage) -> bool:
    return isinstance(source.fidelity, Bounded)


def _forced(source: SourceImage) -> SourceImage:
    """Insist on the bound of an image."""
    if not isinstance(source.fidelity, Bounded):
        return source
    fidelity = replace(source.fidelity, bound=replace(source.fidelity.bound, force=True))
    return replace(source, fidelity=fidelity)

"""Code all images of a file: plan each, load the model where one is needed, code each.

plan_image -> find_scaling -> load the model where one is needed -> code_image
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from radcodec.base.normalise import load_named_model
from radcodec.encoding.coded_image import CodedImage
from radcodec.encoding.image import code_image
from radcodec.encoding.image_plan import ImagePlan, SourceImage, plan_image
from radcodec.encoding.on_base import find_scaling
from radcodec.encoding.options import Bounded, EncodeOptions, Lossy
from radcodec.errors import BoundError, ModelError

if TYPE_CHECKING:
    from radcodec.base.store import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedSet:
    """The coded images of a file, with the model of their base layers and warnings."""

    images: Sequence[CodedImage] = field(repr=False)
    model: Model | None = field(default=None, repr=False)
    warnings: tuple[str, ...] = ()


def code_set(sources: Sequence[SourceImage], options: EncodeOptions, seed: int) -> CodedSet:
    """Code the images of a file; the seed is that of the dither of the first one.

    Raises
    ------
    BoundError, ModelError, GuaranteeError
        If the bound, the model or the result is not what it should be.
    """
    plans = _plan_all(sources, options, seed)
    scalings = [find_scaling(plan) for plan in plans]
    wants_base = any(scaling is not None for scaling in scalings)
    model, warnings = _load_model(plans, options, wants_base=wants_base)
    coded = [code_image(plan, options, scaling, model) for plan, scaling in zip(plans, scalings, strict=True)]
    for image in coded:
        name = image.plan.source.name if len(coded) > 1 else ""
        warnings += [f"{name}: {warning}" if name else warning for warning in image.warnings]
    return CodedSet(images=coded, model=model, warnings=tuple(warnings))


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

"""One image to its exact or bounded streams, with the choice between them; a lossy one to what its masks hold."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from radcodec.base.normalise import Normalisation, pack_normalisation
from radcodec.container.meta import ParamBlocks
from radcodec.decoding.tile import SharedParts
from radcodec.encoding.coded_image import CodedImage
from radcodec.encoding.details import add_details, fit_predictors, with_predictors
from radcodec.encoding.exact_probe import may_be_smaller
from radcodec.encoding.image_plan import ImagePlan, exact_plan
from radcodec.encoding.on_base import MAX_RADIUS, Base, find_base
from radcodec.encoding.options import Bounded, EncodeOptions, Lossy
from radcodec.pixels.bounds import pack_bounds
from radcodec.pixels.masks import encode_mask
from radcodec.pixels.pieces import same_bits
from radcodec.pixels.tiles import slices

if TYPE_CHECKING:
    from radcodec.base.store import Model

WORTH = 1.05  # share of bytes that an image without a bound may take over one that it does not change


def code_image(
    plan: ImagePlan, options: EncodeOptions, scaling: Normalisation | None = None, model: Model | None = None
) -> CodedImage:
    """Make the masks and, in exact and bounded mode, the detail streams of an image.

    Parameters
    ----------
    scaling
        What `find_scaling` gave for the plan.
    model
        That of the base layer that details may be coded on, None where there is none.

    Raises
    ------
    GuaranteeError
        If a restored sample does not keep the bound.
    """
    coded = _masked(plan, options)
    if isinstance(plan.fidelity, Lossy) or not coded.n_tiles:
        return coded
    base, block = find_base(plan, scaling, model, options)
    if base is not None:
        coded = _on_base(coded, base, options)
    else:
        coded = with_predictors(coded, fit_predictors(plan, plan.pixels, options) if block is None else block)
    coded = add_details(coded, options, range(coded.n_tiles))
    bounded = coded.record.bound is not None and not options.rough
    if not bounded or not may_be_smaller(coded.coding, plan.pixels, plan.special, coded.tile_bytes(), options.effort):
        return coded
    exact = code_image(exact_plan(plan, options), replace(options, progress=None))
    return _smaller(coded, exact, options.preview_percent)


def _masked(plan: ImagePlan, options: EncodeOptions) -> CodedImage:
    """Make the mask streams of an image."""
    grid, special, keep = plan.coding.grid, plan.special, options.scratch.keep
    boxes = map(slices, map(grid.box, range(grid.n_tiles)))
    masks = [keep(encode_mask(plan.pixels[box], None if special is None else special[box])) for box in boxes]
    return CodedImage(
        plan=plan,
        coding=plan.coding,
        params=ParamBlocks(bounds=pack_bounds(plan.coding.bounds)),
        masks=masks,
        details=(b"",) * len(masks),
        restored=plan.pixels,
        warnings=plan.warnings,
    )


def _on_base(coded: CodedImage, base: Base, options: EncodeOptions) -> CodedImage:
    """Give an image the base layer that its details are coded on, and predictors of what that leaves."""
    block = base.predictors
    if block is None:
        block = fit_predictors(coded.plan, base.left, options, MAX_RADIUS)
    record = replace(coded.record, on_base=True)
    shared = SharedParts(block, base.model)
    return replace(
        coded,
        coding=replace(coded.coding, record=record, normalisation=base.scaling, shared=shared),
        params=replace(coded.params, base=pack_normalisation(base.scaling), predictors=block),
        base=base.streams,
    )


def _smaller(coded: CodedImage, exact: CodedImage, preview_percent: float) -> CodedImage:
    """Choose the bounded image, or the exact one where that takes no more bytes whatever the preview takes beside it.

    Pixels that still lie on the steps of an earlier compression keep them.
    """
    keeps_steps = isinstance(coded.plan.fidelity, Bounded) and coded.plan.source.earlier is not None
    same = same_bits(coded.restored, coded.plan.pixels)
    asked = f"the bound of {coded.record.bound:.6g}"
    # Exact pixels are worth a few bytes where a bound would not change them.
    worth = WORTH if same and not keeps_steps else 1.0
    if worth * coded.size_bytes() * 100.0 / (100.0 - min(preview_percent, 50.0)) < exact.size_bytes():
        changes_nothing = () if keeps_steps or not same else (f"{asked} changes no pixel",)
        return replace(coded, warnings=(*coded.warnings, *changes_nothing))
    if same:
        text = f"{asked} changes no pixel, as the values lie farther apart: the image is stored exactly"
    else:
        text = f"{asked} saves nothing: the exact image takes fewer bytes, and is stored"
    plan = replace(exact.plan, noise=coded.plan.noise)
    return replace(exact, plan=plan, warnings=(*coded.warnings, text))

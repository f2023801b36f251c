"""All images of a file, from first sample to chosen base stages: what files of both kinds have in common.

code_set -> previews, or lossy images; with a bit-rate, code_set for each bound that is tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from radcodec.encoding.coded_image import CodedImage, FinishedImage
from radcodec.encoding.coded_set import CodedSet, code_set
from radcodec.encoding.image_plan import SourceImage
from radcodec.encoding.options import Bounded, EncodeOptions, Lossy
from radcodec.encoding.preview import finish_with_previews
from radcodec.types import Mode

if TYPE_CHECKING:
    from radcodec.base.store import Model
    from radcodec.encoding.bound_rate import BoundRate
    from radcodec.encoding.lossy import LossyImages


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
        from radcodec.encoding.bound_rate import start_rate

        rate = start_rate(sources, options, seed, fidelity)
        return replace(_finish_all(rate.best, options, extra_bytes), bounded=rate)
    coded = code_set(sources, options, seed)
    if isinstance(fidelity, Lossy):
        from radcodec.encoding.lossy import finish_lossy

        lossy = finish_lossy(coded.images, coded.model, options, fidelity)
        encoded = EncodedImages(images=lossy.images, model=lossy.model, lossy=lossy)
        if _is_without_effect(coded.images, encoded):
            without = "the lossy mode has no effect: no part of an image has noise in all of its planes"
            return replace(encoded, warnings=(*coded.warnings, without))
        return replace(encoded, warnings=coded.warnings)
    return _finish_all(coded, options, extra_bytes)


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
        from radcodec.encoding.bound_rate import next_set

        rate = next_set(encoded.bounded, size_bytes)
        if rate is None:
            return None
        return replace(_finish_all(rate.best, rate.options, encoded.extra_bytes), bounded=rate)
    if encoded.lossy is None:
        return None
    from radcodec.encoding.lossy import next_try

    lossy = next_try(encoded.lossy, size_bytes)
    return None if lossy is None else replace(encoded, images=lossy.images, lossy=lossy)


def _is_without_effect(coded: Sequence[CodedImage], encoded: EncodedImages) -> bool:
    wanted = any(image.is_lossy and image.plan.pixels.size for image in coded)
    return wanted and encoded.mode is not Mode.LOSSY

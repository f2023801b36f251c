"""Which images of a FITS file a bound or the lossy mode applies to: decided once, before any is coded.

An integer image that is a mask stays exact unless it is named: a flag that is off by one is another flag.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from radcodec.encoding.bound_plan import check_unit
from radcodec.encoding.options import Bounded, EncodeOptions, Fidelity, Lossless
from radcodec.errors import BoundError, InputError
from radcodec.fits.parse import PlainUnit
from radcodec.fits.select import HduName, HduSelector, find_hdus, hdu_labels, hdu_name
from radcodec.types import Hdu, HduKind

_WORDS = frozenset(("DQ", "DQA", "DQF", "DQI", "DQM", "FLAG", "FLAGS", "QUALITY", "QUAL", "BPM", "BADPIX", "BADPIXELS"))
_WORDS |= frozenset(("MASK", "MASKS", "SEG", "SEGM", "SEGMAP", "SEGMENT", "SEGMENTS", "SEGMENTATION"))
_ENDINGS = ("MASK", "FLAG", "FLAGS", "DQ", "SEGMAP")
_SPLIT = re.compile(r"[^A-Z]+")
# Tables of a distortion that are images (drafts of FITS WCS paper IV): an error in them moves every source.
_DISTORTIONS = frozenset(("WCSDVARR", "D2IMARR", "WCSCORR"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The fidelity of each image of a file, in order, with warnings."""

    fidelities: tuple[Fidelity, ...]
    warnings: tuple[str, ...] = ()


def is_mask_name(name: str) -> bool:
    """Say whether an EXTNAME is that of flags, of a mask or of a segmentation, such as DQ, DATA_MASK or FLAGS2."""
    words = [word for word in _SPLIT.split(name.upper()) if word]
    return any(word in _WORDS or word.endswith(_ENDINGS) for word in words)


def plan_fidelity(units: Sequence[PlainUnit], options: EncodeOptions) -> Plan:
    """Decide for each image of a FITS file whether it is exact or as the options say.

    Raises
    ------
    InputError
        If an HDU that is named is not there, is no image, or is named as both exact and not.
    BoundError
        If the bound's unit converts to that of no image, or not to that of one that is named.
    """
    hdus = [unit.hdu for unit in units]
    images = [number for number, hdu in enumerate(hdus) if hdu.kind is HduKind.IMAGE]
    if isinstance(options.fidelity, Lossless) and not options.hdus and not options.exact_hdus:
        return Plan(fidelities=(options.fidelity,) * len(images))
    names = [hdu_name(unit.header, unit.number) for unit in units]
    labels = hdu_labels(names)
    compressed = [number for number, hdu in enumerate(hdus) if hdu.kind is HduKind.COMPRESSED]

    def find_all(selectors: Sequence[HduSelector]) -> set[int]:
        found = (find_hdus(names, selector, images=images, compressed=compressed) for selector in selectors)
        return {number for numbers in found for number in numbers}

    named, kept = find_all(options.hdus), find_all(options.exact_hdus)
    both = sorted(named & kept)
    if both:
        raise InputError(f"expected an HDU either exact or not, found {labels[both[0]]} named as both")
    if isinstance(options.fidelity, Lossless):
        return Plan(fidelities=(options.fidelity,) * len(images))
    warnings: list[str] = []
    wanted = named or {number for number in images if number not in kept and not _is_mask(number, hdus, names)}
    refused = _refused(wanted, hdus, options.fidelity)
    if refused and (named or len(refused) == len(wanted)):
        number, reason = next(iter(refused.items()))
        raise BoundError(f"{labels[number]}: {reason}")
    warnings += [f"{labels[number]} stays exact: {reason}" for number, reason in refused.items()]
    wanted -= set(refused)
    if images and not wanted:
        listed = ", ".join(labels[number] for number in images)
        warnings.append(f"all images stay exact ({listed}): name those that should not with --hdu")
    fidelities = tuple(options.fidelity if number in wanted else Lossless() for number in images)
    return Plan(fidelities=fidelities, warnings=tuple(warnings))


def _is_mask(number: int, hdus: Sequence[Hdu], names: Sequence[HduName]) -> bool:
    """Say whether an image is a mask or a distortion table, by its name, or integers without unit and scale."""
    info = hdus[number].image
    if names[number][0].upper() in _DISTORTIONS:
        return True
    if info is None or info.sample_type.is_float:
        return False
    floats = any(hdu.image is not None and hdu.image.sample_type.is_float for hdu in hdus)
    return is_mask_name(names[number][0]) or (floats and not info.unit and info.bscale == 1.0)


def _refused(wanted: set[int], hdus: Sequence[Hdu], fidelity: Fidelity) -> dict[int, str]:
    """Say why the bound does not convert to the unit of an image, for those images for which it does not."""
    refused: dict[int, str] = {}
    for number in sorted(wanted):
        info = hdus[number].image
        if isinstance(fidelity, Bounded) and info is not None:
            try:
                check_unit(fidelity.bound, info.unit)
            except BoundError as err:
                refused[number] = str(err)
    return refused

"""Whether a file holds what its mode and its flag of a copy say (docs/format.md, 2.1 and 5.1)."""

from __future__ import annotations

from collections.abc import Sequence

from radcodec.container.image_index import DETAIL, PIXEL_CRC, STAGES, ImageIndex
from radcodec.container.layout import FLAG_BASE_ONLY, Prelude
from radcodec.container.meta import Meta
from radcodec.errors import CorruptError
from radcodec.types import Mode


def _tile_kinds(meta: Meta, indexes: Sequence[ImageIndex]) -> tuple[bool, bool, bool]:
    """Return whether some tile has a detail stream, some has only base streams, and some has both."""
    detailed = alone = both = False
    for index, image in zip(indexes, meta.images, strict=True):
        details = index.words[DETAIL :: index.n_words]
        detailed = detailed or any(details)
        # Without a stream of the first stage, no other stage has one.
        first = index.words[STAGES :: index.n_words] if image.n_stages else ()
        for size, base in zip(details, first, strict=False):
            alone = alone or bool(base and not size)
            both = both or bool(base and size)
    return detailed, alone, both


def check_mode(prelude: Prelude, meta: Meta, indexes: Sequence[ImageIndex]) -> None:
    """Raise CorruptError if the mode or the flag of a copy does not say what the file holds."""
    mode, images = prelude.mode, meta.images
    is_copy = bool(prelude.flags & FLAG_BASE_ONLY)
    bounded = any(image.bound is not None for image in images)
    detailed, alone, both = _tile_kinds(meta, indexes)
    if is_copy:
        sound = mode is Mode.LOSSY and not detailed and bool(images) and all(image.n_stages for image in images)
        sound = sound and not any(any(index.words[PIXEL_CRC :: index.n_words]) for index in indexes)
    elif mode is Mode.LOSSY:
        sound = alone and not bounded and not both
    elif mode is Mode.BOUNDED:
        sound = bounded and not alone
    else:
        sound = not bounded and not alone and meta.original_sha256 is None
    if not sound:
        raise CorruptError(
            f"the file says that it is {mode.name.lower()}{' and a base-only copy' if is_copy else ''}, "
            "but what it holds is not: it is damaged or forged"
        )

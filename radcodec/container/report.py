"""Describe a ``.rcz`` file from its header and tile index, without decoding a pixel or importing numpy."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from radcodec.container.layout import FORMAT_DRAFT, FORMAT_VERSION, SHA256_BYTES, Cursor
from radcodec.container.meta import ImageRecord
from radcodec.container.reader import Reader
from radcodec.limits import MAX_CELL
from radcodec.types import HduKind, Kind, Mode

# The card that headers made from CASA images have, and the note on their images.
_CASA_CARD = b"RCZFROM = 'CASA image'"
_CASA_NOTE = "from a CASA image: its pixels, mask (as NaN) and header, not the bytes of its tables"
_KIND_NAMES = {
    HduKind.IMAGE: "image",
    HduKind.EMPTY: "empty",
    HduKind.TABLE: "table",
    HduKind.GROUPS: "random groups",
    HduKind.COMPRESSED: "tile-compressed image",
    HduKind.OPAQUE: "opaque",
}


_COPY = "this is a base-only copy: it restores the base layer, not the pixels of the original"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The properties of a ``.rcz`` file; `to_dict` returns the object that ``--json`` prints.

    ``max_error`` is the largest absolute bound, in the image's unit. ``payload_bits_per_pixel`` counts base, masks,
    detail and their parameters. ``warnings`` were given while the file was written. ``noise`` was measured at the same
    time, for an absolute bound, and ``largest_error`` (absolute, the image's unit) for a lossy file. The file stores
    none of them. A base-only copy has no ``restored_sha256``, and its ``original_sha256`` is that of the original FITS
    file. A FITS file that came plane by plane has neither.
    """

    mode: str
    kind: str
    size_bytes: int
    original_bytes: int
    pixels: int
    bits_per_pixel: float | None
    payload_bits_per_pixel: float | None
    max_error: float | None
    max_error_sigma: float | None
    sigma: float | None
    model: dict[str, str] | None
    format_version: int
    format_draft: int = FORMAT_DRAFT
    writer: str
    base_only: bool
    hdus: list[dict[str, Any]]
    layers: list[dict[str, Any]]
    original_sha256: str | None
    restored_sha256: str | None
    path: str | None = None
    seconds: float | None = None
    warnings: tuple[str, ...] = ()
    noise: float | None = None
    largest_error: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as JSON types."""
        return {**asdict(self), "warnings": list(self.warnings)}

    @property
    def exact_hdus(self) -> list[str]:
        """Names, or numbers, of the exact images in a bounded or lossy file of several images; otherwise empty."""
        return self._named_images(exact=True)

    @property
    def changed_hdus(self) -> list[str]:
        """Names, or numbers, of the bounded or lossy images in a file of several images; otherwise empty."""
        return self._named_images(exact=False)

    def _named_images(self, *, exact: bool) -> list[str]:
        images = [(number, hdu) for number, hdu in enumerate(self.hdus) if hdu.get("fidelity") and hdu["pixels"]]
        names = [hdu["name"] or str(number) for number, hdu in images if (hdu["fidelity"] == "lossless") is exact]
        return names if self.mode != "lossless" and len(images) > 1 else []

    @property
    def ratio(self) -> float:
        """How many times smaller the file is than the original."""
        return self.original_bytes / self.size_bytes


def _fidelity(record: ImageRecord, mode: Mode) -> str:
    """Return the fidelity of one image, given the mode of its file."""
    if mode is Mode.LOSSY:
        return "lossy" if record.n_stages else "lossless"
    return "lossless" if record.bound is None else "bounded"


def _image_fields(record: ImageRecord, mode: Mode) -> dict[str, Any]:
    # A base-only copy of a bounded file keeps the record of its bound, which it does not meet.
    bound, bound_sigma = (None, 0.0) if mode is Mode.LOSSY else (record.bound, record.bound_sigma)
    return {
        "fidelity": _fidelity(record, mode),
        "pixels": record.n_pixels,
        "shape": list(record.shape),
        "sample_type": record.sample_type.dtype_str,
        "tile": list(record.sides[::-1]),
        "base_stages": record.n_stages,
        "on_base": record.on_base,
        "max_error": bound,
        "max_error_sigma": bound_sigma or None,
        "sigma": record.sigma,
        "sigma_cell": None,
        "dither": record.dither_seed is not None,
        "unit": record.unit,
    }


def _sigma_cell(reader: Reader, number: int) -> int | None:
    """Return the cell side of an image's map of bounds, or None without a map."""
    if not reader.meta.images[number].has_step_map:
        return None
    return Cursor(reader.params[number].bounds, "the bounds").leb_up_to(MAX_CELL, "cell size")


def _hdus(reader: Reader) -> list[dict[str, Any]]:
    """Describe each HDU in a dict; kind array has one, for the array."""
    if reader.prelude.kind is Kind.ARRAY:
        fields = {**_image_fields(reader.meta.images[0], reader.prelude.mode), "sigma_cell": _sigma_cell(reader, 0)}
        return [{"kind": "image", "name": "", "note": "", **fields}]
    images = iter(enumerate(reader.meta.images))
    hdus: list[dict[str, Any]] = []
    position = 0
    for hdu in reader.meta.hdus:
        is_casa = reader.meta.text.find(_CASA_CARD, position, position + hdu.header_bytes) >= 0
        position += hdu.header_bytes + hdu.tail_bytes
        fields = {"kind": _KIND_NAMES[hdu.kind], "name": hdu.name, "note": hdu.note}
        fields |= {"header_bytes": hdu.header_bytes, "data_bytes": hdu.data_bytes}
        if hdu.kind is HduKind.IMAGE:
            number, record = next(images)
            fields |= {**_image_fields(record, reader.prelude.mode), "sigma_cell": _sigma_cell(reader, number)}
            fields["note"] = _CASA_NOTE if is_casa and not hdu.note else hdu.note
        hdus.append(fields)
    return hdus


def _layers(reader: Reader) -> list[dict[str, Any]]:
    """List name and bytes of each part of the file; together they are the whole file."""
    masks = sum(sum(index.words[:: index.n_words]) for index in reader.images)
    details = sum(map(reader.detail_bytes, range(len(reader.images))))
    base = sum(map(reader.base_bytes, range(len(reader.images))))
    # Late files have records between the streams (2.5).
    between = reader.section_bytes("TILES") + reader.section_bytes("BASE") - masks - details - base
    sizes = {
        "envelope": reader.prelude.prelude_bytes
        + reader.section_bytes("INDEX")
        + reader.prelude.trailer_bytes
        + between,
        "headers": reader.section_bytes("META"),
        "parameters": reader.section_bytes("PARAMS"),
        "base": base,
        "masks": masks,
        "detail": details,
        "other data": reader.section_bytes("EXTRA"),
    }
    return [{"name": name, "bytes": size} for name, size in sizes.items()]


def describe(
    reader: Reader, *, path: str | None = None, seconds: float | None = None, warnings: tuple[str, ...] = ()
) -> Report:
    """Describe an open file in a report."""
    meta = reader.meta
    pixels = sum(image.n_pixels for image in meta.images)
    payload = sum(reader.section_bytes(name) for name in ("PARAMS", "BASE", "TILES"))
    is_lossy = reader.prelude.mode is Mode.LOSSY
    bounded = [image for image in meta.images if image.bound is not None and not is_lossy]
    widest = max(bounded, key=lambda image: image.bound or 0.0, default=None)
    lossless = not bounded and meta.original_sha256 is None and reader.prelude.mode.name == "LOSSLESS"
    is_fits = reader.prelude.kind is Kind.FITS
    # The SHA-256 of a late FITS file takes its headers last (2.4): it is not that of a file.
    is_late = is_fits and reader.prelude.is_late
    original = meta.original_sha256 or (meta.restored_sha256 if (lossless or is_fits) and not is_late else None)
    is_whole = len(meta.restored_sha256) == SHA256_BYTES  # short files have less (2.6)
    if reader.is_base_only:
        warnings = (*warnings, _COPY)
    return Report(
        mode=reader.prelude.mode.name.lower(),
        kind=reader.prelude.kind.name.lower(),
        size_bytes=reader.size_bytes,
        original_bytes=meta.original_bytes,
        pixels=pixels,
        bits_per_pixel=8 * reader.size_bytes / pixels if pixels else None,
        payload_bits_per_pixel=8 * payload / pixels if pixels else None,
        max_error=widest.bound if widest else None,
        max_error_sigma=widest.bound_sigma or None if widest else None,
        sigma=widest.sigma if widest else None,
        model=None if meta.model is None else {"name": meta.model[0], "sha256": meta.model[1].hex()},
        format_version=FORMAT_VERSION,
        format_draft=FORMAT_DRAFT,
        writer=meta.writer,
        base_only=reader.is_base_only,
        hdus=_hdus(reader),
        layers=_layers(reader),
        original_sha256=original.hex() if original else None,
        restored_sha256=None if reader.is_base_only or is_late or not is_whole else meta.restored_sha256.hex(),
        path=path,
        seconds=seconds,
        warnings=warnings,
    )

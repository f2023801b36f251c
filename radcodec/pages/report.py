"""The report about a ``.rcz`` file: one page that needs nothing else, and its short form for notebooks."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, BinaryIO

from radcodec.container.report import Report
from radcodec.container.units import iter_units
from radcodec.errors import RadcodecError
from radcodec.pages.html import STYLE, bar, page, picture, table, text

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from radcodec.decoding.image_handle import ImageHandle
    from radcodec.decoding.rcz_file import RczFile
    from radcodec.pages.charts import Errors

# Longer side of the picture: no more than a screen shows, so that a page stays small.
_PICTURE_SIDE = 768
_NOTEBOOK_SIDE = 384
# A notebook shows a file at once, so it decodes no plane that takes long.
_NOTEBOOK_PIXELS = 1 << 22
# More cards are cut off: a header of that many is read by a program.
_MOST_CARDS = 2000


def report_page(file: RczFile, *, against: str | os.PathLike[str] | BinaryIO | None = None) -> str:
    """Make the page about an open file: a picture, mode and bound, header and coordinates, layers, errors.

    Parameters
    ----------
    against
        The original FITS file: its errors are measured, and that the file keeps its promise is checked.

    Raises
    ------
    GuaranteeError
        If there is a difference to ``against`` that the mode does not allow.
    RadcodecError, OSError
        As `radcodec.verify`, and where a plane cannot be decoded.
    """
    name = os.path.basename(file.info.path) if file.info.path else "in memory"
    parts = [f"<h1>{text(name)}</h1>", f"<p>{text(_sentence(file.info))}</p>"]
    image = file.images[0] if file.images and file.images[0].size else None
    if image is not None:
        parts.append(_picture(image, _PICTURE_SIDE, full=False))
    parts += ["<h2>File</h2>", table(_facts(file.info))]
    if image is not None:
        parts += ["<h2>Coordinates</h2>", _coordinates(image)]
    parts += ["<h2>HDUs</h2>", _hdus(file.info), "<h2>Layers</h2>", _layers(file.info)]
    if against is not None:
        parts += ["<h2>Errors</h2>", _errors(file, image, against)]
    parts += _headers(file)
    parts.append(f'<p class="note">Written by radcodec report. Format {file.info.format_version} draft '
                 f"{file.info.format_draft}{_writer(file.info)}.</p>")  # fmt: skip
    return page(f"{name}: {file.info.mode}", "\n".join(parts))


def notebook_fragment(file: RczFile) -> str:
    """Make the short form that a notebook shows: a picture and the main facts."""
    parts = [f"<strong>{text(file.info.path or 'in memory')}</strong>", f"<p>{text(_sentence(file.info))}</p>"]
    try:
        image = file.images[0] if file.images else None
        if image is not None and 0 < _plane_pixels(image) <= _NOTEBOOK_PIXELS:
            parts.append(_picture(image, _NOTEBOOK_SIDE, full=False))
    except (RadcodecError, OSError, ValueError) as error:
        # A file that cannot be shown is still described.
        parts.append(f'<p class="note">no picture: {text(error)}</p>')
    parts.append(table(_facts(file.info)))
    return f'<style>{STYLE}</style><div class="radcodec">{"".join(parts)}</div>'


def _sentence(info: Report) -> str:
    """Say in a line what the file promises."""
    rate = "" if info.bits_per_pixel is None else f", {info.bits_per_pixel:.3f} bits a pixel"
    sizes = f"{info.original_bytes:,} bytes in {info.size_bytes:,} ({info.ratio:.2f} times smaller{rate})"
    if info.mode == "lossless":
        promise = "Lossless: it restores to the same bytes."
    elif info.mode == "bounded":
        promise = f"Bounded: no pixel is off by more than {_bound(info)}."
    else:
        promise = "Lossy: the base layer only; no bound on the error."
    return f"{promise} {sizes[0].upper()}{sizes[1:]}."


def _bound(info: Report) -> str:
    if info.max_error is None:
        return "0"
    unit = next((hdu.get("unit", "") for hdu in info.hdus if hdu.get("max_error") == info.max_error), "")
    in_sigma = f" ({info.max_error_sigma:g} sigma)" if info.max_error_sigma else ""
    return f"{info.max_error:.6g} {unit}".rstrip() + in_sigma


def _writer(info: Report) -> str:
    """Say what wrote a file; lossy arrays do not."""
    return f", written by {text(info.writer)}" if info.writer else ""


def _facts(info: Report) -> list[tuple[str, object]]:
    facts: list[tuple[str, object]] = [("mode", info.mode), ("kind", info.kind)]
    if info.max_error is not None:
        facts.append(("largest error", _bound(info)))
    if info.sigma:
        facts.append(("noise on record", f"{info.sigma:.6g}"))
    facts.append(("size", f"{info.size_bytes:,} of {info.original_bytes:,} bytes, {info.ratio:.2f} times smaller"))
    if info.bits_per_pixel is not None:
        facts.append(("bits a pixel", f"{info.bits_per_pixel:.4f}"))
    if info.model is not None:
        facts.append(("model of the base layer", f"{info.model['name']} (SHA-256 {info.model['sha256']})"))
    if info.restored_sha256 is not None:
        facts.append(("restores to SHA-256", info.restored_sha256))
    if info.original_sha256 not in (None, info.restored_sha256):
        facts.append(("original SHA-256", info.original_sha256))
    return facts


def _plane_pixels(image: ImageHandle) -> int:
    return image.size and image.shape[-1] * (image.shape[-2] if image.ndim > 1 else 1) if image.ndim else 1


def middle_plane(image: ImageHandle) -> int:
    """Choose the plane to show: the middle of a cube."""
    return image.size // max(_plane_pixels(image), 1) // 2


def _picture(image: ImageHandle, side: int, *, full: bool) -> str:
    """Make the picture of the middle plane, and say what black and white are."""
    from radcodec.decoding.picture import average_down, png_bytes, sky_pixels, stretch_limits

    plane = middle_plane(image)
    look = image.quick_look(plane, full=full, side=side)
    grey = sky_pixels(look.pixels, side, look.noise)
    small = average_down(look.pixels, side)
    noise = None if look.noise is None else look.noise * small.shape[0] / look.pixels.shape[0]
    black, _, white = stretch_limits(small, noise)
    number = "" if image.ndim < 3 else f"plane {plane}, "
    unit = image.stored.coding.record.unit
    stretch = f"asinh stretch from {black:.4g} (black) to {white:.4g} {unit}".rstrip()
    caption = f"{number}from the {look.layer.value}; {stretch}"
    shown = picture(png_bytes(grey), caption, width=max(grey.shape[1], min(side, 4 * grey.shape[1], 256)))
    return f'{shown}<p class="note">{text(caption)}{text(f" ({look.note})" if look.note else "")}</p>'


def _coordinates(image: ImageHandle) -> str:
    """Say what the axes are; or why that is not known."""
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old headers
            rows = _axes(image.wcs, image.shape)
    except (RadcodecError, ValueError, OSError) as error:
        return f'<p class="note">no world coordinates: {text(error)}</p>'
    beam = _beam(_header_of(image))
    return table(rows, ("axis", "type", "pixels", "at the centre", "step", "unit"), numbers=(2, 3, 4)) + (
        f"<p>Restoring beam: {text(beam)}.</p>" if beam else ""
    )


def _axes(wcs: Any, shape: tuple[int, ...]) -> list[tuple[object, ...]]:
    lengths = tuple(reversed(shape))
    centre = [(length - 1) / 2 for length in lengths]
    n_axes = wcs.naxis
    values = wcs.pixel_to_world_values(*(centre + [0.0] * n_axes)[:n_axes])
    values = [values] if n_axes == 1 else list(values)
    steps = wcs.wcs.get_cdelt()
    return [
        (
            axis + 1,
            wcs.wcs.ctype[axis] or "(none)",
            lengths[axis] if axis < len(lengths) else 1,
            f"{float(values[axis]):.8g}",
            f"{float(steps[axis]):.6g}",
            str(wcs.wcs.cunit[axis]),
        )
        for axis in range(n_axes)
    ]


def _beam(header: bytes) -> str:
    from radcodec.fits.header import card_value

    major, minor, angle = (card_value(header, keyword) for keyword in ("BMAJ", "BMIN", "BPA"))
    if not (isinstance(major, (int, float)) and isinstance(minor, (int, float))):
        return ""
    turned = f" at {angle:g} deg" if isinstance(angle, (int, float)) else ""
    return f"{major * 3600:.4g} x {minor * 3600:.4g} arcsec{turned}"


def _header_of(image: ImageHandle) -> bytes:
    units = iter_units(image.file.reader)
    return next((unit.header for unit in units if unit.image == image.number), b"")


def _hdus(info: Report) -> str:
    rows = []
    for number, hdu in enumerate(info.hdus):
        shape = " x ".join(map(str, reversed(hdu["shape"]))) if "shape" in hdu else ""
        bound = "" if hdu.get("max_error") is None else f"{hdu['max_error']:.6g} {hdu['unit']}".rstrip()
        kept = hdu.get("fidelity", "carried unchanged")
        rows.append((number, hdu["name"], hdu["kind"], hdu.get("sample_type", ""), shape, kept, bound, hdu["note"]))
    return table(rows, ("HDU", "name", "kind", "type", "pixels", "kept", "largest error", "note"), numbers=(0,))


def _layers(info: Report) -> str:
    there = [(layer["name"], layer["bytes"]) for layer in info.layers if layer["bytes"]]
    rows = [(name, f"{size:,}", f"{100 * size / info.size_bytes:.2f} %") for name, size in there]
    return bar(there) + table(rows, ("layer", "bytes", "share"), numbers=(1, 2))


def _headers(file: RczFile) -> list[str]:
    """Make the headers, folded away."""
    parts = []
    for unit in iter_units(file.reader):
        whole = unit.header.decode("latin-1")
        cards = [whole[start : start + 80].rstrip() for start in range(0, len(whole), 80)]
        while cards and not cards[-1]:
            cards.pop()
        more = f"\n({len(cards) - _MOST_CARDS} more cards)" if len(cards) > _MOST_CARDS else ""
        shown = text("\n".join(cards[:_MOST_CARDS]) + more)
        name = f"Header of HDU {unit.number} ({len(cards)} cards)"
        parts.append(f"<details><summary>{text(name)}</summary><pre>{shown}</pre></details>")
    return ["<h2>Headers</h2>", *parts] if parts else []


def _errors(file: RczFile, image: ImageHandle | None, against: str | os.PathLike[str] | BinaryIO) -> str:
    """Check the promise, measure the errors of the plane that is shown, and draw them."""
    from radcodec.decoding.verify import check_against, check_file
    from radcodec.fits.source import open_fits_source
    from radcodec.fits.tile_compressed import plain_like
    from radcodec.pages.charts import measure

    with ExitStack() as stack:
        source = stack.enter_context(open_fits_source(against))
        plain = plain_like(file.reader.meta.hdus, source)
        check_file(file.reader, file.threads)
        check_against(file.reader, plain, file.threads)
        kept = "<p>Every checksum holds, and the file keeps its promise about the original.</p>"
        if image is None:
            return kept
        plane = middle_plane(image)
        original = _original_plane(plain, image, plane)
        source.check_unchanged()
    errors = measure(original, image.preview(plane, full=True))
    if errors is None:
        return kept + '<p class="note">No pixel of the plane is finite.</p>'
    return kept + _error_charts(errors, image, plane)


def _original_plane(plain: Any, image: ImageHandle, plane: int) -> npt.NDArray[np.float64]:
    """Physical values of a plane of the original, float64 [H, W], NaN where BLANK."""
    import numpy as np

    from radcodec.fits.arrays import stored_samples
    from radcodec.fits.parse import parse_fits

    images = [hdu for hdu in parse_fits(plain) if hdu.image is not None]
    hdu = images[image.number]
    assert hdu.image is not None
    record = image.stored.coding.record
    height = image.shape[-2] if image.ndim > 1 else 1
    width = image.shape[-1] if image.ndim else 1
    stored = stored_samples(plain, hdu).reshape(-1, height, width)[plane]
    values = stored.astype(np.float64)
    if record.blank is not None:
        values[stored == record.blank] = np.nan
    with np.errstate(all="ignore"):
        return np.asarray(record.bzero + record.bscale * values, np.float64)


def _error_charts(errors: Errors, image: ImageHandle, plane: int) -> str:
    from radcodec.pages.charts import Curve, chart

    record = image.stored.coding.record
    unit = record.unit or "the image's unit"
    rows = [
        ("pixels compared", f"{errors.n_pixels:,}" + ("" if image.ndim < 3 else f" (plane {plane})")),
        ("largest error", f"{errors.largest:.6g} {record.unit}"),
        ("bound", "none" if record.bound is None else f"{record.bound:.6g} {record.unit}"),
        ("rms of the errors", f"{errors.rms:.6g} {record.unit}"),
        ("mean error", f"{errors.mean:.3g} {record.unit}"),
    ]
    if not errors.largest:
        return table(rows)
    middle = (errors.edges[1:] + errors.edges[:-1]) / 2
    histogram = chart(
        [Curve(name="errors", x=middle.tolist(), y=errors.counts.tolist(), colour="#0072b2")],
        across=f"restored less original, {unit}",
        up="pixels",
    )
    frequency = errors.frequency.tolist()
    spectrum = chart(
        [
            Curve(name="original", x=frequency, y=errors.image_power.tolist(), colour="#59636e"),
            Curve(name="errors", x=frequency, y=errors.power.tolist(), colour="#d55e00"),
        ],
        across="cycles a pixel",
        up="power",
        logarithmic=True,
    )
    words = "Power of the errors at each spatial frequency, beside that of the original: flat errors are noise."
    return f'{table(rows)}{histogram}{spectrum}<p class="note">{text(words)}</p>'

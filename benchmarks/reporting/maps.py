"""Error maps: pictures of an image, decoded and its errors, radcodec's beside those of others at the same size."""

from __future__ import annotations

import base64
import html
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.data.datasets import images, sigma
from benchmarks.rivals.fpack import Fpack
from benchmarks.rivals.jpeg2000 import MappedJpeg2000
from benchmarks.rivals.lossy import Mapping
from benchmarks.rivals.ours import Radcodec
from benchmarks.rivals.sperr import MappedSperr
from benchmarks.rivals.tiled_fits import TiledFits
from benchmarks.types import F64, Array

#: File, and the part that is shown: SIDE x SIDE pixels about the middle of the image.
SHOWN = (
    "first/test/100_124.729+020.106_0.0755_0033.11.fits",
    "telescopes/atca-scorpio-extended.fits",
    "telescopes/lofar-grb201006a.fits",
)
SIDE = 112
DIVISOR = 8.0
SPAN = 0.5  # sigma: errors of this size are black or white


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """What a codec made of an image: bits a pixel of the whole image, and the image."""

    name: str
    bits: float
    image: Array


def at_bits(encode: Callable[[float], bytes], target: int, low: float, high: float) -> bytes:
    """Find the largest stream of at most ``target`` bytes, by bisection over the logarithm of a knob."""
    best = encode(high)
    for _ in range(14):
        middle = float(np.sqrt(low * high))
        coded = encode(middle)
        if len(coded) <= target:
            best, high = coded, middle
        else:
            low = middle
    return best


def decoded(samples: Array) -> list[Decoded]:
    """Decode radcodec's stream at sigma / 8, and others of no more bytes, each with the knob that comes nearest."""
    noise, shape, dtype = sigma(samples), samples.shape, samples.dtype
    ours = Radcodec()
    stream = ours.encode(samples, max_error=noise / DIVISOR)
    target = len(stream)
    back = ours.decode(stream, shape=shape, dtype=dtype)
    found = [Decoded(name="radcodec, sigma/8", bits=8 * target / samples.size, image=back)]
    sperr, jpeg2000 = MappedSperr(Mapping.PLAIN), MappedJpeg2000(Mapping.PLAIN)
    rice: Fpack | TiledFits = Fpack("rice")
    try:
        rice.version()
    except ImportError:
        rice = TiledFits("RICE_1")

    def add(name: str, coded: bytes, image: Array) -> None:
        found.append(Decoded(name=name, bits=8 * len(coded) / samples.size, image=image))

    if importlib.util.find_spec("imagecodecs"):
        coded = sperr.encode(samples, 8 * (target - 40) / samples.size)
        add("SPERR", coded, sperr.decode(coded, shape=shape, dtype=dtype))
        coded = at_bits(lambda rmse: jpeg2000.encode(samples, rmse), target, 1e-3, 30.0)
        add("JPEG 2000", coded, jpeg2000.decode(coded, shape=shape, dtype=dtype))
    steps: dict[bytes, float] = {}

    def by_rice(error: float) -> bytes:
        coded = rice.encode(samples, max_error=error)
        steps[coded] = error
        return coded

    # Once more, as coders of FITS tiles keep the header of their last stream only.
    coded = by_rice(steps[at_bits(by_rice, target, noise / 16, 40 * noise)])
    add(f"{rice.name}, absolute step", coded, rice.decode(coded, shape=shape, dtype=dtype))
    return found


def picture(values: F64, low: float, high: float, alt: str) -> str:
    """Return an image as inline PNG, first row at the bottom."""
    from radcodec.decoding.picture import png_bytes

    grey = np.clip((values - low) / (high - low), 0, 1) * 255 + 0.5
    data = base64.b64encode(png_bytes(np.ascontiguousarray(grey.astype(np.uint8)[::-1]))).decode()
    return f'<img src="data:image/png;base64,{data}" alt="{html.escape(alt)}" width="{SIDE}" height="{SIDE}">'


def cell(image: str, title: str, caption: str) -> str:
    """Return a picture with what it shows."""
    return f"<div class='map'>{image}<p><strong>{html.escape(title)}</strong><br>{html.escape(caption)}</p></div>"


def can_draw(folder: Path) -> bool:
    """Tell whether the images and all codecs are there that the maps show."""
    return importlib.util.find_spec("imagecodecs") is not None and all((folder / file).is_file() for file in SHOWN)


def map_rows(folder: Path) -> list[str]:
    """Draw a block of pictures for each image that exists."""
    blocks = []
    for file in SHOWN:
        if not (folder / file).is_file():
            continue
        samples = next(iter(images(folder, file))).samples
        noise, middle = sigma(samples), float(np.nanmedian(samples))
        y, x = (max(0, length // 2 - SIDE // 2) for length in samples.shape[-2:])
        part = (slice(y, y + SIDE), slice(x, x + SIDE))

        def sky(image: Array, title: str, caption: str) -> str:
            values = np.arcsinh((np.nan_to_num(image[part].astype(np.float64)) - middle) / noise)  # noqa: B023
            return cell(picture(values, -1.5, 5.0, title), title, caption)

        cells = [sky(samples, "original", f"{samples.itemsize * 8} bits a pixel")]
        for one in decoded(samples):
            errors = (one.image.astype(np.float64) - samples) / noise
            finite = errors[np.isfinite(errors)]
            caption = f"{one.bits:.3f} bits; largest {np.abs(finite).max():.3f}, RMSE {np.sqrt(np.mean(finite**2)):.3f}"
            if len(cells) == 1:
                cells.append(sky(one.image, one.name, "decoded"))
            shown = picture(np.nan_to_num(errors[part]), -SPAN, SPAN, f"errors of {one.name}")
            cells.append(cell(shown, f"errors: {one.name}", caption))
        blocks.append(f"<h3>{html.escape(Path(file).stem)}</h3><div class='maps'>{''.join(cells)}</div>")
    return blocks

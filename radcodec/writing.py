"""Write ``.rcz`` files: what of the public face makes them from arrays and FITS files, and the estimate before that."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from numbers import Complex
from typing import TYPE_CHECKING, Any, BinaryIO, Unpack, cast

from radcodec.container.report import Report
from radcodec.decoding.description import describe
from radcodec.decoding.rcz_file import open_reader
from radcodec.encoding.keywords import CompressKeywords, EncodeKeywords, Path
from radcodec.errors import InputError
from radcodec.fits_input import open_fits
from radcodec.limits import DEFAULT_TILE
from radcodec.runtime.given_files import check_fits_source
from radcodec.runtime.keywords import fill_in, spelled_out
from radcodec.runtime.option_values import name_or_path, true_or_false
from radcodec.runtime.parallel import usable_threads
from radcodec.runtime.paths import check_output, compressed_name, file_times, output_file

if TYPE_CHECKING:
    import numpy.typing as npt


@spelled_out(EncodeKeywords)
def encode(array: npt.ArrayLike, **options: Unpack[EncodeKeywords]) -> bytes:
    """Encode an array as the bytes of a ``.rcz`` file of kind array; lossless by default.

    Parameters
    ----------
    array
        int8 to int64, uint8 to uint64, float32 or float64, of any shape, strides and byte order. Masked pixels of
        floats become NaN: those of masked arrays of NumPy and astropy, and of what has a ``mask`` beside its values.
    max_error
        Bounded: the largest absolute error in the array's unit, or ``"0.125sigma"``, ``"0.125localsigma"``. A bound
        with a unit (``"20uJy/beam"``, a quantity of astropy) is for arrays that have one. ``"auto"``: the smallest
        bound in sigma that keeps to ``lossy_bpp``; a bound that is given is refused where it does not.
    lossy, lossy_bpp, lossy_stages
        Base layer only: all stages, at most so many bits a pixel of the whole stream, or so many stages.
    preview
        Share of the stream, in percent, that a base layer for quick looks may take beside exact or bounded pixels.
    model
        Name or weights file of the base layer's model; the default one for None.
    threads
        All usable cores for None. The bytes do not depend on it.
    verify
        Read the result back before returning: decode every stream and compare it with what was encoded.
    sigma
        The noise to use for a bound in sigma instead of the measured one, in the array's unit.
    tile
        Side of the tiles, 8 to 2048 pixels. Or the side along each axis, in FITS order (x first, so the last axis of
        the array first): ``(128, 128, 64)`` or ``"128x128x64"``. Axes without a side have one of 1.
    dither
        Subtractive dither in bounded mode.
    smallest
        The same as ``details_on_base="always"``.
    details_on_base
        Whether details of a bounded image are coded on a base layer. ``"auto"``: at bounds coarser than a quarter of
        the noise, where that saves enough bits for its time. ``"always"``: wherever it saves bits; stacks of faint
        sources then lose flux (docs/guarantee.md). ``"never"``: the image decodes without a model.
    effort
        How much time is spent on fewer bits, from 1 (fast) to 9 (smallest); docs/effort.md says what each level costs.
    fill
        A finite value, or several, that marks missing pixels: exact in every mode, and nothing is predicted from it.
        Values that fill areas far outside the rest are found without it.
    force
        Take a bound of over 10 times the noise.
    clean
        Make a file that needs nothing learned from survey data. Its tables, header dictionary and default model are
        those from invented data alone; docs/models.md says what that costs.

    Raises
    ------
    UnsupportedDataError
        If the dtype is another one.
    BoundError, InputError
        If a bound, bit-rate or option is unsound or cannot be met, or an array of integers has masked pixels.
    ModelError
        If a base layer is asked for and there is none.
    GuaranteeError
        If the result does not decode to what it should.
    """
    from radcodec.container.reader import Reader
    from radcodec.decoding.verify import check_written
    from radcodec.encoding.array_file import encode_array
    from radcodec.encoding.inputs import plain_array
    from radcodec.encoding.options import make_options
    from radcodec.pixels.tiles import count_tiles

    checked = make_options(fill_in(EncodeKeywords, options))
    unit = getattr(array, "unit", None)
    # Only units of astropy, and what is like them: other libraries name other things so.
    text = str(unit) if hasattr(unit, "to_string") else ""
    encoded = encode_array(plain_array(array), checked, text)
    data = encoded.to_bytes()
    if checked.verify:
        check_written(Reader(data, count_tiles=count_tiles), checked.threads, encoded.model)
    return data


@spelled_out(CompressKeywords)
def compress(
    src: Path | BinaryIO,
    dst: Path | BinaryIO | None = None,
    *,
    overwrite: bool = False,
    recompress: bool = False,
    **options: Unpack[CompressKeywords],
) -> Report:
    """Compress a FITS file; gives a `Report` of what was written.

    Parameters
    ----------
    src
        A path or a binary stream, of a FITS file or one compressed by gzip, bzip2, xz, zstandard or Unix compress. The
        folder of a CASA image (extra ``casa``) is compressed as the FITS file of its pixels, mask (as NaN) and header.
    dst
        A path, a binary stream, or None for the name of ``src`` with ``.rcz`` added. It appears whole or not at all.
    overwrite
        Whether ``dst`` may exist.
    preview
        Percent of the file that the coarse base layer for quick looks may take; 1 for None.
    hdu
        The image HDUs that the bound or the lossy mode applies to; all others stay exact. A number (0 is the primary),
        a name, ``"SCI,2"`` or ``("SCI", 2)`` with EXTVER, or several of these. Without it, all but masks: integer
        images named such as DQ or MASK, or without BUNIT and BSCALE beside an image of floats.
    exact_hdu
        Image HDUs that stay exact, given in the same way.
    no_provenance
        Leave the headers of bounded and lossy images as they are.
    recompress
        Take tile-compressed images (``.fits.fz``) apart: what comes back is the plain file, as funpack would write it.
    progress
        Called now and then with the number of pixels done since the last call.

    The other options are those of `encode`, bounds in the image's unit; a bound may have a unit (``"20uJy/beam"``).

    Raises
    ------
    FileExistsError, OSError
        If ``dst`` exists, or the operating system refuses.
    RadcodecError
        As `encode`; UnsupportedDataError also where ``src`` is no FITS file, InputError where an HDU is not there.
    """
    from radcodec.decoding.verify import check_written
    from radcodec.encoding.fits_file import encode_fits
    from radcodec.encoding.options import make_options, needed_bytes
    from radcodec.fits.tile_compressed import take_apart

    start = time.perf_counter()
    checked = make_options(options)
    recompress = true_or_false("recompress", recompress)
    check_fits_source(src)
    if dst is None:
        if not isinstance(src, (str, os.PathLike)):
            raise InputError("expected a name for the output of a stream, found none")
        dst = compressed_name(os.fspath(src), recompress=recompress)
    check_output(dst, src, overwrite)
    times = file_times(src)
    with open_fits(src) as source:
        checked.scratch.check_room(needed_bytes(len(source.data), checked.fidelity))
        data = source.to_memory(checked.scratch)
        encoded = encode_fits(take_apart(data) if recompress else data, checked)
        with output_file(dst, overwrite=overwrite, like=times) as out:
            encoded.write_to(out)
            out.seek(0)
            with ExitStack() as stack:
                reader = open_reader(out, stack)
                if checked.verify:
                    check_written(reader, checked.threads, encoded.model)
                path = os.fspath(dst) if isinstance(dst, (str, os.PathLike)) else None
                seconds = time.perf_counter() - start
                source.check_unchanged()
                report = describe(reader, path=path, seconds=seconds, warnings=encoded.warnings)
                return replace(report, noise=encoded.noise, largest_error=encoded.largest_error)


def estimate(
    src: Path | BinaryIO | npt.NDArray[Any],
    *,
    tile: int | str | Sequence[int] | None = None,
    model: Path | None = None,
    threads: int | None = None,
) -> list[dict[str, Any]]:
    """Estimate the size, noise and time of each mode on a sample of the tiles: a dry run.

    Parameters
    ----------
    src
        A FITS file, the folder of a CASA image, or an array or a number.
    tile
        As `compress` takes it; the default tile for None.

    Returns
    -------
    list of dict
        ``mode``, ``max_error``, ``max_error_sigma``, ``bits_per_pixel``, ``noise_added_percent``, ``seconds`` (for
        all of the image), largest bound last, then the lossy mode where there is a base layer.

    Raises
    ------
    UnsupportedDataError
        If there is no image, or the array has no pixels or a type that is not supported.
    InputError
        If ``tile`` is no size of a tile.
    """
    from radcodec.encoding.estimate import estimate_ladder
    from radcodec.encoding.tile_option import parse_tile

    # Images of astropy.nddata are arrays that have a method ``read``; a list of HDUs is no list of numbers.
    is_array = hasattr(src, "__array__") or isinstance(src, Complex) or cast(Any, type(src)) in (list, tuple)
    with nullcontext(src) if is_array else open_fits(cast("Path", src)) as opened:
        return estimate_ladder(
            opened,  # type: ignore[arg-type]
            tile=parse_tile(DEFAULT_TILE if tile is None else tile),
            model=None if model is None else name_or_path("model", model),
            threads=usable_threads(threads),
        )

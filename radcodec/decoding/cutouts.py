"""Cut parts out of an image as FITS files, with everything that their world coordinates and beams need."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np

from radcodec.coding.samples import iter_sample_bytes, sample_bytes
from radcodec.container.reader import Reader
from radcodec.container.units import StoredUnit, iter_units
from radcodec.decoding.image import StoredImage, decode_image, decode_region, open_image
from radcodec.decoding.needed_ranges import first_batch, region_tiles
from radcodec.decoding.regions import Range, Region, parse_region
from radcodec.decoding.tile import Pixels
from radcodec.errors import InputError
from radcodec.fits.arrays import minimal_header, stored_pieces
from radcodec.fits.beams import BEAM_TABLES, CutBeams, beam_axes, cut_beams, with_beam
from radcodec.fits.cards import BLOCK_BYTES
from radcodec.fits.companions import needed_tables, shift_table
from radcodec.fits.cutout import cutout_header, with_extensions
from radcodec.fits.header import card_value
from radcodec.fits.inherit import inherit_cards
from radcodec.fits.select import hdu_name
from radcodec.fits.sky import make_wcs, sky_ranges
from radcodec.limits import MAX_FILLED_PIXELS
from radcodec.runtime.scratch import Scratch
from radcodec.types import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The requested part of an image: a region, or a field of ``size`` around ``center``; see `radcodec.cutout`."""

    region: Region | None = None
    center: Any = None
    size: Any = None
    plane: int | None = None
    partial: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """One HDU that a cut-out needs, its data padded; ``in_pixels`` as `companions.TableNeed` has it."""

    header: bytes
    data: bytes
    in_pixels: bool = False


class ImageSky:
    """The header of one image with the cards that it inherits, and the HDUs that its world coordinates need."""

    def __init__(self, reader: Reader, image: StoredImage, threads: int) -> None:
        self._reader = reader
        self._threads = threads
        self._units = tuple(iter_units(reader))
        self._own = own = next((unit for unit in self._units if unit.image == image.number), None)
        self.shape = image.coding.record.shape
        self.header = (
            minimal_header(image.coding.record.sample_type, self.shape)
            if own is None
            else inherit_cards(own.header, self._units[0].header)
        )
        self._extra: bytes | None = None

    def _data(self, unit: StoredUnit) -> bytes:
        """Return the data of a unit as in its FITS file, without padding."""
        if unit.image is not None:
            return sample_bytes(decode_image(open_image(self._reader, unit.image), self._threads), ">").tobytes()
        if self._extra is None:
            self._extra = self._reader.read_extra()
        return self._extra[unit.extra]

    @cached_property
    def _names(self) -> list[tuple[str, int]]:
        """Name in capitals and EXTVER of every unit."""
        named = (hdu_name(unit.header, unit.number) for unit in self._units)
        return [(name.upper(), version) for name, version in named]

    def _find(self, name: str, extver: int | None) -> StoredUnit | None:
        """Find the extension with that name, and EXTVER if given; None if there is none."""
        for unit, (found, version) in zip(self._units[1:], self._names[1:], strict=True):
            if found == name and extver in (None, version):
                return unit
        return None

    def tables(self) -> list[_Table]:
        """Decode the HDUs that the world coordinates refer to; those that the file lacks are left out."""
        tables: list[_Table] = []
        for need in needed_tables(self.header):
            unit = self._find(need.name, need.extver)
            if unit is not None:
                data = self._data(unit)
                padded = data + bytes(-len(data) % BLOCK_BYTES)
                tables.append(_Table(header=unit.header, data=padded, in_pixels=need.in_pixels))
        return tables

    def fetch_with(self, ranges: Sequence[Range], image: StoredImage) -> None:
        """Get ready the pixels of a part of the image together with what its coordinates and its beam need."""
        if self._reader.is_near:
            return
        planes, rows, columns = _planes_and_box(_inside(ranges, self.shape), self.shape)
        wanted = first_batch(image, region_tiles(image, planes, rows, columns))
        units = [self._find(need.name, need.extver) for need in needed_tables(self.header)]
        units.append(self._beam_table())
        for unit in units:
            if unit is not None and unit.image is None:
                wanted.append(self._reader.extra_range())
            elif unit is not None and unit.image is not None:
                other = open_image(self._reader, unit.image)
                wanted += first_batch(other, range(other.n_tiles))
        self._reader.fetch(wanted)

    def wcs(self) -> Any:
        """Make the ``astropy.wcs.WCS`` of the image, its distortion tables included."""
        return make_wcs(self.header, b"".join(table.header + table.data for table in self.tables()))

    def _beam_table(self) -> StoredUnit | None:
        """Find the table of beams of this image: of several that of its EXTVER, or else the one that follows it."""
        tables = [
            unit
            for kind in BEAM_TABLES
            for unit, (name, _) in zip(self._units[1:], self._names[1:], strict=True)
            if name == kind
        ]
        if self._own is None or len(tables) < 2:
            return tables[0] if tables else None
        own = self._own.number
        if len({self._names[unit.number][1] for unit in tables}) > 1:
            tables = [unit for unit in tables if self._names[unit.number][1] == self._names[own][1]] or tables
        return next((unit for unit in tables if unit.number > own), tables[-1])

    def beams(self, ranges: Sequence[Range]) -> CutBeams | None:
        """Cut the table of beams of the image's channels, where the file has one for it; else None."""
        unit = self._beam_table()
        if unit is None:
            return None
        axes = beam_axes(self.header, ranges, self.shape)
        rows = card_value(unit.header, "NAXIS2")
        if card_value(self.header, "CASAMBM") is not True and rows not in (axes.n_channels, axes.n_beams):
            return None
        return cut_beams(unit.header, self._data(unit), axes)


def part_ranges(sky: ImageSky, part: Part) -> tuple[Range, ...]:
    """Return the pixel range of each axis of a part, fastest axis first; raises InputError if it has no pixel."""
    region = part.region
    if part.center is not None:
        if region is not None:
            raise InputError("expected a region or a centre, found both")
        if not sky.shape:
            raise InputError("expected an image with one axis or more to cut from, found none")
        region = sky_ranges(sky.wcs(), part.center, part.size, sky.shape)
    elif part.size is not None:
        raise InputError(f"expected a centre with the size {part.size!r}, found none")
    elif region is None and part.plane is None:
        raise InputError('expected a region such as "100:200,300:400", a centre or a plane, found none')
    return parse_region(region, sky.shape, plane=part.plane, partial=part.partial)


def _inside(ranges: Sequence[Range], shape: tuple[int, ...]) -> tuple[Range, ...]:
    """Clip ranges, fastest axis first, to an image; the result has the slowest axis first."""
    return tuple((max(a, 0), min(b, length)) for (a, b), length in zip(reversed(ranges), shape, strict=True))


def _planes_and_box(inside: tuple[Range, ...], shape: tuple[int, ...]) -> tuple[list[int], Range, Range]:
    """Turn one range an axis, slowest axis first, into plane numbers and the ranges of rows and columns."""
    lead = shape[:-2]
    numbers = np.arange(math.prod(lead), dtype=np.int64).reshape(lead)
    planes: list[int] = numbers[tuple(slice(a, b) for a, b in inside[:-2])].reshape(-1).tolist()
    return planes, inside[-2] if len(shape) > 1 else (0, 1), inside[-1]


def read_part(image: StoredImage, ranges: Sequence[Range], threads: int, scratch: Scratch) -> Pixels:
    """Read stored samples of a part of an image, slowest axis first; NaN or BLANK outside of the image.

    Parameters
    ----------
    ranges
        First pixel and last + 1 for every axis, the fastest axis first.
    scratch
        Holds the samples.

    Raises
    ------
    InputError
        If they reach outside of an image of integers without BLANK.
    """
    shape = image.coding.record.shape
    wanted = tuple(reversed(ranges))
    inside = _inside(ranges, shape)
    planes, rows, columns = _planes_and_box(inside, shape)
    found = decode_region(image, planes, rows, columns, threads, scratch).reshape([b - a for a, b in inside])
    if inside == wanted:
        return found
    new_shape = tuple(b - a for a, b in wanted)
    if math.prod(new_shape) > max(MAX_FILLED_PIXELS, 4 * found.size):
        raise InputError(f"expected at most {MAX_FILLED_PIXELS} pixels with what is outside, found {new_shape}")
    whole = scratch.empty(new_shape, found.dtype)
    whole[...] = _fill_value(image)
    whole[tuple(slice(a - first, b - first) for (a, b), (first, _) in zip(inside, wanted, strict=True))] = found
    return whole


def _fill_value(image: StoredImage) -> float | int:
    record = image.coding.record
    if record.sample_type.is_float:
        return math.nan
    limits = np.iinfo(record.sample_type.dtype_str)
    if record.blank is None or not limits.min <= record.blank <= limits.max:
        raise InputError(
            "expected a cut-out inside of the image, as these integers have no BLANK to fill the outside with: "
            "cut only what is there"
        )
    return record.blank


def cutout_pieces(reader: Reader, image: StoredImage, part: Part, threads: int) -> Iterable[bytes | memoryview]:
    """Make the FITS file of a part of an image, as pieces to write in order; the file is not read for them any more.

    Raises
    ------
    InputError
        If the part is not in the image.
    FormatError, ModelError
        If the file is malformed or needs a model that is not installed.
    """
    sky = ImageSky(reader, image, threads)
    ranges = part_ranges(sky, part)
    sky.fetch_with(ranges, image)
    first = [start for start, _ in ranges]
    tables = [
        (shift_table(table.header, first) if table.in_pixels else table.header) + table.data for table in sky.tables()
    ]
    beams = sky.beams(ranges)
    header = cutout_header(sky.header, ranges)
    if beams is not None and beams.table:
        tables.append(beams.table)
    has_beams = beams is not None and bool(beams.table)
    beam = None if beams is None else beams.beam
    if beam is not None or (card_value(header, "CASAMBM") is True and not has_beams):
        header = with_beam(header, beam, has_table=has_beams)
    stored = read_part(image, ranges, threads, Scratch())
    is_fits = reader.prelude.kind is Kind.FITS
    data = iter_sample_bytes(stored, ">") if is_fits else stored_pieces(stored)
    start = with_extensions(header) if tables else header
    return chain[bytes | memoryview]((start,), data, (bytes(-stored.nbytes % BLOCK_BYTES),), tables)

"""A ``.rcz`` file that takes planes as they come, and the rest of one whose writer was ended."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from radcodec.coding.samples import native
from radcodec.container.late_writer import LateWriter, pack_opening
from radcodec.container.meta import ImageRecord, Meta
from radcodec.container.open_file import Opening, StoredPlanes
from radcodec.container.records import PlaneRecord
from radcodec.container.tile_sides import sides_fault
from radcodec.decoding.tile import ImageCoding, Pixels, SharedParts, pixel_crc, restore_tile
from radcodec.encoding.array_file import seed_of
from radcodec.encoding.bound_plan import check_unit
from radcodec.encoding.bound_spec import BoundKind
from radcodec.encoding.frame_coder import FrameCoder
from radcodec.encoding.inputs import plain_array
from radcodec.encoding.options import Bounded, EncodeOptions
from radcodec.encoding.stream_meta import StreamTotals, opening_meta
from radcodec.errors import CorruptError, GuaranteeError, InputError, LimitError
from radcodec.fits.arrays import big_endian_samples, possible_blank, sample_type_of
from radcodec.fits.parse import header_facts
from radcodec.fits.stream_header import stream_header
from radcodec.limits import MAX_PIXELS
from radcodec.pixels.bounds import ImageBounds, unpack_bounds
from radcodec.pixels.tiles import TileOption, count_tiles, plane_shape, slices, tile_grid, tile_sides
from radcodec.runtime.resources import load_header_dictionary
from radcodec.types import Mode

_DEFAULT_CELL_BOUND = 1.0  # of a bound in noise, which is known when planes come


def _stream_sides(frame_shape: tuple[int, ...], tile: TileOption) -> tuple[int, ...]:
    """Choose the sides of tiles, slowest axis first; along that axis 1, or what was given for it."""
    n_axes = len(frame_shape) + 1
    if isinstance(tile, int):
        return 1, *tile_sides(frame_shape, tile)
    first = tile[n_axes - 1] if len(tile) >= n_axes else 1
    sides = (first, *tile_sides(frame_shape, tile[: n_axes - 1]))
    if fault := sides_fault((2 * first, *frame_shape), sides):
        raise InputError(f"{fault}: choose other sides (tile)")
    return sides


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPlan:
    """What is decided about a file of planes before the first one comes."""

    dtype: np.dtype[Any]
    frame_shape: tuple[int, ...]
    opening: Meta
    options: EncodeOptions

    @property
    def record(self) -> ImageRecord:
        """The record of an image of two tiles along the slowest axis."""
        return self.opening.images[0]


def _checked_shape(shape: Sequence[Any]) -> tuple[int, ...]:
    """Read the shape of a stream, whose first length is None; gives the others."""
    axes = tuple(shape) if isinstance(shape, (tuple, list)) else ()
    if len(axes) < 3 or axes[0] is not None:
        raise InputError(
            f"expected a shape such as (None, 2048, 2048): None for the number of planes, then at least y and x, "
            f"found {shape!r:.80}"
        )
    lengths = [length for length in axes[1:] if isinstance(length, (int, np.integer)) and length > 0]
    if len(lengths) < len(axes) - 1:
        raise InputError(f"expected lengths of at least 1 behind None in the shape of a stream, found {shape!r:.80}")
    return tuple(map(int, lengths))


def plan_stream(shape: Sequence[Any], dtype: npt.DTypeLike, header: Any, options: EncodeOptions) -> StreamPlan:
    """Check what is asked of a file of planes, and make its opening.

    Raises
    ------
    InputError, BoundError, UnsupportedDataError
        If the shape, dtype, header, tile or bound is unsound.
    """
    frame_shape = _checked_shape(shape)
    try:
        kind = np.dtype(dtype).newbyteorder("=")
    except TypeError as err:
        raise InputError(f"expected a dtype such as 'f4', found {dtype!r:.80}") from err
    sides = _stream_sides(frame_shape, options.tile)
    whole = (2 * sides[0], *frame_shape)
    text = stream_header(sample_type_of(kind), whole, header)
    facts = header_facts(text, primary=True)
    if facts is None or facts.image is None:
        raise InputError("expected the cards of an image's header, found some that make it something else")
    info = facts.image
    record = ImageRecord(
        sample_type=info.sample_type,
        shape=whole,
        sides=sides,
        bscale=info.bscale,
        bzero=info.bzero,
        blank=possible_blank(info),
        unit=info.unit,
    )
    if isinstance(options.fidelity, Bounded):
        record = _asked(record, options.fidelity, text)
    return StreamPlan(dtype=kind, frame_shape=frame_shape, opening=opening_meta(text, record), options=options)


def _asked(record: ImageRecord, fidelity: Bounded, header: bytes) -> ImageRecord:
    """Say in a record what bound is asked for; E itself is known when the planes come."""
    spec = fidelity.bound
    check_unit(spec, record.unit)
    absolute = spec.kind is BoundKind.ABSOLUTE
    return replace(
        record,
        bound=_DEFAULT_CELL_BOUND if not absolute or spec.unit else spec.value,
        bound_sigma=0.0 if absolute else spec.value,
        sigma=fidelity.sigma if not absolute else None,
        has_step_map=spec.kind is BoundKind.LOCAL_SIGMA,
        dither_seed=seed_of(_sha256(header)) if fidelity.dither else None,
    )


def _sha256(data: bytes) -> bytes:
    import hashlib

    return hashlib.sha256(data).digest()


class PlaneWriter:
    """Code planes as they come and add them to a file; one thread at a time.

    Parameters
    ----------
    out
        An empty binary file, opened for reading and writing without a buffer.
    """

    def __init__(self, out: BinaryIO, plan: StreamPlan) -> None:
        self._plan = plan
        self._coder = FrameCoder(plan.record, plan.options)
        self._totals = StreamTotals(plan.opening, provenance=plan.options.provenance)
        self._waiting: list[Pixels] = []
        self._lock = threading.Lock()
        self.warnings: dict[str, None] = {}
        mode = plan.options.fidelity.mode
        opening = pack_opening(plan.opening, provenance=plan.options.provenance, dictionary=load_header_dictionary())
        self._writer = LateWriter(out, opening, mode)

    @property
    def n_written(self) -> int:
        """Frames that are in the file."""
        return self._totals.n_frames

    @property
    def n_frames(self) -> int:
        """Frames that have come; some may wait for a tile to be full."""
        return self._totals.n_frames + len(self._waiting)

    def append(self, planes: Any, *, sync: bool) -> None:
        """Code one frame, or several, and add them to the file.

        Raises
        ------
        InputError
            If they are not of the shape and dtype of the stream.
        BoundError, GuaranteeError, LimitError
            If the bound does not fit the first planes, a plane does not keep its bound, or there are too many.
        OSError
            If the system refuses. The planes before stay.
        """
        frames = self._checked(planes)
        with self._lock:
            for frame in frames:
                self._waiting.append(frame)
                if len(self._waiting) == self._plan.record.sides[0]:
                    self._flush()
            if sync:
                self._writer.sync()

    def _checked(self, planes: Any) -> Pixels:
        """Give frames as stored samples, native [n, ...]."""
        array, shape, dtype = plain_array(planes), self._plan.frame_shape, self._plan.dtype
        if array.shape != shape and array.shape[1:] != shape:
            raise InputError(f"expected a plane of the shape {shape}, or several of them, found {array.shape}")
        if not np.can_cast(array.dtype, dtype, "safe"):
            raise InputError(f"expected planes of {dtype}, found {array.dtype}: convert them first, or create another")
        total = self.n_frames + (len(array) if array.shape != shape else 1)
        if total * int(np.prod(shape, dtype=object)) > MAX_PIXELS:
            raise LimitError(f"expected at most {MAX_PIXELS} pixels in a file, found more planes: begin another file")
        stored = big_endian_samples(array.astype(dtype, copy=False).reshape((-1, *shape)))
        # FITS has no type for some: their samples are those of the type that stands for them.
        return native(stored).view(self._plan.record.sample_type.dtype_str)

    def _flush(self) -> None:
        """Code the frames that wait, and write them."""
        frames, self._waiting = self._waiting, []
        rest = plane_shape((1, *self._plan.frame_shape))
        pixels = np.ascontiguousarray(np.stack(frames)).reshape(-1, *rest[1:])
        coded = self._coder.code(pixels, self._writer.n_tiles)
        record = PlaneRecord(
            n_frames=len(frames),
            noise=coded.bounds.noise,
            set_number=coded.set_number,
            new_set=coded.new_set,
            bounds=coded.packed_bounds(bounded=self._plan.record.bound is not None),
        )
        try:
            self._writer.append(record, coded.tiles)
        except OSError:
            # The last frame may be given again; those that waited for it were taken before.
            self._waiting = frames[:-1]
            raise
        self._coder.written(coded)
        self._totals.add(record, coded.restored)
        self.warnings |= dict.fromkeys(coded.warnings)

    def close(self) -> None:
        """Code what waits, and end the file.

        Raises
        ------
        InputError
            If no plane has come.
        """
        with self._lock:
            if self._waiting:
                self._flush()
            if not self._totals.n_frames:
                raise InputError("expected at least one plane before a stream is closed, found none")
            _close(self._writer, self._totals)


def _close(writer: LateWriter, totals: StreamTotals) -> None:
    """Write what is known last; raises GuaranteeError where an interrupted call left a plane that is not counted."""
    end = totals.end()
    record = end.meta.images[0]
    if count_tiles(record.shape, record.sides) != writer.n_tiles:
        raise GuaranteeError(
            f"expected {writer.n_tiles} tiles in the file, found {totals.n_frames} planes: a call was interrupted, "
            "and radcodec recover restores the planes"
        )
    writer.close(end.meta, end.mode, bounds=end.bounds, dictionary=load_header_dictionary())


class PlaneRestorer:
    """Copy the planes of an open file to a new one, each decoded and compared with its checksums.

    Parameters
    ----------
    out
        An empty binary file.
    """

    def __init__(self, out: BinaryIO, opening: Opening) -> None:
        self._opening = opening
        self._record = opening.meta.images[0]
        self._totals = StreamTotals(opening.meta, provenance=opening.provenance)
        self._writer = LateWriter(out, opening.packed, opening.mode)
        self._sets: list[bytes] = []
        self._shared = SharedParts(b"", None)
        self._number = 0

    @property
    def n_frames(self) -> int:
        """Frames that were copied."""
        return self._totals.n_frames

    def add(self, planes: StoredPlanes) -> None:
        """Decode planes and copy them.

        Raises
        ------
        CorruptError
            If they are unsound.
        """
        record = planes.record
        sets = [*self._sets, record.new_set] if record.new_set else self._sets
        if record.set_number != self._number or record.new_set:
            self._shared = SharedParts(sets[record.set_number - 1] if record.set_number else b"", None)
            self._number = record.set_number
        restored = self._restore(planes)
        self._totals.add(record, restored)
        self._writer.append(record, planes.tiles)
        self._sets = sets

    def _restore(self, planes: StoredPlanes) -> Pixels:
        """Decode planes to samples [P, H, W], and compare these with their checksums."""
        shape = (planes.record.n_frames, *self._record.shape[1:])
        local = replace(self._record, shape=shape)
        first = self._writer.n_tiles
        bounds = self._bounds(planes.record, local)
        grid = tile_grid(shape, self._record.sides)
        seed = local.dither_seed
        if seed is not None:
            local = replace(local, dither_seed=(seed + (first << 32)) % (1 << 64))
        coding = ImageCoding(record=local, grid=grid, bounds=bounds, shared=self._shared)
        try:
            restored = np.empty(plane_shape(shape), local.sample_type.dtype_str)
        except (MemoryError, ValueError) as err:
            raise LimitError(f"planes of {shape[1:]} pixels do not fit into the memory of this machine") from err
        for number, tile in enumerate(planes.tiles):
            samples = restore_tile(coding, number, bytes(tile.mask), bytes(tile.detail), list(map(bytes, tile.stages)))
            if pixel_crc(local.sample_type, first + number, samples) != tile.pixel_crc:
                raise CorruptError(f"the pixels of tile {first + number} do not match their checksum")
            restored[slices(grid.box(number))] = samples
        return restored

    @staticmethod
    def _bounds(record: PlaneRecord, local: ImageRecord) -> ImageBounds:
        return unpack_bounds(record.bounds, local) if local.bound is not None else ImageBounds()

    def close(self) -> Mode:
        """End the new file."""
        _close(self._writer, self._totals)
        return self._opening.mode

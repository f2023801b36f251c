"""Calls of the native core while the golden files are decoded: ``python tests/native_cases/export.py FOLDER``.

Writes ``tables.bin``, ``cases.bin`` (each case with what decoding gave, which ``vectors.c`` compares), ``few.bin`` (the
two smallest of each sort) and the folder ``seeds`` of single cases, from which a fuzzer starts. ``cases.c`` says what a
case holds.
"""

from __future__ import annotations

import struct
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from corruption.samples import read

from radcodec.base.lapped import model as lapped
from radcodec.base.lapped import planes
from radcodec.base.lapped.model import LappedModel
from radcodec.base.lapped.walk import Walk
from radcodec.base.store import load_model
from radcodec.base.trellis.codes import TRELLIS_BIT
from radcodec.base.trellis.model import TrellisModel
from radcodec.base.trellis.planes import TrellisWalk
from radcodec.detail import borders, counted, learned, predictors, rounding
from radcodec.detail.near import Near, _slots, expect
from radcodec.detail.passes import TilePass, TileStreams
from radcodec.detail.tables import TableSet, default_tables
from radcodec.errors import FormatError, ModelError
from radcodec.runtime import native

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "files"
LONGEST_SEED = 30_000
MOST_OF_A_SORT = 2
LAPPED, TRELLIS = "lapped-v2", "vqvae-v1"


def little(values: Any, dtype: str) -> bytes:
    """An array as little-endian bytes, b"" for None."""
    return b"" if values is None else np.ascontiguousarray(values).astype(dtype).tobytes()


def table_file() -> bytes:
    """The tables of the package: those of details, and those of the newest lapped and trellis models."""
    details: TableSet = default_tables()
    out = bytearray((details.n_shapes,))
    for cumulative, starts in zip(details.cumulative, details.starts, strict=True):
        out += little(cumulative, "<u4") + starts.tobytes()
    model = load_model(LAPPED)
    assert isinstance(model, LappedModel)
    network, coder = model._network, planes.Coder(model._cumulative)
    for array in network._arrays:
        out += little(array, "<i4")
    out += bytes((network.struct.shift0, network.struct.shift1, network.struct.shift2))
    out += little(coder._cumulative, "<u4")
    for prices in model._price_tables:
        out += little(prices, "<f4")
    trellis = load_model(TRELLIS)
    assert isinstance(trellis, TrellisModel)
    out += little(trellis.cumulative, "<u4")
    for array in trellis._wide_network._arrays:
        out += little(array, "<i2" if array.dtype == np.int16 else "<i4")
    for prices in trellis._wide_prices:
        out += little(prices, "<f4")
    return bytes(out)


class Recorder:
    """The cases of all calls that are made while files are read."""

    def __init__(self) -> None:
        self.cases: dict[bytes, bytes] = {}
        self.shapes = list(default_tables().cumulative)

    def detail(self, kind: int, tile: TilePass, streams: TileStreams, more: tuple[Any, ...], out: Any) -> None:
        """Note a tile of the detail layer: how it is predicted, its streams, and its samples."""
        p = tile.struct
        _, special, taps, *earlier = tile._kept
        gain, dither, loop = more if more else (None, None, False)
        gain, dither = (None if a is None or not a.size else a for a in (gain, dither))
        same = [i for i, one in enumerate(self.shapes) if np.array_equal(one, streams.cumulative)]
        if not same:  # of another table set, which the programs do not have
            return
        flags = (
            (special is not None)
            + 2 * (gain is not None)
            + 4 * (dither is not None)
            + 8 * bool(loop)
            + 16 * bool(earlier)
        )
        head = (p.planes, p.height, p.width, p.level, p.clamp, p.quantum, p.mantissa, p.fill)
        sizes = (streams.words.size, streams.n_bits // 8)
        case = struct.pack("<6B", kind, flags, same[0], taps.radius, taps.border, taps.reach)
        case += struct.pack("<3H3hBd2I", *head, *sizes) + little(streams.words, "<u4")
        case += streams.raw[: sizes[1]].tobytes() + little(special, "u1") + little(gain, "<f8") + little(dither, "<f8")
        case += b"".join(little(array, "<f8") for array in (taps.own, taps.left, taps.right, taps.above))
        if earlier:
            radii, coefs, *_ = earlier
            case += struct.pack("<B2HB", len(radii), p.earlier.stride, min(p.earlier.period, 65535), p.earlier.blend)
            case += bytes(radii.tolist()) + little(coefs, "<f8")
        self.cases[case] = struct.pack("<i", native.OK) + little(out, "<f8" if kind == 0 else "<i8")

    def rice(self, code: bytes, n: int, found: Any) -> None:
        """Note a Rice code and its integers."""
        self.cases[struct.pack("<BH", 2, n) + code] = struct.pack("<i", native.OK) + little(found, "<i8")

    def border_sets(self, coefs: Any, radius: int, border: int) -> None:
        """Note a predictor and all sets of coefficients at the borders."""
        r = borders.covariance(borders.impulse_response(coefs, radius), border)
        out = struct.pack("<i", native.OK) + little(r, "<f8")
        dys, dxs = np.array(borders.tap_offsets(border), np.int64).reshape(-1, 2).T.copy()
        counts = range(border + 1 if border else 0)
        for kept in [dys <= n for n in counts] + [dxs >= -n for n in counts] + [dxs <= n for n in counts]:
            found, values = borders.best_coefficients(r, dys[kept], dxs[kept])
            assert found
            out += struct.pack("<i", native.OK) + little(values, "<f8")
        self.cases[struct.pack("<3B", 3, radius, border) + little(coefs, "<f8")] = out

    def corrections(self, code: bytes, k: Any, special: Any, near: Near, dtype: Any, found: Near) -> None:
        """Note the corrections of a tile; numbers of integers have two bytes."""
        slots, n_slots = _slots(k, len(near.pairs), special)
        if k.size >= 1 << 16 or n_slots >= 1 << 15:
            return
        case = struct.pack("<BHH", 5, k.size, n_slots) + expect(k, near, dtype).classes.tobytes()
        case += little(slots, "<i2") + bytes(code)
        self.cases[case] = struct.pack("<i", native.OK) + little(found.corrections, "<i4")

    def counted(self, code: Any, values: tuple[int, int, int], places: Any) -> None:
        """Note a tile that is mostly one value, given how many there are, the number of the usual one and a flag."""
        case = struct.pack("<B3H2HB", 6, *places.shape, *values) + code.tobytes()
        self.cases[case] = struct.pack("<i", native.OK) + little(places, "<u2")

    def lapped(self, streams: list[bytes], shape: tuple[int, int], model: LappedModel) -> None:
        """Note a tile of a lapped model, or of a trellis model: its streams, and what its pairs are."""
        trellis = isinstance(model, TrellisModel)
        code, last, _, count, *_ = lapped.read_header(bytes([streams[0][0] & ~TRELLIS_BIT]) + streams[0][1:])
        g = lapped.transform.geometry_of(shape, code)
        n_planes = lapped.planes_of_stages(count, model.n_stages)[: len(streams)]
        sides = (side - 1 for side in (g.rows, g.columns, g.height, g.width // 2))
        case = struct.pack("<5BbBB", 7 if trellis else 4, *sides, last, count, len(n_planes))
        case += bytes(n_planes)
        expected = b""
        if isinstance(model, TrellisModel):
            walk: Walk = TrellisWalk(model._wide_network, planes.Coder(model.cumulative), g)
        else:
            walk = Walk(model._network, planes.Coder(model._cumulative), g)
        sizes = np.zeros((g.rows, g.columns, g.height, g.width), np.int32)
        sign, values, done = np.zeros(sizes.shape, np.int8), np.zeros_like(sizes), 0
        for stage, number in enumerate(n_planes):
            body = streams[stage][lapped.HEADER.size :] if stage == 0 else streams[stage]
            case += struct.pack("<I", (len(body) + 3) // 4) + body + bytes(-len(body) % 4)
            walk.open(body, stage, number)
            for _ in range(number):
                after = count - 1 - done
                before, sizes = sizes, np.zeros_like(sizes)
                if isinstance(walk, TrellisWalk):
                    place, wanted = (last - after, after), None if after else values
                    walk.walk(planes.DECODE, place, (before, sizes, sign), values=wanted)
                else:
                    walk.plane(planes.DECODE, None, last - after, after, before, sizes, sign)
                done += 1
            coder = walk._coder.struct
            expected += struct.pack("<iQQQ", native.OK, coder.state, coder.n_words, coder.n)
        parts = [sizes.ravel().astype("<i4"), sign.ravel()] + [values.ravel().astype("<i4")] * trellis
        pairs = np.rec.fromarrays(parts, dtype="<i4,i1,<i4" if trellis else "<i4,i1")
        self.cases[case] = expected + pairs.tobytes()


@contextmanager
def recording() -> Iterator[Recorder]:
    """Note what is called meanwhile."""
    found, wanted = Recorder(), {load_model(name).sha256 for name in (LAPPED, TRELLIS)}
    own_float, own_int, own_rice = learned.decode_float, learned.decode_int, predictors.rice_read
    own_walk = counted.walk_back
    own_corrections = learned.decode_corrections
    own_taps = rounding.derive_taps

    def wrapped(kind: int, own: Callable[..., int]) -> Callable[..., int]:
        def call(tile: TilePass, streams: TileStreams, *more: Any) -> int:
            status = own(tile, streams, *more)
            if status == native.OK:
                found.detail(kind, tile, streams, more[:-1], more[-1])
            return status

        return call

    def rice_read(code: bytes, n: int) -> Any:
        integers = own_rice(code, n)
        found.rice(bytes(code), n, integers)
        return integers

    def decode_corrections(code: bytes, k: Any, special: Any, near: Near, dtype: Any) -> Near:
        decoded = own_corrections(code, k, special, near, dtype)
        found.corrections(code, k, special, near, dtype, decoded)
        return decoded

    def walk_back(code: Any, values: tuple[int, int, int], shape: Any) -> Any:
        places = own_walk(code, values, shape)
        found.counted(code, values, places)
        return places

    def derive_taps(coefs: Any, radius: int, border: int, reach: int) -> Any:
        found.border_sets(coefs, radius, border)
        return own_taps(coefs, radius, border, reach)

    def read_codes(kind: type[LappedModel]) -> Callable[..., Any]:
        own = kind.read_codes

        def call(model: LappedModel, streams: list[bytes], shape: tuple[int, int]) -> Any:
            by_trellis = bool(streams and streams[0] and streams[0][0] & TRELLIS_BIT)
            if streams and model.sha256 in wanted and type(model) is kind and by_trellis == (kind is TrellisModel):
                found.lapped(list(map(bytes, streams)), shape, model)
            return own(model, streams, shape)

        return call

    with (
        patch.object(learned, "decode_float", wrapped(0, own_float)),
        patch.object(learned, "decode_int", wrapped(1, own_int)),
        patch.object(learned, "decode_corrections", decode_corrections),
        patch.object(counted, "walk_back", walk_back),
        patch.object(predictors, "rice_read", rice_read),
        patch.object(rounding, "derive_taps", derive_taps),
        patch.object(LappedModel, "read_codes", read_codes(LappedModel)),
        patch.object(TrellisModel, "read_codes", read_codes(TrellisModel)),
    ):
        yield found


def sort_of(case: bytes) -> bytes:
    """What the smallest cases are taken of: how a tile is predicted, the radius and border of sets, else the case."""
    lengths = {0: 6, 1: 6, 3: 3}  # kind, flags, tables, radius, border, reach
    head = case[: lengths.get(case[0], len(case))]
    return head + case[16:18] if case[0] < 2 else head  # and quantum


def few(cases: dict[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """The smallest cases of each sort: all that differs between processors, in less time."""
    seen: Counter[bytes] = Counter()
    kept = []
    for case, expected in sorted(cases.items(), key=lambda item: len(item[0]) + len(item[1])):
        seen[sort_of(case)] += 1
        if seen[sort_of(case)] <= MOST_OF_A_SORT:
            kept.append((case, expected))
    return kept


def export(folder: Path) -> int:
    """Write tables, cases and seeds; gives the number of cases."""
    with recording() as found:
        for path in sorted(GOLDEN.glob("*.rcz")):
            with suppress(FormatError, ModelError):
                read(path.read_bytes())
    (folder / "tables.bin").write_bytes(table_file())
    seeds = folder / "seeds"
    seeds.mkdir(exist_ok=True)
    for name, cases in (("cases.bin", [*found.cases.items()]), ("few.bin", few(found.cases))):
        lengths = (struct.pack("<II", len(case), len(expected)) for case, expected in cases)
        parts = (length + case + expected for length, (case, expected) in zip(lengths, cases, strict=True))
        (folder / name).write_bytes(b"".join(parts))
    for number, case in enumerate(found.cases):
        if len(case) <= LONGEST_SEED:
            (seeds / f"{number:04d}").write_bytes(case)
    return len(found.cases)


if __name__ == "__main__":
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    print(f"{export(Path(sys.argv[1]))} cases")

"""The parts of the reference decoder, each against numbers made by hand or published by others."""

from __future__ import annotations

import struct
import warnings

import numpy as np
import pytest
import reference_decoder as ref


@pytest.mark.parametrize(
    ("data", "value"), [(b"\x00", 0), (b"\x7f", 127), (b"\x80\x01", 128), (b"\xe5\x8e\x26", 624485)]
)
def test_leb_known_values(data: bytes, value: int) -> None:
    """624485 is the example of the DWARF standard and of Wikipedia."""
    cur = ref.Cursor(data)
    assert cur.leb() == value
    cur.end()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x80\x00", "shortest form"),
        (b"\x80", "over the end"),
        (b"\xff" * 9 + b"\x02", "64 bits"),
        (b"\x80" * 10 + b"\x01", "10 bytes"),
    ],
)
def test_leb_rejects(data: bytes, message: str) -> None:
    """Padded, cut and too large numbers are rejected; 2^64 - 1 is the largest."""
    with pytest.raises(ref.RejectError, match=message):
        ref.Cursor(data).leb()
    assert ref.Cursor(b"\xff" * 9 + b"\x01").leb() == (1 << 64) - 1


def test_zig_alternates() -> None:
    """0, 1, 2, 3, 4 are 0, -1, 1, -2, 2."""
    assert [ref.unzig(z) for z in range(5)] == [0, -1, 1, -2, 2]
    assert ref.unzig((1 << 64) - 1) == -(1 << 63)


def test_splitmix_published_vector() -> None:
    """The first outputs of SplitMix64 for seed 1234567 as Rosetta Code lists them (the state grows by the constant)."""
    gamma = 0x9E3779B97F4A7C15
    got = [ref.splitmix((1234567 + i * gamma) % (1 << 64)) for i in range(5)]
    assert got == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_dither_is_splitmix_of_its_place() -> None:
    """The top 53 bits as a fraction, centred; tile number and sample number add to the seed."""
    expected = (6457827717110365317 >> 11) / 2**53 - 0.5
    assert ref.dither(1234567, 0, 0) == expected
    assert ref.dither(1234567 - 2, 0, 2) == expected
    assert ref.dither((1234567 - (3 << 32)) % (1 << 64), 3, 0) == expected


@pytest.mark.parametrize(
    ("v", "quarters", "eighths"),
    [(1.0, 0, 0), (2.0, 4, 8), (1.25, 1, 2), (1.99, 3, 7), (0.75, -2, -4), (0.0, -4000, -8000), (1e-310, -4000, -8000)],
)
def test_quarter_and_eighth_by_hand(v: float, quarters: int, eighths: int) -> None:
    """Linear steps within an octave; tiny values count as 2^-1000."""
    assert (ref.quarter(v), ref.eighth(v)) == (quarters, eighths)


def test_exponent_by_hand() -> None:
    """floor(log2 v), exact at powers of two and for subnormal numbers."""
    assert [ref.exponent(v) for v in (1.0, 1.999, 2.0, 0.5, 0.3, 5e-324)] == [0, 0, 1, -1, -2, -1074]


def test_tap_order_of_radius_1() -> None:
    """The row above from left to right, then the pixel on the left."""
    assert ref.tap_order(1) == [(1, -1), (1, 0), (1, 1), (0, -1)]


def test_rice_by_hand() -> None:
    """Four coefficients of radius 1 written bit by bit.

    Coding order is (1, 0), (0, -1), (1, -1), (1, 1). With m = 16, k = max(0, bitlength(1) - 1) = 0: c = -1 has
    z = 1: bits 1 0; m = 16 + (16 - 16 >> 2) = 16. c = 3: z = 6: 1111110; m = 16 + (96 - 16 >> 2) = 36.
    k = max(0, bitlength(2) - 1) = 1: c = 2: z = 4: q = 2, r = 0: 110 0; m = 36 + (64 - 36 >> 2) = 43.
    k = max(0, bitlength(2) - 1) = 1: c = -2: z = 3: q = 1, r = 1: 10 1.
    """
    bits = "10" + "1111110" + "1100" + "101"
    data = bytes(int(bits[i : i + 8].ljust(8, "0")[::-1], 2) for i in range(0, len(bits), 8))
    assert ref.rice_decode(data, ref.tap_order(1)) == [2, -1, -2, 3]
    with pytest.raises(ref.RejectError, match="left over"):
        ref.rice_decode(data + b"\0", ref.tap_order(1))


def test_rice_escape() -> None:
    """24 ones are followed by 48 bits, least significant first."""
    z = 2 * 123456789012
    value = (1 << 24) - 1 | z << 24
    bits = [value >> i & 1 for i in range(72)]
    # m = 16 + (16 z - 16 >> 2): k = bitlength(m >> 4) - 1 for the next, a zero: one 0 bit and k zero bits.
    m = 16 + ((16 * z - 16) >> 2)
    for _ in range(3):
        k = (m >> 4).bit_length() - 1
        bits += [0] * (1 + k)
        m += (0 - m) >> 2
    data = np.packbits(bits, bitorder="little").tobytes()
    assert ref.rice_decode(data, ref.tap_order(1)) == [0, 123456789012, 0, 0]


def test_bits_come_least_significant_first() -> None:
    """0b10110100 gives 00, then 101 and 101; the last byte's spare bits must be 0."""
    bits = ref.Bits(bytes([0b10110100]))
    assert [bits.take(2), bits.take(3), bits.take(3)] == [0, 0b101, 0b101]
    bits.end()
    with pytest.raises(ref.RejectError, match="run out"):
        bits.take(1)
    spare = ref.Bits(b"\x02")
    spare.take(1)
    with pytest.raises(ref.RejectError, match="left over"):
        spare.end()


def test_error_weights_sum_to_720() -> None:
    """As the page says."""
    assert sum(sum(weights) for _, _, weights in ref.ERROR_WEIGHTS) == 720


@pytest.mark.parametrize(
    ("shape", "sides", "expected"),
    [
        ((), (), [((0, 1), (0, 1), (0, 1))]),
        ((100,), (64,), [((0, 1), (0, 1), (0, 64)), ((0, 1), (0, 1), (64, 100))]),
        ((2, 9), (2, 5), [((0, 1), (0, 2), (0, 5)), ((0, 1), (0, 2), (5, 9))]),
        ((5, 4, 8), (2, 4, 8), [((0, 2), (0, 4), (0, 8)), ((2, 4), (0, 4), (0, 8)), ((4, 5), (0, 4), (0, 8))]),
        ((2, 3, 1, 1), (1, 2, 1, 1), [((p, q), (0, 1), (0, 1)) for p, q in ((0, 2), (2, 3), (3, 5), (5, 6))]),
        ((3, 2, 1, 1), (2, 2, 1, 1), [((p, q), (0, 1), (0, 1)) for p, q in ((0, 4), (4, 6))]),
        ((3, 0, 2), (1, 1, 2), []),
    ],
)
def test_tiles_by_hand(
    shape: tuple[int, ...], sides: tuple[int, ...], expected: list[tuple[tuple[int, int], ...]]
) -> None:
    """Regular pieces of every axis, the last one shorter; planes of two axes where the faster one is whole."""
    places = ref.tile_slices(ref.Image(9, shape, sides, 0))
    assert [tuple((part.start, part.stop) for part in place) for place in places] == expected
    assert ref.count_tiles(ref.Image(9, shape, sides, 0)) == len(expected)


def test_mask_of_both_forms() -> None:
    """Ten samples; the first and the last are special."""
    zstd = ref.zstandard.ZstdCompressor(write_content_size=True)
    own = zstd.compress(b"\x80\x40" + struct.pack("<2h", 7, -7))
    special, values = ref.read_mask(b"\0" + own, 10, np.dtype("<i2"))
    assert special.nonzero()[0].tolist() == [0, 9]
    assert values.tolist() == [7, -7]
    special, values = ref.read_mask(b"\1" + zstd.compress(struct.pack("<h", 5) + b"\x80\x40"), 10, np.dtype("<i2"))
    assert special.nonzero()[0].tolist() == [0, 9]
    assert values.tolist() == [5, 5]
    with pytest.raises(ref.RejectError, match="bitmap"):
        ref.read_mask(b"\0" + zstd.compress(b"\x80\x60" + bytes(6)), 10, np.dtype("<i2"))


def test_ans_decodes_what_constriction_writes() -> None:
    """The hand-written decoder and constriction's read the same words."""
    import constriction

    rng = np.random.default_rng(1)
    counts = rng.multinomial((1 << 24) - 128, rng.dirichlet(np.full(128, 0.1), size=3)) + 1
    rows = rng.integers(0, 3, 500)
    symbols = np.array([rng.choice(128, p=counts[row] / counts[row].sum()) for row in rows], np.int32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        models = [constriction.stream.model.Categorical((row - 1).astype(np.float32), perfect=False) for row in counts]
    coder = constriction.stream.stack.AnsCoder()
    for row, symbol in zip(rows[::-1], symbols[::-1], strict=True):
        coder.encode_reverse(np.array([symbol]), models[row])
    words = coder.get_compressed().tolist()
    ans = ref.Ans(words)
    tables = [[0, *np.cumsum(row).tolist()] for row in counts]
    assert [ans.symbol(tables[row]) for row in rows] == symbols.tolist()
    ans.end()
    again = constriction.stream.stack.AnsCoder(np.array(words, np.uint32))
    assert [int(again.decode(models[row])) for row in rows] == symbols.tolist()


def test_rejects_what_is_no_rcz_file() -> None:
    """Another magic, and a file that is cut short."""
    with pytest.raises(ref.RejectError, match="magic"):
        ref.decode_file(b"SIMPLE  =" + bytes(100))
    with pytest.raises(ref.RejectError, match="over the end"):
        ref.decode_file(ref.MAGIC)

"""Streams of the neural rivals: companded pictures [H, W] to bytes and back, entropy-coded through constriction (ANS).

Pictures larger than a tile are cut into tiles that know nothing of each other; all symbols of a picture go into one
stream. Everything that a probability depends on is an integer: symbols, what the integer hyper-decoder makes of them,
and the index of a deviation in a fixed table.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.rivals.neural.networks import (
    HYPER_CELL,
    HYPER_CHANNELS,
    N_SCALES,
    SCALES,
    Ae,
    Vae,
    interpolate,
)
from benchmarks.rivals.neural.search import DRAFT_PASSES, Fixed, choose_symbols, unit_energies
from benchmarks.types import F32, F64
from radcodec.base.companding import OUTPUT_LIMIT, OUTPUT_UNIT
from radcodec.base.convolutional.network import one_thread
from radcodec.base.convolutional.spec import CELL, LATENT_UNIT
from radcodec.base.lapped import emphasis

I32 = npt.NDArray[np.int32]
Box = tuple[slice, slice]

TILE_PX = 1024
#: Levels are stored in units of 1/16.
LEVEL_UNIT = 16
HYPER_LIMIT = 127
#: Symbols beyond 16 bits do not occur: SCALES and the range of latents see to that.
SYMBOL_LIMIT = 32767
#: Histograms of constriction want floats; counts of fewer symbols than this are stored in two bytes.
MAX_COUNT = 65535


def deviations() -> F64:
    """Return the table of deviations, in units of a symbol."""
    return np.asarray(np.geomspace(SCALES[0], SCALES[1], N_SCALES), dtype=np.float64)


def tiles(shape: tuple[int, int]) -> Iterator[Box]:
    """Yield the tiles of a picture, row by row."""
    for top in range(0, shape[0], TILE_PX):
        for left in range(0, shape[1], TILE_PX):
            yield slice(top, min(top + TILE_PX, shape[0])), slice(left, min(left + TILE_PX, shape[1]))


def padded(tile: F64, multiple: int) -> torch.Tensor:
    """Return a tile as float32 [1, 1, h, w], its sides made multiples by repeating the last row and column."""
    limit = OUTPUT_LIMIT / OUTPUT_UNIT
    margins = tuple((0, -length % multiple) for length in tile.shape)
    values = np.pad(np.clip(tile, -limit, limit).astype(np.float32), margins, mode="edge")
    return torch.from_numpy(values)[None, None]


class VaeCoder:
    """A trained VAE as a codec at levels -2 to 7, in sixteenths.

    ``plain`` encoding rounds the latents of the picture. Else symbols are searched for, and bright sources are made up
    for what coding leaves of them, as in radcodec's own lossy mode (``emphasis``).
    """

    def __init__(self, network: Vae, *, plain: bool = False) -> None:
        self.network, self.plain = network.eval().requires_grad_(False), plain

    def encode(self, picture: F64, level: float) -> bytes:
        """Encode a picture."""
        import constriction

        stored = round(level * LEVEL_UNIT)
        hypers, symbols, scales = [], [], []
        # Not inference_mode: the search asks for gradients.
        with torch.no_grad(), one_thread():
            for box in tiles((picture.shape[0], picture.shape[1])):
                hyper, tile_symbols, tile_scales = self._choose(picture[box], stored / LEVEL_UNIT)
                hypers.append(hyper.reshape(HYPER_CHANNELS, -1))
                symbols.append(tile_symbols.ravel())
                scales.append(tile_scales.ravel())
        coded, deviation = np.concatenate(symbols), deviations()[np.concatenate(scales)]
        reach = max(1, int(np.abs(coded).max()))
        ans = constriction.stream.stack.AnsCoder()
        ans.encode_reverse(coded, _gaussian(reach), np.zeros(coded.size), deviation)
        for channel, model in reversed(list(enumerate(self._hyper_models(stored / LEVEL_UNIT)))):
            ans.encode_reverse(np.concatenate([hyper[channel] for hyper in hypers]) + HYPER_LIMIT, model)
        return struct.pack("<bH", stored, reach) + ans_bytes(ans)

    def decode(self, data: bytes, shape: tuple[int, int]) -> F64:
        """Decode a stream to a picture."""
        stored, reach = struct.unpack_from("<bH", data)
        level, ans = stored / LEVEL_UNIT, ans_decoder(data[3:])
        boxes = list(tiles(shape))
        cells = [_cells(box, HYPER_CELL) for box in boxes]
        ends = np.cumsum([rows * columns for rows, columns in cells])
        hyper = np.stack([ans.decode(model, int(ends[-1])) for model in self._hyper_models(level)]) - HYPER_LIMIT
        picture = np.empty(shape, np.float64)
        with torch.inference_mode(), one_thread():
            parts = [
                part.reshape(HYPER_CHANNELS, *size)
                for part, size in zip(np.split(hyper, ends[:-1], axis=1), cells, strict=True)
            ]
            models = [self._synthesise(part, level) for part in parts]
            coded = ans.decode(
                _gaussian(reach),
                np.zeros(sum(scales.size for _, scales in models)),
                deviations()[np.concatenate([scales.ravel() for _, scales in models])],
            )
            at = 0
            for box, (mean, scales) in zip(boxes, models, strict=True):
                symbols = np.asarray(coded[at : at + scales.size], np.int32).reshape(scales.shape)
                at += scales.size
                decoded = self._decode_tile(mean, symbols, level)
                picture[box] = decoded[: box[0].stop - box[0].start, : box[1].stop - box[1].start]
        return picture

    def ideal_bits(self, picture: F64, level: float) -> float:
        """Return the bits of the symbols of a picture by the logarithms of the prior's probabilities."""
        total, stored = 0.0, round(level * LEVEL_UNIT) / LEVEL_UNIT
        with torch.no_grad(), one_thread():
            gain = self._gains(stored)[2]
            for box in tiles((picture.shape[0], picture.shape[1])):
                hyper, symbols, scales = self._choose(picture[box], stored)
                total += float(self.network.hyper_bits(torch.from_numpy(hyper)[None].float(), gain).sum())
                deviation, size = deviations()[scales], np.abs(symbols).astype(np.float64)
                erf = np.vectorize(math.erf, otypes=[np.float64])
                mass = 0.5 * (erf((size + 0.5) / deviation * 0.5**0.5) - erf((size - 0.5) / deviation * 0.5**0.5))
                total -= float(np.log2(np.maximum(mass, 2.0**-24)).sum())
        return total

    def _gains(self, level: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the gains, inverse gains and those of z at a level, [1, C, 1, 1] each."""
        net, at = self.network, torch.tensor([level])
        tables = (net.log_gain, net.log_inverse, net.log_hyper_gain)
        gain, inverse, hyper = (torch.exp(interpolate(table, at))[:, :, None, None] for table in tables)
        return gain, inverse, hyper

    def _hyper_models(self, level: float) -> list[Any]:
        """Return constriction's model of each channel of z."""
        import constriction

        with torch.inference_mode():
            grid = torch.arange(-HYPER_LIMIT, HYPER_LIMIT + 1)[None, None].double()
            gain = self._gains(level)[2].double()[:, :, 0]
            prior = self.network.prior
            masses = prior.mass((grid - 0.5) / gain, (grid + 0.5) / gain)[0].numpy()
        return [
            constriction.stream.model.Categorical(np.maximum(mass, 1e-7).astype(np.float32), perfect=False)
            for mass in masses
        ]

    def _choose(self, tile: F64, level: float) -> tuple[I32, I32, npt.NDArray[np.int64]]:
        """Return what a tile is coded as: symbols of z [8, h/16, w/16], symbols and scale indices [D, h/4, w/4]."""
        if self.plain:
            return self._analyse(tile, level)[:3]
        _, rounded, fixed = self._prepare(tile, level)
        energy = unit_energies(self.network, fixed, rounded)

        def draft(target: F64) -> F64:
            _, start, near = self._prepare(target, level)
            symbols = choose_symbols(self.network, near, start, level, energy=energy, passes=DRAFT_PASSES)
            decoded = self._decode_tile(near.mean, symbols[0].numpy().astype(np.int32), level)
            return decoded[: tile.shape[0], : tile.shape[1]].astype(np.float64)

        bright, target = emphasis.bright_parts(tile), tile
        if bright is not None:
            target = emphasis.keep_flux(tile, draft(tile), bright, draft)
        hyper, rounded, fixed = self._prepare(target, level)
        symbols = choose_symbols(self.network, fixed, rounded, level, energy=energy)
        chosen = symbols.clamp(-SYMBOL_LIMIT, SYMBOL_LIMIT)[0].numpy().astype(np.int32)
        return hyper, chosen, fixed.scales

    def _prepare(self, target: F64, level: float) -> tuple[I32, torch.Tensor, Fixed]:
        """Return the symbols of z of a target [h, w], its rounded symbols [1, D, h/4, w/4], and what a search needs."""
        hyper, rounded, scales, mean = self._analyse(target, level)
        fixed = Fixed(
            target=padded(target, HYPER_CELL), mean=mean, inverse=self._gains(level)[1], scales=scales,
            deviation=torch.from_numpy(deviations()[scales]).float()[None],
        )  # fmt: skip
        return hyper, torch.from_numpy(rounded).float()[None], fixed

    def _analyse(self, tile: F64, level: float) -> tuple[I32, I32, npt.NDArray[np.int64], torch.Tensor]:
        """Return the symbols of z [8, h/16, w/16], rounded symbols, scale indices and means [D, h/4, w/4] of a tile."""
        gain, _, hyper_gain = self._gains(level)
        latent = self.network.encoder(padded(tile, HYPER_CELL))
        hyper = torch.round(self.network.hyper(latent) * hyper_gain).clamp(-HYPER_LIMIT, HYPER_LIMIT)
        whole = hyper[0].numpy().astype(np.int32)
        mean, scales = self._synthesise(whole, level)
        symbols = torch.round((latent - mean) / LATENT_UNIT * gain).clamp(-SYMBOL_LIMIT, SYMBOL_LIMIT)
        return whole, symbols[0].numpy().astype(np.int32), scales, mean

    def _synthesise(self, hyper: I32, level: float) -> tuple[torch.Tensor, npt.NDArray[np.int64]]:
        """Return the means [1, D, h, w] in units of 1/32, and indices of deviations [D, h, w], of the symbols of z."""
        net, at = self.network, torch.tensor([level])
        units = torch.round(torch.from_numpy(hyper)[None].float() / self._gains(level)[2] * LATENT_UNIT)
        mean, log_scale = net.hyper_decoder(units)
        # Shifts in whole units too: from here on there is nothing left to round.
        shift = torch.round(interpolate(net.log_gain + net.log_correction, at) * LATENT_UNIT)[:, :, None, None]
        step = math.log(SCALES[1] / SCALES[0]) / (N_SCALES - 1)
        index = torch.round(((log_scale + shift).double() / LATENT_UNIT - math.log(SCALES[0])) / step)
        return mean, index.clamp(0, N_SCALES - 1)[0].numpy().astype(np.int64)

    def _decode_tile(self, mean: torch.Tensor, symbols: I32, level: float) -> F32:
        """Decode the pixels of a padded tile."""
        inverse = self._gains(level)[1]
        latent = torch.round(mean + torch.from_numpy(symbols)[None].float() * inverse * LATENT_UNIT)
        return np.asarray(self.network.decoder(latent)[0, 0].numpy())


class AeCoder:
    """A trained autoencoder as a codec: latents over a step, each channel with a table of its own or all in zstd."""

    def __init__(self, network: Ae) -> None:
        self.network = network.eval()

    def encode(self, picture: F64, step: float) -> bytes:
        """Encode a picture."""
        stored = struct.unpack("<f", struct.pack("<f", step))[0]
        with torch.inference_mode(), one_thread():
            parts = [
                torch.round(self.network.encoder(padded(picture[box], CELL))[0] / (LATENT_UNIT * stored))
                .clamp(-SYMBOL_LIMIT, SYMBOL_LIMIT)
                .flatten(1)
                .numpy()
                for box in tiles((picture.shape[0], picture.shape[1]))
            ]
        symbols = np.concatenate(parts, axis=1).astype(np.int32)
        candidates = [b"\0" + pack_tables(symbols), b"\1" + _zstd(symbols.astype("<i2"))]
        if np.abs(symbols).max() < 128:
            candidates.append(b"\2" + _zstd(symbols.astype(np.int8)))
        return struct.pack("<f", stored) + min(candidates, key=len)

    def decode(self, data: bytes, shape: tuple[int, int]) -> F64:
        """Decode a stream to a picture."""
        (step,), kind, body = struct.unpack_from("<f", data), data[4], data[5:]
        boxes = list(tiles(shape))
        cells = [_cells(box, CELL) for box in boxes]
        ends = np.cumsum([rows * columns for rows, columns in cells])
        if kind == 0:
            symbols = unpack_tables(body, self.network.latents, int(ends[-1]))
        else:
            flat = np.frombuffer(_unzstd(body), "<i2" if kind == 1 else np.int8)
            symbols = flat.astype(np.int32).reshape(self.network.latents, -1)
        picture = np.empty(shape, np.float64)
        with torch.inference_mode(), one_thread():
            for box, size, part in zip(boxes, cells, np.split(symbols, ends[:-1], axis=1), strict=True):
                latent = torch.from_numpy(part.reshape(1, -1, *size).astype(np.float32)) * (LATENT_UNIT * step)
                decoded = self.network.decoder(torch.round(latent))[0, 0].numpy()
                picture[box] = decoded[: box[0].stop - box[0].start, : box[1].stop - box[1].start]
        return picture


def pack_tables(rows: I32) -> bytes:
    """Code rows of integers [C, n] under their own histograms: least, greatest and counts of each row, then symbols."""
    import constriction

    ans, heads = constriction.stream.stack.AnsCoder(), []
    for row in rows[::-1]:
        low, high = int(row.min()), int(row.max())
        counts = np.bincount(row - low, minlength=high - low + 1)
        kept = np.minimum(np.ceil(counts * min(1.0, MAX_COUNT / counts.max())), MAX_COUNT).astype("<u2")
        heads.append(struct.pack("<hh", low, high) + kept.tobytes())
        if high > low:
            ans.encode_reverse((row - low).astype(np.int32), _histogram(kept))
    head = zlib.compress(b"".join(heads[::-1]), 9)
    return struct.pack("<I", len(head)) + head + ans_bytes(ans)


def unpack_tables(data: bytes, n_rows: int, length: int) -> I32:
    """Undo ``pack_tables``."""
    (n_head,) = struct.unpack_from("<I", data)
    head, ans, at = zlib.decompress(data[4 : 4 + n_head]), ans_decoder(data[4 + n_head :]), 0
    rows = np.empty((n_rows, length), np.int32)
    for row in rows:
        low, high = struct.unpack_from("<hh", head, at)
        counts = np.frombuffer(head, "<u2", count=high - low + 1, offset=at + 4)
        at += 4 + counts.nbytes
        row[:] = low + (ans.decode(_histogram(counts), length) if high > low else 0)
    return rows


def ans_bytes(ans: Any) -> bytes:
    """Return the content of a coder of constriction as little-endian words."""
    return bytes(np.asarray(ans.get_compressed()).astype("<u4").tobytes())


def ans_decoder(data: bytes) -> Any:
    """Undo ``ans_bytes``."""
    import constriction

    return constriction.stream.stack.AnsCoder(np.frombuffer(data, "<u4").astype(np.uint32))


def _gaussian(reach: int) -> Any:
    import constriction

    return constriction.stream.model.QuantizedGaussian(-reach, reach)


def _histogram(counts: npt.NDArray[Any]) -> Any:
    import constriction

    return constriction.stream.model.Categorical(counts.astype(np.float32), perfect=False)


def _cells(box: Box, side: int) -> tuple[int, int]:
    """Count the rows and columns of cells that cover a tile; with CELL those of z, as tiles are padded alike."""
    return -(-(box[0].stop - box[0].start) // side), -(-(box[1].stop - box[1].start) // side)


def _zstd(values: npt.NDArray[Any]) -> bytes:
    import zstandard

    return bytes(zstandard.ZstdCompressor(level=19).compress(values.tobytes()))


def _unzstd(data: bytes) -> bytes:
    import zstandard

    return bytes(zstandard.ZstdDecompressor().decompress(data))

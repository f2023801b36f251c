"""Simulate radio images: uv coverage, restoring beam, noise and sources.

::

    antennas -> uv tracks -> gridded weights --+--> dirty beam --+
                                               |                 |
    sources (points, blobs, double lobes) -----|-----------------*--> sky
                                               +--> noise -----------> + --> image --> FITS bytes

Everything is linear and done with FFTs on a padded grid, so that nothing wraps around the edges. The images replace
real maps in tests, the demo and training. This is not an imager: it has no gridding kernel, no w term and no cleaning.
A "clean" map is the model convolved with the restoring beam, plus noise.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

ImageKind = Literal["clean", "dirty"]
Coverage = Literal["gaussian", "tracks", "snapshot"]

#: FWHM of a Gaussian over its standard deviation, 2*sqrt(2*ln 2).
FWHM_PER_SIGMA = 2.3548200450309493
#: Directions of the three arms of the simulated Y-shaped array, degrees from north (as at the VLA).
ARM_AZIMUTHS_DEG = (355.0, 115.0, 236.0)
#: Antennas on each arm; 27 in all, as at the VLA.
ANTENNAS_PER_ARM = 9
#: A FITS card and a FITS block, bytes (FITS standard 4.0, sections 3.1 and 4.1).
CARD_BYTES = 80
BLOCK_BYTES = 2880


def simulate_image(
    shape: tuple[int, int],
    *,
    seed: int,
    beam_fwhm_px: tuple[float, float] = (4.0, 3.2),
    beam_pa_deg: float = 20.0,
    noise_rms: float = 1.5e-4,
    n_sources: int = 12,
    max_snr: float = 300.0,
    kind: ImageKind = "clean",
    uv_coverage: Coverage = "gaussian",
    primary_beam_fwhm_px: float | None = None,
) -> npt.NDArray[np.float32]:
    """Return a simulated radio image in Jy/beam, float32 [H, W].

    Parameters
    ----------
    shape : (H, W)
        Both at least 1.
    seed : int
        Same seed and options, same image (on one machine and one NumPy).
    beam_fwhm_px : (major, minor)
        Restoring beam, pixels; the dirty beam is tapered to about the same width.
    beam_pa_deg : float
        Position angle of the major axis, degrees from up (+y) towards left (-x), as BPA.
    noise_rms : float
        Jy/beam at the pointing centre. The realised rms of the noise alone is this number exactly
        (before `primary_beam_fwhm_px` makes it grow outwards).
    n_sources : int
        Sources; about half are points, the others blobs, doubles with lobes and jets. 0 gives noise only.
    max_snr : float
        Peak of the brightest source over `noise_rms`; the others follow a power law down to 1.
    kind : {"clean", "dirty"}
        Sources convolved with the restoring beam, or with the dirty beam (side lobes everywhere).
    uv_coverage : {"gaussian", "tracks", "snapshot"}
        Power spectrum of the noise: the restoring beam's, that of hours of Earth rotation, or of one instant.
    primary_beam_fwhm_px : float, optional
        Width of a Gaussian primary beam (floor 0.1) to divide by, so that the noise grows outwards.
    """
    rng = np.random.default_rng(seed)
    height, width = shape
    pad = int(np.ceil(6 * max(beam_fwhm_px)))
    grid = (height + 2 * pad, width + 2 * pad)
    restoring = _gaussian_transfer(grid, beam_fwhm_px, beam_pa_deg)
    gaussian = uv_coverage == "gaussian"
    weights = restoring if gaussian else _uv_weights(grid, beam_fwhm_px, beam_pa_deg, uv_coverage, rng)
    # Naturally weighted visibilities of variance 1/count: the noise power is the weights themselves. For the
    # Gaussian it is their square, white noise convolved with the beam: the lag-1 correlation of FIRST maps.
    amplitude = weights if gaussian else np.sqrt(weights)
    noise = _noise(grid, amplitude, noise_rms, rng)
    model = _source_model(grid, pad, beam_fwhm_px, n_sources, max_snr * noise_rms, noise_rms, rng)
    sky = _convolve(model, weights if kind == "dirty" else restoring)
    if n_sources > 0:
        sky *= max_snr * noise_rms / max(float(sky.max()), 1e-300)
    image = (sky + noise)[pad : pad + height, pad : pad + width]
    if primary_beam_fwhm_px is not None:
        image = image / _primary_beam(shape, primary_beam_fwhm_px)
    return image.astype(np.float32)


def simulate_fits(
    shape: tuple[int, int],
    *,
    seed: int,
    bitpix: Literal[-32, -64, 16] = -32,
    n_axes: Literal[2, 3, 4] = 2,
    nan_border_px: int = 0,
    beam_fwhm_px: tuple[float, float] = (4.0, 3.2),
    max_snr: float = 300.0,
    kind: ImageKind = "clean",
) -> bytes:
    """Return a whole FITS file with one simulated image in its primary HDU.

    The other options of `simulate_image` keep their defaults; see `pack_fits` for the header.
    """
    image = simulate_image(shape, seed=seed, beam_fwhm_px=beam_fwhm_px, max_snr=max_snr, kind=kind)
    if nan_border_px > 0:
        inside = np.zeros(shape, dtype=bool)
        inside[nan_border_px:-nan_border_px, nan_border_px:-nan_border_px] = True
        image[~inside] = np.nan
    return pack_fits(image, bitpix=bitpix, n_axes=n_axes, beam_fwhm_px=beam_fwhm_px)


def pack_fits(
    image: npt.NDArray[np.float32],
    *,
    bitpix: Literal[-32, -64, 16] = -32,
    n_axes: Literal[2, 3, 4] = 2,
    beam_fwhm_px: tuple[float, float] = (4.0, 3.2),
    beam_pa_deg: float = 20.0,
    cell_arcsec: float = 1.8,
) -> bytes:
    """Return a FITS file holding `image` (float32 [H, W], Jy/beam), with a standard radio header.

    The axes are RA---SIN / DEC--SIN about the image's centre, then degenerate FREQ and STOKES for `n_axes` 3 and 4.
    BMAJ, BMIN, BPA, BUNIT and a few HISTORY cards follow. With `bitpix` 16, BSCALE and BZERO scale the pixels to the
    integers' range, and NaN becomes BLANK = -32768.
    """
    cards = [_card("SIMPLE", True, "conforms to FITS standard"), _card("BITPIX", bitpix, "array data type")]
    shape_fits = [image.shape[1], image.shape[0], 1, 1][:n_axes]
    cards.append(_card("NAXIS", n_axes, "number of array dimensions"))
    cards += [_card(f"NAXIS{axis}", length, "") for axis, length in enumerate(shape_fits, start=1)]
    data, scaling = _pixels(image, bitpix)
    cards += scaling
    cards += _radio_cards(image.shape, n_axes, beam_fwhm_px, beam_pa_deg, cell_arcsec / 3600.0)
    header = "".join([*cards, "END".ljust(CARD_BYTES)]).encode("ascii")
    return _padded(header, b" ") + _padded(data, b"\0")


def _frequencies(grid: tuple[int, int]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return (v [H, 1], u [1, W//2+1]) in cycles a pixel, as `numpy.fft.rfft2` orders them."""
    v: npt.NDArray[np.float64] = np.asarray(np.fft.fftfreq(grid[0])[:, None], dtype=np.float64)
    u: npt.NDArray[np.float64] = np.asarray(np.fft.rfftfreq(grid[1])[None, :], dtype=np.float64)
    return v, u


def _gaussian_transfer(grid: tuple[int, int], fwhm_px: tuple[float, float], pa_deg: float) -> npt.NDArray[np.float64]:
    """Return the Fourier transform of a unit-integral elliptical Gaussian, float64 [H, W//2+1]."""
    v, u = _frequencies(grid)
    angle = np.deg2rad(pa_deg)
    along = -u * np.sin(angle) + v * np.cos(angle)
    across = u * np.cos(angle) + v * np.sin(angle)
    sigma_major, sigma_minor = fwhm_px[0] / FWHM_PER_SIGMA, fwhm_px[1] / FWHM_PER_SIGMA
    exponent = -2 * np.pi**2 * ((along * sigma_major) ** 2 + (across * sigma_minor) ** 2)
    return np.asarray(np.exp(exponent), dtype=np.float64)


def _uv_weights(
    grid: tuple[int, int],
    fwhm_px: tuple[float, float],
    pa_deg: float,
    coverage: Coverage,
    rng: np.random.Generator,
) -> npt.NDArray[np.float64]:
    """Return tapered gridded uv weights, float64 [H, W//2+1], zero where no baseline samples.

    A Y-shaped array, antennas spaced as a power 1.7 of their number (as at the VLA), rotates for up to ten hours. The
    longest baseline reaches 0.75 / minor FWHM cycles a pixel, where the taper has dropped to a few per cent. So the
    taper sets the width of the dirty beam, and the gaps set its side lobes.
    """
    east, north = _antennas(rng)
    hours = np.zeros(1) if coverage == "snapshot" else np.linspace(-1, 1, 240) * rng.uniform(1.5, 5.0)
    hour_angle = np.deg2rad(15.0 * (hours + rng.uniform(-2.0, 2.0)))
    declination = np.deg2rad(rng.uniform(10.0, 80.0))
    first, second = np.triu_indices(len(east), k=1)
    base_east, base_north = east[first] - east[second], north[first] - north[second]
    # Array at latitude 34 degrees: local horizon to equatorial X, Y, Z, then to u, v (Thompson et al., 4.1).
    latitude = np.deg2rad(34.0)
    base_x, base_z = -base_north * np.sin(latitude), base_north * np.cos(latitude)
    sin_h, cos_h = np.sin(hour_angle)[:, None], np.cos(hour_angle)[:, None]
    u = (sin_h * base_x + cos_h * base_east).ravel()
    v = (-np.sin(declination) * (cos_h * base_x - sin_h * base_east) + np.cos(declination) * base_z).ravel()
    reach = 0.75 / fwhm_px[1] / np.hypot(u, v).max()
    u, v = u * reach, v * reach
    counts = np.zeros(grid)
    for sign in (1.0, -1.0):
        rows = np.rint(sign * v * grid[0]).astype(np.int64) % grid[0]
        columns = np.rint(sign * u * grid[1]).astype(np.int64) % grid[1]
        np.add.at(counts, (rows, columns), 1.0)
    robust = counts / (counts + np.mean(counts[counts > 0]))
    return np.asarray(robust[:, : grid[1] // 2 + 1] * _gaussian_transfer(grid, fwhm_px, pa_deg))


def _antennas(rng: np.random.Generator) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return east and north positions of a Y-shaped array, float64 [27] each, the longest arm 1."""
    radius = (np.arange(1, ANTENNAS_PER_ARM + 1) / ANTENNAS_PER_ARM) ** 1.7
    azimuth = np.deg2rad(np.array(ARM_AZIMUTHS_DEG) + rng.uniform(-20.0, 20.0))
    east = (np.sin(azimuth)[:, None] * radius).ravel()
    north = (np.cos(azimuth)[:, None] * radius).ravel()
    jitter = rng.normal(0.0, 0.01, (2, east.size))
    return east + jitter[0], north + jitter[1]


def _noise(
    grid: tuple[int, int], amplitude: npt.NDArray[np.float64], rms: float, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Return noise of mean 0 and exactly the given rms with the given amplitude spectrum, float64 [H, W]."""
    noise = _convolve(rng.standard_normal(grid), amplitude)
    noise -= noise.mean()
    return np.asarray(noise * (rms / noise.std()), dtype=np.float64)


def _convolve(image: npt.NDArray[np.float64], transfer: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return `image` [H, W] filtered by a transfer function [H, W//2+1]."""
    return np.fft.irfft2(np.fft.rfft2(image) * transfer, s=image.shape)


def _source_model(
    grid: tuple[int, int],
    pad: int,
    fwhm_px: tuple[float, float],
    n_sources: int,
    brightest: float,
    faintest: float,
    rng: np.random.Generator,
) -> npt.NDArray[np.float64]:
    """Return point-like components on a grid, float64 [H, W]; not yet convolved, scale arbitrary."""
    model = np.zeros(grid)
    # Integral counts N(>S) ~ S^-1 between faintest and brightest, the brightest always present.
    span = faintest / max(brightest, faintest)
    for number in range(n_sources):
        flux = 1.0 if number == 0 else span / (span + (1 - span) * rng.random())
        centre_y, centre_x = rng.uniform(pad, grid[0] - pad), rng.uniform(pad, grid[1] - pad)
        sort = rng.random()
        if sort < 0.5:
            offsets, parts = np.zeros((1, 2)), np.ones(1)
        elif sort < 0.7:
            offsets = rng.normal(0.0, rng.uniform(0.5, 3.0) * fwhm_px[0], (400, 2))
            parts = np.full(400, 1 / 60)
        else:
            offsets, parts = _double_source(fwhm_px[0], rng)
        _deposit(model, centre_y + offsets[:, 0], centre_x + offsets[:, 1], flux * parts)
    return model


def _double_source(fwhm_px: float, rng: np.random.Generator) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return offsets [N, 2] (y, x pixels) and weights [N] of a core, two jets and two lobes.

    Edge-brightened (FR II: hot spots at the ends) or edge-darkened (FR I: brightest near the core), at random.
    """
    length = rng.uniform(1.5, 8.0) * fwhm_px
    angle = rng.uniform(0.0, np.pi)
    axis, side = np.array([np.sin(angle), np.cos(angle)]), np.array([np.cos(angle), -np.sin(angle)])
    edge_bright = rng.random() < 0.5
    offsets, parts = [np.zeros((1, 2))], [np.full(1, rng.uniform(0.05, 1.0))]
    for sign in (1.0, -1.0):
        along = rng.random(300) ** (0.4 if edge_bright else 1.8)
        spread = (0.1 + 0.35 * along) * fwhm_px * rng.normal(0.0, 1.0, 300)
        bend = 0.15 * length * rng.normal() * along**2
        offsets.append(sign * along[:, None] * length * axis + (spread + bend)[:, None] * side)
        parts.append(np.full(300, rng.uniform(0.5, 1.5) / 60))
        if edge_bright:
            offsets.append((sign * length * axis + bend[-1] * side)[None, :])
            parts.append(np.full(1, rng.uniform(0.3, 1.0)))
    return np.concatenate(offsets), np.concatenate(parts)


def _deposit(
    model: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    x: npt.NDArray[np.float64],
    flux: npt.NDArray[np.float64],
) -> None:
    """Add fluxes to the four pixels around each position; positions off the grid are left out."""
    inside = (y >= 0) & (x >= 0) & (y < model.shape[0] - 1) & (x < model.shape[1] - 1)
    y, x, flux = y[inside], x[inside], flux[inside]
    row, column = y.astype(np.int64), x.astype(np.int64)
    for down in (0, 1):
        for right in (0, 1):
            share = np.abs(1 - down - (y - row)) * np.abs(1 - right - (x - column))
            np.add.at(model, (row + down, column + right), flux * share)


def _primary_beam(shape: tuple[int, int], fwhm_px: float) -> npt.NDArray[np.float64]:
    """Return a Gaussian primary beam about the image's centre, floor 0.1, float64 [H, W]."""
    y = np.arange(shape[0])[:, None] - (shape[0] - 1) / 2
    x = np.arange(shape[1])[None, :] - (shape[1] - 1) / 2
    return np.maximum(np.exp(-0.5 * (x**2 + y**2) * (FWHM_PER_SIGMA / fwhm_px) ** 2), 0.1)


def _card(keyword: str, value: bool | float | str, comment: str) -> str:
    """Return one 80-character card in fixed format."""
    if isinstance(value, bool):
        text = ("T" if value else "F").rjust(20)
    elif isinstance(value, int):
        text = str(value).rjust(20)
    elif isinstance(value, float):
        text = f"{value:.12E}".rjust(20)
    else:
        text = f"'{value:<8}'".ljust(20)
    return (f"{keyword:<8}= {text}" + (f" / {comment}" if comment else "")).ljust(CARD_BYTES)[:CARD_BYTES]


def _radio_cards(
    shape: tuple[int, ...], n_axes: int, fwhm_px: tuple[float, float], pa_deg: float, cell_deg: float
) -> list[str]:
    """Return unit, beam and coordinate cards; the reference pixel is the image's centre."""
    cards = [
        _card("BUNIT", "JY/BEAM", "brightness unit"),
        _card("BMAJ", fwhm_px[0] * cell_deg, "restoring beam major axis, deg"),
        _card("BMIN", fwhm_px[1] * cell_deg, "restoring beam minor axis, deg"),
        _card("BPA", pa_deg, "restoring beam position angle, deg"),
        _card("EQUINOX", 2000.0, ""),
        _card("OBJECT", "SIMULATED", ""),
        _card("TELESCOP", "RADCODEC", "made in code, no telescope"),
    ]
    axes: tuple[tuple[str, float, float, float], ...] = (
        ("RA---SIN", 180.0, (shape[1] + 1) / 2, -cell_deg),
        ("DEC--SIN", 35.0, (shape[0] + 1) / 2, cell_deg),
        ("FREQ", 1.4e9, 1.0, 5.0e7),
        ("STOKES", 1.0, 1.0, 1.0),
    )
    for number, (ctype, crval, crpix, cdelt) in enumerate(axes[:n_axes], start=1):
        cards.append(_card(f"CTYPE{number}", ctype, ""))
        cards.append(_card(f"CRVAL{number}", crval, ""))
        cards.append(_card(f"CRPIX{number}", crpix, ""))
        cards.append(_card(f"CDELT{number}", cdelt, ""))
        cards.append(_card(f"CROTA{number}", 0.0, ""))
    cards += [f"HISTORY simulated by radcodec, step {step}".ljust(CARD_BYTES) for step in range(1, 4)]
    return cards


def _pixels(image: npt.NDArray[np.float32], bitpix: int) -> tuple[bytes, list[str]]:
    """Return big-endian pixel bytes and the scaling cards that go with them."""
    if bitpix == -32:
        return image.astype(">f4").tobytes(), []
    if bitpix == -64:
        return image.astype(">f8").tobytes(), []
    finite = image[np.isfinite(image)].astype(np.float64)
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    scale = (high - low) / 65000.0 or 1.0
    zero = (high + low) / 2
    stored = np.where(np.isfinite(image), np.rint((image.astype(np.float64) - zero) / scale), -32768)
    cards = [_card("BSCALE", scale, ""), _card("BZERO", zero, ""), _card("BLANK", -32768, "undefined pixel")]
    return stored.astype(">i2").tobytes(), cards


def _padded(content: bytes, fill: bytes) -> bytes:
    """Return `content` filled up to whole FITS blocks."""
    return content + fill * (-len(content) % BLOCK_BYTES)

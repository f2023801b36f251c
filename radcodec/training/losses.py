"""The losses that training minimises.

Both terms are logarithms of a crop's mean squared error. Halving the error counts equally in a bright crop and in blank
sky. A bit has the same effect: 6 dB at any level.
"""

from __future__ import annotations

import torch

from radcodec.base.convolutional.spec import CELL

#: Errors below this (0.1 sigma rms) hardly count, companded units squared.
RECONSTRUCTION_FLOOR = 0.01
#: Up to here (squared units of 1/32) the price is linear in the squared distance of latents. A lower floor would
#: make the price depend on ratios only, and the latents would grow without limit.
COMMITMENT_FLOOR = 100.0
#: Beam that smooths errors, and its reach, pixels: typical of surveys.
BEAM_FWHM_PX = 4.0
BEAM_REACH_PX = 5
#: Standard deviation of the noise that replaces a fine quantiser in training, latent units (of 1/32).
NOISE_LEVEL = 8.0


def reconstruction_loss(decoded: torch.Tensor, companded: torch.Tensor, beam_share: float = 0.0) -> torch.Tensor:
    """Return the mean over crops of the log mean squared error in the companded domain, scalar.

    `beam_share` of it comes from errors smoothed by a beam: the loss of a faint source's flux.
    """
    loss = _log_error(decoded, companded, RECONSTRUCTION_FLOOR)
    if beam_share == 0.0:
        return loss
    smooth = _log_error(_smoothed(decoded), _smoothed(companded), RECONSTRUCTION_FLOOR)
    return (1 - beam_share) * loss + beam_share * smooth


def commitment_loss(latent: torch.Tensor, quantised: torch.Tensor) -> torch.Tensor:
    """Return the mean over crops of the log mean squared distance of latents to their (fixed) quantised values.

    The codebooks' own loss is their moving average (van den Oord et al. 2017, appendix A.1).
    """
    return _log_error(latent, quantised.detach(), COMMITMENT_FLOOR)


def rate_loss(latent: torch.Tensor) -> torch.Tensor:
    """Estimate the bits a pixel of latents [N, D, h/4, w/4] at an error of NOISE_LEVEL, scalar.

    A latent costs half of log2(1 + z^2 / noise^2), the rate of a Gaussian of that size. Without this loss the encoder
    has no reason to concentrate its energy in few latents. Codebooks then spend bits on directions that hardly affect
    the decoder.
    """
    bits = 0.5 * torch.log2(1 + (latent / NOISE_LEVEL).square())
    return bits.sum(dim=1).mean() / CELL**2


def prior_loss(scores: torch.Tensor, tables: torch.Tensor, indices: torch.Tensor, sharpness: float) -> torch.Tensor:
    """Return the mean bits an index, scalar; between a mixture of tables (sharpness 0) and a hard choice (1).

    `scores` float32 [N, M, h, w] in natural logarithms; `tables` log2 probabilities [M, K]; `indices` int64 [N, h, w].
    The mixture -log2 sum_m p_m T_m lets every table learn. The expected length -sum_m p_m log2 T_m is linear in p, so
    its minimum is a choice of one table. The integer network also chooses one table at run time.
    """
    weights = torch.log_softmax(scores, dim=1).permute(0, 2, 3, 1)  # [N, h, w, M]
    lengths = -tables.t()[indices]  # [N, h, w, M] bits
    log_two = 0.6931471805599453
    mixture = -torch.logsumexp(weights - lengths * log_two, dim=-1) / log_two
    expected = (weights.exp() * lengths).sum(dim=-1)
    return ((1 - sharpness) * mixture + sharpness * expected).mean()


def _smoothed(image: torch.Tensor) -> torch.Tensor:
    """Return images [N, 1, H, W] under a Gaussian of BEAM_FWHM_PX and sum 1, its edges left out."""
    offset = torch.arange(-BEAM_REACH_PX, BEAM_REACH_PX + 1, dtype=torch.float32)
    line = torch.exp2(-((2 * offset / BEAM_FWHM_PX) ** 2))
    line = line / line.sum()
    return torch.nn.functional.conv2d(image, torch.outer(line, line)[None, None])


def _log_error(left: torch.Tensor, right: torch.Tensor, floor: float) -> torch.Tensor:
    """Return mean over the first axis of log(mean squared difference + floor)."""
    return torch.log((left - right).square().mean(dim=(1, 2, 3)) + floor).mean()

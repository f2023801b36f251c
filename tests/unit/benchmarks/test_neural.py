"""The neural rivals: streams come back, cost what their prior says, residuals are exact, and training trains."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from benchmarks.rivals.neural import coding, train
from benchmarks.rivals.neural.networks import Ae, Vae, gaussian_bits, level_lambda, load_network, multiply_accumulates
from benchmarks.rivals.neural.rival import NeuralAe, NeuralVae
from benchmarks.studies import learned_base
from radcodec.base.store import load_model

RIVALS = [NeuralVae(), NeuralAe()]


@pytest.fixture(scope="module")
def vae() -> coding.VaeCoder:
    """The trained VAE."""
    return coding.VaeCoder(load_network("vae"))  # type: ignore[arg-type]


def noise(shape: tuple[int, ...], seed: int = 3) -> np.ndarray:
    """Noise smoothed over three pixels, of deviation about 1."""
    white = np.random.default_rng(seed).normal(size=(*shape[:-1], shape[-1] + 2))
    return (white[..., :-2] + white[..., 1:-1] + white[..., 2:]) / 3**0.5


def test_multiply_accumulates_by_hand() -> None:
    """16 x 32, four of 32 x 32 and 32 x D inputs of 3 x 3 a cell of 16 pixels; the decoder has six in the middle."""
    for network, latents in ((Vae(), 12), (Ae(), 8)):
        found = multiply_accumulates(network)
        assert found["encoder"] == 9 * (16 * 32 + 4 * 32 * 32 + 32 * latents) // 16
        assert found["decoder"] == 9 * (latents * 32 + 6 * 32 * 32 + 32 * 16) // 16


def test_bits_of_a_gaussian_by_hand() -> None:
    """Within a half of 0 lies erf(1 / sqrt 8) of a unit Gaussian: 1.385 bits; far out bits grow as the square."""
    bits = gaussian_bits(torch.tensor([0.0, 40.0, 80.0]), torch.tensor(1.0))
    assert float(bits[0]) == pytest.approx(1.3848, abs=1e-3)
    assert float(bits[2] / bits[1]) == pytest.approx(79.5**2 / 39.5**2, rel=0.02)


def test_levels_are_even_in_logarithm() -> None:
    """The weights of the squared error go from 1/4 to 128, nine doublings in seven levels."""
    weights = level_lambda(torch.tensor([0.0, 3.5, 7.0]))
    assert weights.tolist() == pytest.approx([0.25, 0.25 * 2**4.5, 128.0], rel=1e-5)


@pytest.mark.parametrize("rival", RIVALS, ids=lambda rival: rival.name)
@pytest.mark.parametrize("shape", [(1, 7), (5, 3), (61, 35), (2, 20, 18)])
def test_streams_of_odd_shapes_with_holes(rival: NeuralVae | NeuralAe, shape: tuple[int, ...]) -> None:
    """Shape and NaN come back, finite samples near the originals; bytes are all that the decoder is given."""
    array = (5 + 2e-3 * noise(shape)).astype(np.float32)
    array.reshape(-1)[3] = np.nan
    quality = rival.qualities[-1] if rival.name == "vae" else rival.qualities[0]
    decoded = rival.decode(bytes(rival.encode(array, quality)), shape=shape, dtype=array.dtype)
    assert decoded.shape == shape
    assert decoded.dtype == np.float32
    assert np.array_equal(np.isnan(decoded), np.isnan(array))
    # Slivers are mostly padding; on pictures the finest quality removes most of the noise's variance.
    assert np.nanstd(decoded - array) < (0.7 if array.size > 500 else 2.0) * np.nanstd(array)


def test_tiles_share_one_stream(vae: coding.VaeCoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture of several tiles is what its tiles decode to one by one."""
    monkeypatch.setattr(coding, "TILE_PX", 32)
    picture = noise((40, 70))
    whole = vae.decode(vae.encode(picture, 5.0), (40, 70))
    for rows, columns in ((slice(0, 32), slice(32, 64)), (slice(32, 40), slice(64, 70))):
        part = np.ascontiguousarray(picture[rows, columns])
        assert np.array_equal(whole[rows, columns], vae.decode(vae.encode(part, 5.0), part.shape))


def test_rate_is_the_priors(vae: coding.VaeCoder) -> None:
    """Streams are as long as the logarithms of the prior's probabilities say, to a percent and a word."""
    picture = noise((192, 192))
    for level in (1.0, 4.5):
        ideal = vae.ideal_bits(picture, level)
        assert 0.99 * ideal - 8 < 8 * len(vae.encode(picture, level)) < 1.01 * ideal + 64


def test_more_bits_less_error(vae: coding.VaeCoder) -> None:
    """Bits rise and errors fall with the level, between trained levels too."""
    picture = noise((96, 96))
    found = [(len(stream := vae.encode(picture, level)), vae.decode(stream, (96, 96))) for level in (0, 2.5, 4, 7)]
    sizes = [size for size, _ in found]
    errors = [float(np.std(decoded - picture)) for _, decoded in found]
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)


def test_tables_by_hand() -> None:
    """Rows come back; 4096 fair coins take 512 bytes and a head, a constant row next to nothing."""
    coins = np.random.default_rng(1).integers(-7, -5, (1, 4096), dtype=np.int32)
    coded = coding.pack_tables(coins)
    assert np.array_equal(coding.unpack_tables(coded, 1, 4096), coins)
    assert 512 <= len(coded) < 550
    assert len(coding.pack_tables(np.full((1, 4096), 9, np.int32))) < 40


@pytest.mark.parametrize("off", [0.0, 60.0])
def test_eight_bit_residuals_are_exact(off: float) -> None:
    """Whatever is predicted, also beyond 0..255, the image comes back."""
    rng = np.random.default_rng(4)
    samples = rng.integers(0, 256, (2, 16, 20), dtype=np.uint8)
    prediction = samples + off + rng.normal(0, 3, samples.shape)
    stream, _ = learned_base.encode_bytes(samples, prediction)
    assert np.array_equal(learned_base.decode_bytes(stream, prediction), samples)


def test_eight_bit_tables_know_the_prediction() -> None:
    """Noise-free bins of the prediction say the sample: little more than the tables is left of it."""
    prediction = np.repeat(np.array([0, 5, 100, 250]), 900).reshape(1, 60, 60).astype(np.float64)
    samples = (prediction / 2).astype(np.uint8)
    stream, _ = learned_base.encode_bytes(samples, prediction)
    assert np.array_equal(learned_base.decode_bytes(stream, prediction), samples)
    assert 8 * len(stream) < samples.size


def test_order_of_floats() -> None:
    """Neighbouring floats are one apart, -0 just below 0, and every number comes back."""
    values = np.array([-np.float32(3e38), -1.5, -1e-45, -0.0, 0.0, 1e-45, 1.5, 3e38], np.float32)
    numbers = learned_base.ordered(values)
    assert (np.diff(numbers) > 0).all()
    assert numbers[4] - numbers[3] == 1
    assert learned_base.ordered(np.nextafter(values[6:7], np.float32(2)))[0] - numbers[6] == 1
    assert np.array_equal(learned_base.unordered(numbers).view(np.uint32), values.view(np.uint32))


def test_float_residuals_are_exact() -> None:
    """Floats of every size around a poor prediction come back bit for bit, the two zeros too."""
    rng = np.random.default_rng(6)
    samples = (rng.normal(size=(24, 24)) * 10.0 ** rng.integers(-30, 2, (24, 24))).astype(np.float32)
    samples[0, :2] = 0.0, -0.0
    prediction = rng.normal(size=samples.shape)
    stream = learned_base.encode_floats(samples, prediction, 1 / 256)
    back = learned_base.decode_floats(stream, prediction, 1 / 256)
    assert np.array_equal(back.view(np.uint32), samples.view(np.uint32))


def test_float_residual_costs_what_theory_says() -> None:
    """Floats in [1, 2) lie 2^-23 apart: a Gaussian of deviation d takes log2(d sqrt(2 pi e)) + 23 bits, + envelope."""
    samples = np.random.default_rng(7).normal(1.5, 0.04, (128, 128)).astype(np.float32)
    stream = learned_base.encode_floats(samples, np.full(samples.shape, 1.5), 0.04 / 256)
    theory = np.log2(0.04 * np.sqrt(2 * np.pi * np.e)) + 23
    assert theory - 0.05 <= 8 * len(stream) / samples.size < theory + 0.25


def test_a_network_may_start_as_the_vq_vae() -> None:
    """Its decoder then exports the very integers of general-v0, and its encoder has that model's weights."""
    net, arrays = Ae(), load_model("general-v0").arrays  # type: ignore[attr-defined]
    train.start_from(net, "general-v0")
    for name, layer in net.decoder.named_layers().items():
        assert np.array_equal(layer.export().weight, arrays.layers[name].weight)
        assert np.array_equal(layer.export().bias, arrays.layers[name].bias)
    for name, tensor in net.encoder.tensors().items():
        assert np.array_equal(tensor.detach().numpy(), arrays.encoder[name])


@pytest.mark.parametrize("network", [Vae, Ae], ids=lambda network: network.name)
def test_a_few_steps_lower_the_loss(network: type[Vae] | type[Ae]) -> None:
    """The loss of a fixed batch and level falls by a tenth at least."""
    torch.manual_seed(1)
    net, batch = network(), torch.from_numpy(noise((2, 1, 32, 32)).astype(np.float32))
    adam = torch.optim.Adam(net.parameters(), lr=2e-3)
    losses = []
    for _ in range(8):
        found = train.step_loss(net, batch, torch.full((2,), 3.0), rounded=False)
        adam.zero_grad()
        found[0].backward()
        adam.step()
        net.limit()
        losses.append(float(found[0].detach()))
    assert losses[-1] < 0.9 * losses[0]

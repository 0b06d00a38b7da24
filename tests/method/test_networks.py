"""Shapes, ranges and layer counts of encoders, generators and discriminators."""

import itertools

import pytest
import torch
from torch import nn

from igan_lib.method.components import build_discriminator, build_encoder, build_generators
from igan_lib.method.feature_networks import FeatureDiscriminator, FeatureEncoder, FeatureGenerator
from igan_lib.method.networks import Discriminator, FourConvEncoder, Generator, LeNetEncoder

FORMATS = list(itertools.product((28, 32), (1, 3)))
every_format = pytest.mark.parametrize(("size", "channels"), FORMATS)
with_and_without_batch_norm = pytest.mark.parametrize("batch_norm", [True, False])
NORMS = nn.modules.batchnorm._BatchNorm


def images(size, channels, n=4):
    return torch.rand(n, channels, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


def count(net, kind):
    return sum(isinstance(module, kind) for module in net.modules())


@every_format
@with_and_without_batch_norm
@pytest.mark.parametrize("name", ["lenet", "conv4"])
def test_encoder_gives_codes_between_minus_one_and_one(name, size, channels, batch_norm):
    encoder = build_encoder(name, (channels, size, size), code_length=16, batch_norm=batch_norm)
    u = encoder(images(size, channels))
    assert u.shape == (4, 16)
    assert u.abs().max() < 1 and (u > 0).any() and (u < 0).any()
    assert u.std(0).max() > 0  # different images, different codes


@every_format
@pytest.mark.parametrize("name", ["lenet", "conv4"])
def test_encoder_sees_the_whole_image(name, size, channels):
    torch.manual_seed(0)
    encoder = build_encoder(name, (channels, size, size), code_length=16).eval()
    x = images(size, channels, n=8).requires_grad_()
    (encoder(x) * torch.randn(8, 16)).sum().backward()
    seen = x.grad.abs().sum(0)  # channels x size x size
    tiles = nn.functional.avg_pool2d(seen, 2)
    assert (tiles > 0).all()


@with_and_without_batch_norm
def test_lenet_has_two_convolutions_and_two_linear_layers(batch_norm):
    encoder = LeNetEncoder(batch_norm=batch_norm)
    assert isinstance(build_encoder("lenet", (1, 28, 28)), LeNetEncoder)
    assert count(encoder, nn.Conv2d) == 2 and count(encoder, nn.Linear) == 2
    assert count(encoder, NORMS) == (3 if batch_norm else 0)
    assert encoder(images(28, 1)).shape == (4, 64)


@with_and_without_batch_norm
def test_conv4_has_four_convolutions_and_no_linear_layer(batch_norm):
    encoder = FourConvEncoder(batch_norm=batch_norm)
    assert isinstance(build_encoder("conv4", (1, 32, 32)), FourConvEncoder)
    assert count(encoder, nn.Conv2d) == 4 and count(encoder, nn.Linear) == 0
    assert count(encoder, NORMS) == (3 if batch_norm else 0)
    assert encoder(images(32, 1)).shape == (4, 64)


@pytest.mark.parametrize("net", [LeNetEncoder, FourConvEncoder, Generator])
def test_a_layer_has_a_bias_or_a_batch_norm_but_not_both(net):
    for batch_norm in (True, False):
        layers = [
            m for m in net(batch_norm=batch_norm).modules() if isinstance(m, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d))
        ]
        assert [layer.bias is None for layer in layers[:-1]] == [batch_norm] * (len(layers) - 1)
        assert layers[-1].bias is not None


@pytest.mark.parametrize("name", ["alexnet", "LeNet", ""])
def test_unknown_encoder_is_refused(name):
    with pytest.raises(ValueError, match=r"(?i)expected an encoder of .*lenet.*conv4.*mlp.*found") as caught:
        build_encoder(name, (1, 28, 28))
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize("size", [16, 27, 29, 64, 0])
def test_other_image_sizes_are_refused(size):
    with pytest.raises(ValueError, match=rf"(?i)expected images of 28 or 32 pixels, found {size}: .*size=28"):
        build_encoder("lenet", (1, size, size))


@every_format
@with_and_without_batch_norm
def test_generator_draws_images_of_the_domain_s_format(size, channels, batch_norm):
    torch.manual_seed(0)
    generator = Generator(channels, size, code_length=16, width=4, batch_norm=batch_norm)
    codes = torch.rand(4, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    x = generator(codes)
    assert x.shape == (4, channels, size, size)
    assert x.abs().max() < 1
    assert not torch.equal(x[0], x[1])
    assert count(generator, nn.ConvTranspose2d) == 4
    assert count(generator, (nn.Conv2d, nn.Linear)) == 0
    assert count(generator, NORMS) == (3 if batch_norm else 0)


@every_format
def test_every_pixel_of_a_generator_depends_on_the_code(size, channels):
    torch.manual_seed(0)
    generator = Generator(channels, size, code_length=8, width=4, batch_norm=False)
    x = generator(torch.rand(16, 8) * 2 - 1)
    assert x.std(0).min() > 0


def test_two_generators_share_no_parameter():
    first, second = Generator(width=4), Generator(width=4)
    assert not {p.data_ptr() for p in first.parameters()} & {p.data_ptr() for p in second.parameters()}
    with torch.no_grad():
        before = [p.clone() for p in second.parameters()]
        for p in first.parameters():
            p.add_(1.0)
    assert all(torch.equal(a, b) for a, b in zip(before, second.parameters(), strict=True))


@every_format
@pytest.mark.parametrize("n_classes", [2, 10])
def test_discriminator_has_one_output_more_than_classes(size, channels, n_classes):
    discriminator = Discriminator(channels, size, n_classes, width=4)
    logits = discriminator(images(size, channels))
    assert logits.shape == (4, n_classes + 1)
    assert logits.min() < 0 or logits.max() > 1  # logits, not probabilities


def test_discriminator_judges_each_image_by_itself():
    discriminator = Discriminator(width=4)
    x = images(28, 1)
    assert count(discriminator, NORMS) == 0
    alone = torch.cat([discriminator(one) for one in x.split(1)])
    assert torch.allclose(discriminator(x), alone, atol=1e-6)


def test_discriminator_sees_the_whole_image():
    for size, channels in FORMATS:
        torch.manual_seed(0)
        x = images(size, channels).requires_grad_()
        (Discriminator(channels, size, 3, width=4)(x) * torch.randn(4, 4)).sum().backward()
        assert (x.grad.abs().sum(0) > 0).all()


def features(n=4, d=12):
    return torch.rand(n, d, generator=torch.Generator().manual_seed(0)) * 3


@with_and_without_batch_norm
@pytest.mark.parametrize(
    ("name", "shape", "width"), [("lenet", (1, 28, 28), 500), ("conv4", (3, 32, 32), 4096), ("mlp", (12,), 512)]
)
def test_the_code_is_one_linear_layer_of_what_is_hidden(name, shape, width, batch_norm):
    encoder = build_encoder(name, shape, code_length=8, batch_norm=batch_norm).eval()
    x = torch.rand(5, *shape, generator=torch.Generator().manual_seed(2))
    hidden, u = encoder.hidden(x), encoder(x)
    assert hidden.shape == (5, width) and hidden.min() == 0 < hidden.max()
    (last,) = [m for m in encoder.modules() if isinstance(m, nn.Linear | nn.Conv2d)][-1:]
    expected = torch.tanh(hidden @ last.weight.flatten(1).T + last.bias)
    torch.testing.assert_close(u, expected, atol=1e-5, rtol=1e-4)


@with_and_without_batch_norm
def test_networks_on_features_have_the_shapes_and_ranges_of_those_on_images(batch_norm):
    encoder = build_encoder("mlp", (12,), code_length=16, batch_norm=batch_norm)
    assert isinstance(encoder, FeatureEncoder) and count(encoder, NORMS) == batch_norm
    u = encoder(features())
    assert u.shape == (4, 16) and u.abs().max() < 1 and u.std(0).max() > 0
    x_hat = FeatureGenerator(12, 16, hidden=8, batch_norm=batch_norm)(u)
    assert x_hat.shape == (4, 12) and x_hat.min() < 0 < x_hat.max()
    logits = FeatureDiscriminator(12, n_classes=3, hidden=8)(x_hat)
    assert logits.shape == (4, 4)


def test_discriminator_on_features_does_not_mix_the_batch():
    discriminator, x = FeatureDiscriminator(12, 3), features()
    torch.testing.assert_close(discriminator(x)[:1], discriminator(x[:1]))


def test_components_fit_the_shape_of_the_input():
    assert isinstance(build_generators((3, 32, 32), 8, 2, "two")[0], Generator)
    assert isinstance(build_discriminator((3, 32, 32), 10, 2), Discriminator)
    generator, discriminator = build_generators((12,), 8, 2, "two")[1], build_discriminator((12,), 3, 2)
    assert isinstance(generator, FeatureGenerator) and isinstance(discriminator, FeatureDiscriminator)
    assert generator.layers[0].out_features == discriminator.layers[0].out_features == 64


@pytest.mark.parametrize(("name", "shape"), [("mlp", (1, 28, 28)), ("lenet", (12,)), ("conv4", (12,))])
def test_an_encoder_that_does_not_fit_the_input_is_refused(name, shape):
    with pytest.raises(ValueError, match=r"Expected the encoder mlp for features .* found .*: change the encoder"):
        build_encoder(name, shape)

"""What a notebook shows of a trained method is what its networks give."""

import torch
from method_makers import make_pair

from igan_lib.data.images import to_unit_range
from igan_lib.experiment.evaluation import codes_and_logits, recalibrated
from igan_lib.experiment.methods import build
from igan_lib.experiment.presets import preset
from tools.samples import crosswise, sample_codes


def test_codes_of_all_test_images_or_of_evenly_spaced_ones():
    pair = make_pair(30)
    method = build(preset("bright", "pale", profile="smoke"), pair)
    net = recalibrated(method.net, pair.target.train.images)
    u, y = sample_codes(method.net, pair.target)
    torch.testing.assert_close(u, net.encode(to_unit_range(pair.target.test.images)))
    assert torch.equal(y, pair.target.test.labels)
    some, y_some = sample_codes(method.net, pair.target, 4)
    picks = [0, 9, 19, 29]
    torch.testing.assert_close(some, u[picks])
    assert torch.equal(y_some, y[picks])


def test_crosswise_is_both_generators_on_the_codes_of_the_images():
    pair = make_pair(30)
    method = build(preset("bright", "pale", profile="smoke"), pair)
    net, x = recalibrated(method.net, pair.source.train.images), pair.source.test.images[:3]
    shown, by_g_s, by_g_t = crosswise(net, method.g_s, method.g_t, x)
    torch.testing.assert_close(shown, to_unit_range(x))
    u, _ = codes_and_logits(net, x)
    for drawn, generator in ((by_g_s, method.g_s), (by_g_t, method.g_t)):
        assert generator.training  # left as it was
        torch.testing.assert_close(drawn, generator.eval()(u))
        generator.train()
    assert not torch.equal(by_g_s, by_g_t)

"""The networks, rates and settings of the methods of Tables 1 and 2, as written in their docstrings and docs."""

import inspect
from dataclasses import asdict, replace

import pytest
import torch
from recognition_makers import NAMES, data_for, make, stripes
from torch.nn import Dropout

from igan_lib.compared import adaptation, cycada, dan, duplex
from igan_lib.compared.cogan import with_own_stem
from igan_lib.compared.cycada import Translator
from igan_lib.experiment.methods import RECOGNITION_CLASSES
from igan_lib.experiment.presets import IMAGES_ONLY, VERSIONS, preset
from igan_lib.method.components import build_encoder
from igan_lib.method.config import IGANConfig
from igan_lib.training.captured import make_capturable

# ---------------------------------------------------------------- networks


@pytest.mark.parametrize(("name", "size"), [("lenet", 28), ("lenet", 32), ("conv4", 28), ("conv4", 32)])
def test_the_target_has_its_own_first_layer_and_shares_the_rest(name, size):
    encoder = build_encoder(name, (1, size, size), 8)
    own = with_own_stem(encoder)
    ids = {key: id(p) for key, p in encoder.named_parameters()}
    apart = {key for key, p in own.named_parameters() if id(p) != ids[key]}
    first = "features" if name == "lenet" else "layers"
    assert (
        apart == {f"{first}.{key}" for key in ("0.weight", "1.weight", "1.bias")}
        and own.state_dict().keys() == encoder.state_dict().keys()
    )
    x = torch.rand(4, 1, size, size)
    assert torch.equal(own.eval()(x), encoder.eval()(x)) and own.hidden(x).shape == encoder.hidden(x).shape


@pytest.mark.parametrize("name", ["cogan", "i2i"])
def test_generators_share_all_but_the_last_layer(name):
    data = stripes(12)[0] if name == "cogan" else data_for("i2i")
    method = make(name, data)
    s, t = ({key: id(p) for key, p in g.named_parameters()} for g in (method.g_s, method.g_t))
    last = max(int(key.split(".")[1]) for key in s)
    assert {key for key in s if s[key] != t[key]} == {f"layers.{last}.weight", f"layers.{last}.bias"}


@pytest.mark.parametrize("size", [28, 32])
@pytest.mark.parametrize("name", [*IMAGES_ONLY, "drcn", "duplex", "i2i"])
def test_methods_that_draw_work_on_images_of_both_sizes(name, size):
    config = preset("mnist", "usps", method=name, size=size, encoder="conv4", generator_width=2, discriminator_width=2)
    torch.manual_seed(0)
    values = {key: getattr(config, key) for key in IGANConfig.model_fields}
    method = RECOGNITION_CLASSES[name](IGANConfig(**values), (1, size, size), 3).train()
    x = torch.rand(6, 1, size, size) * 2 - 1
    losses = method.update(x, torch.tensor([0, 1, 2, 0, 1, 2]), -x)
    assert all(value.isfinite() for value in losses.values())


@pytest.mark.parametrize("size", [28, 32])
def test_a_translated_image_is_an_image(size):
    x = torch.rand(3, 2, size, size) * 2 - 1
    drawn = Translator(2, 4)(x)
    assert drawn.shape == x.shape and drawn.abs().max() < 1


# ---------------------------------------------------------------- settings


OWN = {
    "dann": {"adversarial": 1.0},
    "dan": {"mmd": 1.0},
    "adda": {"rate_share": None, "discriminator_rate": None},
    "cdan": {"adversarial": 1.0, "dropout": 0.5},
    "mstn": {"adversarial": 0.2, "keep": 0.7},
    "drcn": {"balance": None, "damage": 0.5, "by_turns": False},
    "cogan": {"classes": 10.0, "pairs": 1.0, "noise": 100, "rate_share": 1.0, "generator_rate": 1.0},
    "duplex": {"of_source": 0.2, "of_target": 0.15, "game": None},
    "cycada": {"semantic": 1.0, "cycle": 1.0, "rate_share": 0.4},
    "i2i": {"weights": None},
    "mcc": {"confusion": 1.0, "temperature": 2.5},
    "shot": {"pseudo": None, "labellings": 10},
}


@pytest.mark.parametrize("name", NAMES)
def test_settings_are_those_of_this_version(name):
    """They are in no configuration's hash, but the version is: who changes one raises it, and writes both here."""
    parameters = inspect.signature(RECOGNITION_CLASSES[name]).parameters.values()
    own = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "x_t"}
    assert own == OWN[name] and VERSIONS[name] == {"duplex": 2, "drcn": 2, "cycada": 2}.get(name, 1)


def test_shares_sizes_and_published_settings_are_those_that_are_written():
    written = {"thresholds": (0.99, 0.992), "adversarial": 1.0, "reconstruction": 10.0}
    assert asdict(duplex.PUBLISHED) == written | {"grows": False, "discriminator_rate": 1.0} and duplex.PHASE_1 == 0.1
    assert cycada.CyCADA.stage_ends == (cycada.TRANSLATED, cycada.RETRAINED) == (0.5, 0.75) and adaptation.HIDDEN == 500
    layers = make("cdan", data_for("cdan")).discriminator.modules()
    assert [layer.p for layer in layers if isinstance(layer, Dropout)] == [0.5, 0.5]
    assert dan.BANDWIDTHS == (0.25, 0.5, 1.0, 2.0, 4.0)


def test_settings_that_depend_on_the_input():
    on_features = {"z": 0.1, "id": 0.2, "tr": 0.005, "cyc": 0.0, "trc": 0.1}
    assert make("i2i", data_for("i2i")).weights == on_features
    assert make("i2i", stripes(12)[0]).weights == {"z": 0.05, "id": 0.1, "tr": 0.02, "cyc": 0.1, "trc": 0.1}
    assert [make("shot", data).pseudo for data in (data_for("shot"), stripes(12)[0])] == [0.3, 0.1]


@pytest.mark.parametrize("name", NAMES)
def test_rates_are_those_of_the_configuration(name):
    method = make(name, data_for(name), settings={"learning_rate": 0.25, "gan_learning_rate": 0.125})
    rates = {key: (opt.param_groups[0]["lr"], opt.param_groups[0]["betas"]) for key, opt in method.optimizers.items()}
    assert rates.pop("encoder") == rates.pop("classifier") == (0.25, (0.9, 0.999))
    # ADDA's are of features here.
    share, times = {"adda": (0.02, 20.0), "cycada": (0.4, 1.0)}.get(name, (1.0, 1.0))
    expected = {"target": 0.25 * share, "discriminator": 0.125 * share * times}
    for key, (rate, betas) in rates.items():
        if name == "cogan" and key == "discriminators":  # E and C are among them
            assert (rate, betas) == (0.25, (0.5, 0.999))
        else:
            assert rate == pytest.approx(expected.get(key, 0.125)) and betas == (0.5, 0.999)
    assert all("capturable" in group for opt in method.optimizers.values() for group in opt.param_groups)
    assert not make_capturable(method.optimizers, torch.device("cpu"))


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"shot", "cycada"}))
def test_a_step_asks_nothing_of_the_device(name):
    """What a graph replays: `progress` is a tensor there, and a step that reads one would raise on the meta device."""
    data = data_for(name)
    method = make(name, data).train().to("meta")
    method.progress, method.batch_t = torch.zeros((), device="meta"), torch.zeros(12, dtype=torch.int64, device="meta")
    for opt in method.optimizers.values():
        opt.step = lambda: None
    x = torch.zeros(12, *data.x_s.shape[1:], device="meta")
    losses = method.update(x, torch.zeros(12, dtype=torch.int64, device="meta"), x)
    assert method.capturable and all(value.ndim == 0 for value in losses.values())


def test_methods_whose_stage_depends_on_progress_are_not_captured():
    assert not RECOGNITION_CLASSES["shot"].capturable and not RECOGNITION_CLASSES["cycada"].capturable


@pytest.mark.parametrize(
    ("name", "own", "expected"),
    [
        ("adda", {"rate_share": 0.5, "discriminator_rate": 3.0}, {"target": 0.125, "discriminator": 0.1875}),
        ("cogan", {"rate_share": 0.5, "generator_rate": 4.0}, {"discriminators": 0.125, "generators": 0.25}),
        (
            "duplex",
            {"game": replace(duplex.PUBLISHED, discriminator_rate=3.0)},
            {"encoder": 0.25, "generator": 0.125, "discriminators": 0.375},
        ),
    ],
)
def test_shares_of_the_rates_are_of_what_comes_after_pre_training(name, own, expected):
    method = make(name, data_for(name), settings={"learning_rate": 0.25, "gan_learning_rate": 0.125}, **own)
    rates = {key: opt.param_groups[0]["lr"] for key, opt in method.optimizers.items()}
    assert rates == pytest.approx({"encoder": 0.25, "classifier": 0.25} | expected)


def test_settings_that_trials_chose_are_of_images_or_of_features():
    def of(name, shape):
        encoder = {"encoder": "mlp"} if len(shape) == 1 else {}
        return RECOGNITION_CLASSES[name](IGANConfig(**encoder), shape, 3)

    images, features = (1, 28, 28), (12,)
    for shape, sure, adversarial, times in ((images, 0.9, 0.02, 3), (features, 0.7, 0.1, 1)):
        method = of("duplex", shape)
        game = method.game
        found = [game.thresholds, game.adversarial, game.reconstruction, game.grows]
        assert found == [(sure, sure), adversarial, 0.1, True]
        assert method.optimizers["discriminators"].param_groups[0]["lr"] == pytest.approx(times * 5e-4)
    assert (of("drcn", images).balance, of("drcn", features).balance) == (0.99, 0.7)
    rates = [
        of(name, shape).optimizers[part].param_groups[0]["lr"]
        for name, shape in (("adda", images), ("adda", features), ("cycada", images))
        for part in ("target", "discriminator")
    ]
    assert rates == pytest.approx([2e-4, 2e-4, 1e-5, 2e-4, 2e-4, 2e-4])

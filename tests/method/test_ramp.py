"""What grows from zero at the start of the adaptation."""

import pytest
import torch

from igan_lib.method import igan as igan_module
from igan_lib.method.config import IGANConfig
from igan_lib.method.igan import IGAN, ramp
from tools.explain import defaults_table


def test_the_method_takes_its_factor_from_the_progress(monkeypatch):
    torch.manual_seed(0)
    config = IGANConfig(code_length=8, losses=("c",), learning_rate=0.1, threshold=0.0)
    method = IGAN(config, (1, 28, 28), 2).train()
    method.progress = 0.25
    epsilons = []
    loss = igan_module.L.classification_loss
    monkeypatch.setattr(igan_module.L, "classification_loss", lambda *given: epsilons.append(given[-1]) or loss(*given))
    x = torch.rand(4, 1, 28, 28)
    method.update(x, torch.tensor([0, 1, 0, 1]), x)
    assert epsilons == [ramp(0.25) * config.epsilon]


def updated(**settings):
    """The weights of a small IGAN after its first step."""
    torch.manual_seed(0)
    sizes = {"code_length": 8, "generator_width": 2, "discriminator_width": 2, "threshold": 0.0}
    method = IGAN(IGANConfig(**sizes, **settings), (1, 28, 28), 2).train()
    x_s, x_t = torch.rand(2, 4, 1, 28, 28, generator=torch.Generator().manual_seed(1)) * 2 - 1
    method.update(x_s, torch.tensor([0, 1, 0, 1]), x_t)
    return torch.cat([p.detach().flatten() for p in method.parameters()])


@pytest.mark.parametrize("weight", ["alpha", "beta", "chi", "adversarial", "epsilon"])
def test_the_comment_names_the_weights_that_are_zero_at_first(weight):
    why = defaults_table(IGANConfig).set_index("name").loc["ramp", "why"]
    ramped = torch.equal(updated(**{weight: 0.3}), updated(**{weight: 0.6}))
    assert ramped == (weight in why.partition(" grow")[0])
    # L_1 is whole from the first step, its target half too: G^t learns from it alone.
    assert "L_1's target half does not" in why

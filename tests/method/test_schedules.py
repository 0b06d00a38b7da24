"""The factors of the schedule: their values, that the method takes them from here, and that notebook 02 shows them."""

import math
from pathlib import Path

import nbformat
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from igan_lib.experiment.explain import defaults_table
from igan_lib.method import igan as igan_module
from igan_lib.method import schedules
from igan_lib.method.config import IGANConfig
from igan_lib.method.igan import IGAN
from igan_lib.method.schedules import cosine_decay, ramp

ROOT = Path(__file__).resolve().parents[2]
SHARES = st.floats(0, 1)


@given(SHARES)
def test_values_are_those_of_other_forms_of_the_formulas(p):
    assert ramp(p) == pytest.approx(math.tanh(5 * p), abs=1e-12)  # 2 / (1 + e^-2x) - 1 is tanh x
    assert cosine_decay(p) == pytest.approx(math.cos(math.pi * p / 2) ** 2, abs=1e-12)


@given(SHARES, SHARES)
def test_one_rises_and_the_other_falls(p, q):
    low, high = sorted((p, q))
    assert 0 <= ramp(low) <= ramp(high) <= 1
    assert 1 >= cosine_decay(low) >= cosine_decay(high) >= 0


def test_ends():
    assert ramp(0) == 0 and ramp(1) == pytest.approx(0.9999, abs=1e-5)
    assert (cosine_decay(0), cosine_decay(0.5), cosine_decay(1)) == (1, 0.5, 0)


def test_the_method_takes_its_factors_from_here(monkeypatch):
    asked = []
    monkeypatch.setattr(schedules, "ramp", lambda p: asked.append(("ramp", p)) or 0.5)
    monkeypatch.setattr(schedules, "cosine_decay", lambda p: asked.append(("decay", p)) or 0.25)
    torch.manual_seed(0)
    config = IGANConfig(code_length=8, steps=4, losses=("c",), learning_rate=0.1, threshold=0.0)
    method = IGAN(config, (1, 28, 28), 2).train()
    method.step = 1
    epsilons = []
    loss = igan_module.L.classification_loss
    monkeypatch.setattr(igan_module.L, "classification_loss", lambda *given: epsilons.append(given[-1]) or loss(*given))
    x = torch.rand(4, 1, 28, 28)
    method.update(x, torch.tensor([0, 1, 0, 1]), x)
    assert sorted(asked) == [("decay", 0.25), ("ramp", 0.25)]
    assert epsilons == [0.5 * config.epsilon]
    assert method.optimizers["encoder"].param_groups[0]["lr"] == 0.25 * 0.1


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


def test_notebook_02_shows_these_functions_and_types_no_formula_again():
    cells = nbformat.read(ROOT / "notebooks" / "02_model_and_losses.ipynb", as_version=4).cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    assert "few_lines(ramp, cosine_decay)" in code
    assert "exp(" not in code and "cos(" not in code

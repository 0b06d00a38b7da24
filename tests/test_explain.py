"""The notebooks' view of the code is the code: same behaviour, same counts, same defaults."""

import ast
import inspect
import textwrap

import pytest
import torch
from torch import nn

from igan_lib import explain, losses
from igan_lib.config import IGANConfig
from igan_lib.explain import (
    count_parameters,
    defaults_table,
    few_lines,
    gradient_reach,
    layer_table,
    source_without_docstring,
)
from igan_lib.igan import IGAN
from igan_lib.networks import Discriminator, FourConvEncoder, Generator, LeNetEncoder
from igan_lib.training import Schedule

FUNCTIONS = [f for _, f in inspect.getmembers(losses, inspect.isfunction) if f.__module__ == losses.__name__]


@pytest.mark.parametrize("function", [*FUNCTIONS, IGAN.update], ids=lambda function: function.__name__)
def test_source_is_the_function_without_its_docstring(function):
    shown = ast.parse(source_without_docstring(function)).body[0]
    whole = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert ast.get_docstring(shown) is None and ast.get_docstring(whole)
    assert ast.dump(ast.Module(shown.body, [])) == ast.dump(ast.Module(whole.body[1:], []))


def test_few_lines_shows_each_function_once():
    text = few_lines(losses.fake_loss, losses.real_label_loss).data
    assert text.count("def ") == 2 and text.startswith("```python\n") and text.endswith("\n```")


@pytest.mark.parametrize(
    ("module", "x"),
    [
        (LeNetEncoder(), torch.zeros(2, 1, 28, 28)),
        (FourConvEncoder(width=4), torch.zeros(2, 1, 32, 32)),
        (Generator(width=2), torch.zeros(2, 64)),
        (Discriminator(width=2), torch.zeros(2, 1, 28, 28)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_layer_table_ends_with_the_modules_output_and_counts_all(module, x):
    table = layer_table(module, x)
    assert table["parameters"].sum() == count_parameters(module) == sum(p.numel() for p in module.parameters())
    assert table["output"].iloc[-1] == " × ".join(str(n) for n in module(x).shape[1:])


@pytest.mark.parametrize("config", [IGANConfig, Schedule])
def test_every_default_stands_with_its_reason(config):
    table = defaults_table(config).set_index("name")
    assert set(table.index) == set(config.model_fields)
    for name, field in config.model_fields.items():
        shown = table.loc[name, "default"]
        if isinstance(field.default, tuple):
            assert shown == ", ".join(field.default)
        elif isinstance(field.default, float):
            assert float(shown) == field.default
        else:
            assert shown == str(field.default)
        assert len(table.loc[name, "why"]) > 10, name


def test_gradient_reach():
    first, second = nn.Linear(2, 2), nn.Linear(2, 1)
    x = torch.ones(3, 2)
    through = second(first(x)).sum()
    cut = second(first(x).detach()).sum()
    table = gradient_reach({"through": through, "cut": cut}, {"first": first, "second": second})
    assert table.loc["through"].tolist() == [True, True]
    assert table.loc["cut"].tolist() == [False, True]


def test_text_table_shows_whole_texts():
    import pandas as pd

    long = "a reason that is much longer than what a table usually shows, " * 3
    assert long.strip() in str(explain.text_table(pd.DataFrame({"why": [long.strip()]})).to_html())

"""The notebooks' view of the code is the code: same behaviour, same counts, same defaults."""

import ast
import functools
import inspect
import textwrap

import pandas as pd
import pytest
import torch
from claim_makers import results
from method_makers import one_sentence
from torch import nn

from igan_lib.errors import ConfigError
from igan_lib.method import losses
from igan_lib.method.config import IGANConfig
from igan_lib.method.igan import IGAN
from igan_lib.method.networks import Discriminator, FourConvEncoder, Generator, LeNetEncoder
from igan_lib.reproduction.claims import claim_parts, claim_verdicts
from igan_lib.reproduction.results import frame
from igan_lib.reproduction.studies import A_W, M_U
from igan_lib.training.schedule import Schedule
from tools.explain import (
    claim_list,
    count_parameters,
    defaults_table,
    few_lines,
    gradient_reach,
    layer_table,
    part_table,
    source_without_docstring,
    text_table,
)
from tools.training_views import configure

FUNCTIONS = [f for _, f in inspect.getmembers(losses, inspect.isfunction) if f.__module__ == losses.__name__]


@pytest.mark.parametrize("function", [*FUNCTIONS, IGAN.update], ids=lambda function: function.__name__)
def test_source_is_the_function_without_its_docstring(function):
    shown = ast.parse(source_without_docstring(function)).body[0]
    whole = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert ast.get_docstring(shown) is None and ast.get_docstring(whole)
    assert ast.dump(ast.Module(shown.body, [])) == ast.dump(ast.Module(whole.body[1:], []))


def twice(x):
    """Twice."""
    return 2 * x  # kept


def wrapping(x):
    return twice(x)


def test_the_shown_source_runs_alike_and_is_that_of_the_wrapped_function():
    shown = source_without_docstring(functools.wraps(twice)(wrapping))
    assert shown == "def twice(x):\n    return 2 * x  # kept"
    namespace = {}
    exec(shown, namespace)
    assert namespace["twice"](21) == 42 and namespace["twice"].__doc__ is None


def test_few_lines_is_a_block_of_python_with_two_blank_lines_between_functions():
    fence, *lines, end = few_lines(losses.fake_loss, losses.real_label_loss, twice).data.splitlines()
    assert (fence, end) == ("```python", "```")
    whole = [source_without_docstring(f) for f in (losses.fake_loss, losses.real_label_loss, twice)]
    assert "\n".join(lines) == "\n\n\n".join(whole)


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


def test_layer_table_of_a_toy_network():
    network = nn.Sequential(
        nn.Identity(), nn.Conv2d(1, 2, 3, stride=2), nn.MaxPool2d(2, stride=1), nn.Flatten(), nn.Linear(8, 3)
    )
    has_graph = []
    network[-1].register_forward_hook(lambda _, __, y: has_graph.append(y.requires_grad))
    assert layer_table(network, torch.zeros(1, 1, 7, 7)).values.tolist() == [
        ["Conv2d 3 × 3, stride 2", "2 × 3 × 3", 20],
        ["MaxPool2d 2 × 2", "2 × 2 × 2", 0],
        ["Flatten", "8", 0],
        ["Linear", "3", 27],
    ]
    assert has_graph == [False]
    assert not network[1]._forward_hooks


class WithOwnWeight(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.scale = nn.Linear(2, 2), nn.Parameter(torch.ones(5))

    def forward(self, x):
        return self.inner(x) * self.scale.sum()


def test_layer_table_counts_weights_beside_the_layers():
    rows = layer_table(WithOwnWeight(), torch.ones(1, 2)).values.tolist()
    assert rows == [["Linear", "2", 6], ["WithOwnWeight", "2", 5]]


def test_layer_table_leaves_statistics_mode_and_random_state_as_they_were():
    network = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout())
    kept = {name: value.clone() for name, value in network.state_dict().items()}
    random = torch.get_rng_state()
    layer_table(network, torch.full((4, 2), 9.0))
    assert all(torch.equal(network.state_dict()[name], value) for name, value in kept.items())
    assert network.training and network[0].training
    assert torch.equal(torch.get_rng_state(), random)


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


def test_a_gradient_of_zero_reaches_nothing():
    a, b, c = nn.Linear(1, 1), nn.Linear(1, 1), nn.Linear(1, 1)
    x = torch.ones(1, 1)
    table = gradient_reach({"loss": (a(x) + 0 * b(x)).sum()}, {"a": a, "b": b, "c": c})
    assert table.loc["loss"].to_dict() == {"a": True, "b": False, "c": False}


def test_frozen_weights_are_left_out_and_a_frozen_part_is_one_sentence():
    half, frozen = nn.Linear(1, 1), nn.Linear(1, 1).requires_grad_(False)
    half.bias.requires_grad_(False)
    loss = frozen(half(torch.ones(1, 1))).sum()
    assert gradient_reach({"loss": loss}, {"half": half}).loc["loss", "half"]
    with pytest.raises(ConfigError) as caught:
        gradient_reach({"loss": loss}, {"half": half, "D^s": frozen})
    one_sentence(caught.value, "found none in D^s:")


def test_text_table_shows_whole_texts():
    long = "a reason that is much longer than what a table usually shows, " * 3
    assert long.strip() in str(text_table(pd.DataFrame({"why": [long.strip()]})).to_html())


def test_numbers_have_thousands_and_one_decimal():
    page = text_table(pd.DataFrame({"n": [25000], "x": [0.123]}, index=["hidden"])).to_html()
    assert "25,000" in page and ">0.1<" in page and "hidden" not in page and ">n<" in page


def test_a_claim_is_its_verdict_its_sentence_and_a_difference_a_line():
    runs = frame(results("table3", "igan", A_W, [80.0, 81.0]) + results("table3", "SuH", A_W, [90.0, 92.0]))
    decided = claim_verdicts(runs)
    blocks = claim_list(decided).data.split("\n\n")
    assert len(blocks) == 3 * len(decided)
    for claim, head, sentence, parts in zip(decided.itertuples(), blocks[::3], blocks[1::3], blocks[2::3], strict=True):
        assert head == f"**{claim.verdict.capitalize()}**, Section {claim.section}, n = {claim.n}"
        assert sentence == "> " + claim.sentence.replace("_", r"\_")
        assert all(line.startswith("- ") and line.count("[") <= 1 for line in parts.splitlines())
    supervised = blocks[3 * decided["claim"].tolist().index("3-supervised") + 2].splitlines()
    assert len(supervised) == 2 and supervised[0].count("amazon → webcam") == 1 and "queried, frozen" in supervised[0]


def test_the_parts_of_claims_are_told_as_they_were_computed():
    runs = frame(results("table1", "igan", M_U, [96.0, 96.5, 97.0, 97.5, 98.0]))
    parts = claim_parts(runs)
    there = parts[parts["n"] > 0]
    shown = part_table(parts).data
    assert len(shown) == len(there) > 0 and shown["verdict"].tolist() == there["verdict"].tolist()
    for line, part in zip(shown.to_dict("records"), there.itertuples(), strict=True):
        assert line["ours"] == f"{part.mean:+.1f}" and line["paper"] == f"{part.paper:+.1f}"
        assert line["95 % of further runs"] == f"{part.predicted_low:+.1f} to {part.predicted_high:+.1f}"
        assert (line["claim"], line["comparison"], line["column"]) == (part.claim, part.comparison, part.column)
    alone = part_table(claim_parts(frame(results("table1", "igan", M_U, [96.0])))).data
    assert set(alone["95 % of further runs"]) == {""}
    assert part_table(claim_parts(frame([]))).data.empty


@pytest.mark.parametrize("overrides", ["{alpha: 0.2}", "", "[1]", "0.2", {"alpha": 0.2}])
def test_overrides_that_are_no_mapping_in_quotes_get_a_sentence(overrides):
    with pytest.raises(ConfigError) as error:
        configure("mnist5k", "digits", overrides=overrides, profile="smoke")
    one_sentence(error.value, """'{"alpha": 0.2}'""")


def test_overrides_replace_values_of_the_profile():
    found = configure("mnist5k", "digits", overrides='{"alpha": 0.2, "losses": ["c", "s"]}', profile="smoke")
    assert found.alpha == 0.2 and found.losses == ("c", "s") and found.profile == "smoke"

"""Help for reading the code in a notebook: a function without its docstring, layers, defaults with their reasons."""

import ast
import copy
import inspect
import re
import textwrap
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown
from pandas.io.formats.style import Styler
from pydantic import BaseModel
from torch import Tensor, nn

from igan_lib.errors import ConfigError


def few_lines(*functions: Callable) -> Markdown:
    """The source of functions as they run: signatures, bodies and comments, without the docstrings."""
    source = "\n\n\n".join(source_without_docstring(f) for f in functions)
    return Markdown(f"```python\n{source}\n```")


def source_without_docstring(function: Callable) -> str:
    """The source of a function or a method, dedented, its docstring left out; of a wrapped one, what it wraps.

    The docstring stands on lines of its own, and code follows it.
    """
    source = textwrap.dedent(inspect.getsource(function))
    (definition,), lines = ast.parse(source).body, source.splitlines()
    if ast.get_docstring(definition) is not None:
        docstring = definition.body[0]
        del lines[docstring.lineno - 1 : docstring.end_lineno]
    return "\n".join(lines)


def text_table(frame: pd.DataFrame) -> Styler:
    """A table whose words can be read in a notebook: no index, to the left, numbers with thousands separators."""
    left = {"selector": "th, td", "props": "text-align: left; max-width: 50em"}
    return frame.style.hide(axis="index").set_table_styles([left]).format(thousands=",", precision=1)


def part_table(parts: pd.DataFrame) -> Styler:
    """The lines of `claims.claim_parts` that were run, in points, so narrow that a window shows them whole."""
    rows = [
        {
            "claim": part.claim,
            "comparison": part.comparison,
            "column": part.column,
            "beside": part.beside,
            "n": part.n,
            "ours": f"{part.mean:+.1f}",
            "95 % of further runs": _unless_missing(f"{part.predicted_low:+.1f} to {part.predicted_high:+.1f}"),
            "paper": _unless_missing(f"{part.paper:+.1f}"),
            "share": _unless_missing(f"{part.share:.0%}"),
            "verdict": part.verdict,
        }
        for part in parts[parts["n"] > 0].itertuples()
    ]
    return text_table(pd.DataFrame(rows))


def _unless_missing(number: str) -> str:
    return "" if "nan" in number else number


def claim_list(claims: pd.DataFrame) -> Markdown:
    """The claims of `claims.claim_verdicts`: the verdict, the paper's sentence, then a difference a line."""
    lines = []
    for claim in claims.itertuples():
        lines += [f"**{claim.verdict.capitalize()}**, Section {claim.section}, n = {claim.n}", f"> {claim.sentence}"]
        lines.append("\n".join(f"- {part}" for part in claim.numbers.split("; ")))
    return Markdown("\n\n".join(lines).replace("_", r"\_"))


@torch.no_grad()
def layer_table(module: nn.Module, x: Tensor) -> pd.DataFrame:
    """The layers of `module` in the order in which `x` passes them: layer, output shape of one item, parameters.

    A layer is a module without others in it, or one that has parameters of its own beside theirs. A copy of `module` in
    eval mode is run, so that neither its batch-norm statistics nor its mode change.
    """
    rows: list[tuple[str, str, int]] = []
    ran = copy.deepcopy(module).eval()
    for layer in ran.modules():
        has_own = bool(list(layer.parameters(recurse=False)))
        if has_own or (not list(layer.children()) and not isinstance(layer, nn.Identity)):
            layer.register_forward_hook(lambda layer, _, y: rows.append(_row(layer, y)))
    ran(x)
    return pd.DataFrame(rows, columns=["layer", "output", "parameters"])


def _row(layer: nn.Module, y: Tensor) -> tuple[str, str, int]:
    name = type(layer).__name__
    if hasattr(layer, "kernel_size"):
        kernel, stride = (np.broadcast_to(size, 2) for size in (layer.kernel_size, layer.stride))
        name += f" {kernel[0]} × {kernel[1]}" + (f", stride {stride[0]}" if stride[0] > 1 else "")
    own = sum(p.numel() for p in layer.parameters(recurse=False))
    return name, " × ".join(str(n) for n in y.shape[1:]), own


def count_parameters(module: nn.Module) -> int:
    """Number of trained values in `module`."""
    return sum(p.numel() for p in module.parameters())


def defaults_table(config: type[BaseModel]) -> pd.DataFrame:
    """The fields of a configuration: name, default as text, and the comment beside it in the source."""
    reasons = dict(re.findall(r"^    (\w+): .*?  # (.*)$", inspect.getsource(config), flags=re.MULTILINE))
    values = {name: field.default for name, field in config.model_fields.items()}
    texts = [", ".join(value) if isinstance(value, tuple) else str(value) for value in values.values()]
    return pd.DataFrame({"name": list(values), "default": texts, "why": [reasons.get(name, "") for name in values]})


def gradient_reach(losses: Mapping[str, Tensor], parts: Mapping[str, nn.Module]) -> pd.DataFrame:
    """Whether each loss (a row) has a gradient in the weights of each part (a column) that is not zero.

    Args:
        losses: name -> scalar with its graph, which is kept.
        parts: name -> module; weights that are frozen are left out.

    Raises:
        ConfigError: a part has no weight that is trained.
    """
    weights = {name: [p for p in part.parameters() if p.requires_grad] for name, part in parts.items()}
    if frozen := [name for name, trained in weights.items() if not trained]:
        names = ", ".join(frozen)
        raise ConfigError(f"Expected trained weights in each part, found none in {names}: leave it out or unfreeze it.")

    def reached(loss: Tensor, trained: list[Tensor]) -> bool:
        gradients = torch.autograd.grad(loss, trained, retain_graph=True, allow_unused=True)
        return any(g is not None and bool(g.any()) for g in gradients)

    rows = [[reached(loss, trained) for trained in weights.values()] for loss in losses.values()]
    return pd.DataFrame(rows, index=list(losses), columns=list(parts))

"""Help for reading the code in a notebook: a function without its docstring, layers, defaults with their reasons."""

import ast
import copy
import inspect
import re
import textwrap
from collections.abc import Callable, Mapping

import pandas as pd
import torch
from IPython.display import HTML
from pandas.io.formats.style import Styler
from pydantic import BaseModel
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from torch import Tensor, nn

from igan_lib.errors import ConfigError

# Colours and font stand in the element itself: the page of an exported notebook has styles for code in its cells alone,
# and sets the rest in a proportional font that breaks long lines within words.
_PRE = "color: #222; font-family: monospace; white-space: pre; overflow-x: auto; word-break: normal; padding: 0.4em"


def few_lines(*functions: Callable) -> HTML:
    """The source of functions as they run: signatures, bodies and comments, without the docstrings.

    One <pre> element, coloured as Python; a line that is too long for the page scrolls sideways.
    """
    source = "\n\n\n".join(source_without_docstring(f) for f in functions)
    return HTML(highlight(source, PythonLexer(), HtmlFormatter(noclasses=True, prestyles=_PRE)))


def text_table(frame: pd.DataFrame) -> Styler:
    """A table whose words can be read in a notebook: no index, to the left, numbers with thousands separators."""
    left = {"selector": "th, td", "props": "text-align: left; max-width: 50em"}
    return frame.style.hide(axis="index").set_table_styles([left]).format(thousands=",", precision=1)


def source_without_docstring(function: Callable) -> str:
    """The source of a function or a method, dedented, its docstring left out; of a wrapped one, what it wraps.

    What is left runs alike: `pass` stands where there is nothing but the docstring.
    """
    source = textwrap.dedent(inspect.getsource(function))
    definition = ast.parse(source).body[0]
    lines = source.splitlines()
    if ast.get_docstring(definition, clean=False) is not None:
        docstring, *rest = definition.body
        first, last = docstring.lineno - 1, docstring.end_lineno - 1
        # ast counts columns in bytes.
        before = lines[first].encode()[: docstring.col_offset].decode()
        if not rest:
            lines[first : last + 1] = [f"{before}pass"]
        elif rest[0].lineno - 1 == last:  # the body goes on in the docstring's line
            lines[first : last + 1] = [before + lines[last].encode()[rest[0].col_offset :].decode()]
        else:
            del lines[first : last + 1]
    return "\n".join(lines).rstrip()


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


def count_parameters(module: nn.Module) -> int:
    """Number of trained values in `module`."""
    return sum(p.numel() for p in module.parameters())


def _row(layer: nn.Module, y: Tensor) -> tuple[str, str, int]:
    name = type(layer).__name__
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.MaxPool2d):
        kernel, stride = (v if isinstance(v, tuple) else (v, v) for v in (layer.kernel_size, layer.stride))
        name += f" {kernel[0]} × {kernel[1]}"
        if stride != (1, 1):
            name += f", stride {stride[0]}" + (f" × {stride[1]}" if stride[1] != stride[0] else "")
    own = sum(p.numel() for p in layer.parameters(recurse=False))
    return name, " × ".join(str(n) for n in y.shape[1:]), own


def defaults_table(config: type[BaseModel]) -> pd.DataFrame:
    """The fields of a configuration: name, default as text, and the comment beside it in the source."""
    comments = re.findall(r"^    (\w+): .*?  # (.*)$", inspect.getsource(config), flags=re.MULTILINE)
    reasons = dict(comments)
    rows = [(name, _text(field.default), reasons.get(name, "")) for name, field in config.model_fields.items()]
    return pd.DataFrame(rows, columns=["name", "default", "why"])


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(_text(v) for v in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def gradient_reach(losses: Mapping[str, Tensor], parts: Mapping[str, nn.Module]) -> pd.DataFrame:
    """Whether each loss (a row) has a gradient in the weights of each part (a column) that is not zero.

    Args:
        losses: name -> scalar with its graph, which is kept.
        parts: name -> module; weights that are frozen are left out.

    Raises:
        ConfigError: a part without a weight that is trained, for which the question has no answer.
    """
    weights = {name: [p for p in part.parameters() if p.requires_grad] for name, part in parts.items()}
    frozen = [name for name, trained in weights.items() if not trained]
    if frozen:
        raise ConfigError(
            f"Expected weights that are trained in each part, found none in {', '.join(frozen)}: "
            "leave that part out, or call requires_grad_() on it before the losses are computed."
        )
    rows = []
    for loss in losses.values():
        reached = []
        for trained in weights.values():
            gradients = torch.autograd.grad(loss, trained, retain_graph=True, allow_unused=True)
            reached.append(any(g is not None and bool(g.any()) for g in gradients))
        rows.append(reached)
    return pd.DataFrame(rows, index=list(losses), columns=list(parts))

"""LaTeX to MathML, which browsers draw without a script.

latex2mathml does the work. What it can't translate fails here, and what browsers space or size badly is mended.
"""

import re
from xml.etree import ElementTree

from latex2mathml.converter import convert

from igan_lib.errors import ConfigError

# What browsers draw of MathML: https://www.w3.org/TR/mathml-core/
DRAWN = re.compile(
    "m(ath|row|i|n|o|s|text|space|frac|sqrt|root|sub|sup|subsup|under|over|underover|table|tr|td|style|padded|phantom)"
)
CLOSING = tuple(")]}|‖")


def mathml(latex: str, display: str = "inline") -> str:
    r"""A formula as MathML.

    Args:
        latex: without its dollars, such as \frac{1}{d} u_i^\top u_j.
        display: "inline" or "block".

    Raises:
        ConfigError: it holds a command that can't be drawn, or its braces do not match.
    """
    try:
        made = convert(latex.replace(r"\arg", r"\mathrm{arg}\,"), display=display)
        root = ElementTree.fromstring(made.replace(' xmlns="http://www.w3.org/1998/Math/MathML"', ""))
    except Exception as error:  # latex2mathml has a class for each kind of fault, without a common base
        raise ConfigError(f"Expected a formula in LaTeX, found ${latex}$ ({error!r}): correct it.") from error
    unknown = re.findall(r"\\\w+", made) + [part.tag for part in root.iter() if not DRAWN.fullmatch(part.tag)]
    if unknown or "merror" in made:
        raise ConfigError(f"Expected commands that MathML has, found {unknown[:1]} in ${latex}$: write it otherwise.")
    _mend(root, display)
    root.set("alttext", latex)
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)


def _mend(root: ElementTree.Element, display: str) -> None:
    """Space names and signs and size brackets as TeX does; set limits below min and max."""
    for part in list(root.iter()):
        if part.tag in ("msup", "msub", "msubsup") and "minsize" in part[0].attrib:
            bracket = ElementTree.Element("mrow")
            bracket.append(part[0])
            part[0] = bracket
        if part.tag == "msub" and part[0].text in ("min", "max") and display == "block":
            part.tag = "munder"
        if part.text == "‖" and "minsize" not in part.attrib:
            part.set("stretchy", "false")
        if part.tag == "mo" and (part.text or "").isalpha():  # a name, spaced as TeX does
            part.attrib |= {"lspace": "0.17em", "rspace": "0.17em"}
        for index, child in reversed(list(enumerate(part))):
            follows = part[index + 1 :] and part[index + 1].text != "("
            if child.tag == "mi" and len(child.text or "") > 1 and follows:  # "log p", not "logp"
                part.insert(index + 1, ElementTree.Element("mspace", width="0.17em"))
            after_sign = not index or (part[index - 1].tag == "mo" and part[index - 1].text not in CLOSING)
            if child.text in ("-", "−") and after_sign:  # "(-1", not "( - 1"
                child.set("form", "prefix")

"""Numbers that a notebook's text states, measured again."""

import re
from pathlib import Path

import nbformat
import pytest
from sklearn.linear_model import LogisticRegression

from igan_lib.data.domains import Domain, Split, load_domain
from tools.domain_stats import fill_frame, sample, transfer_accuracy

ROOT = Path(__file__).resolve().parents[2]
TEXT = "\n".join(cell.source for cell in nbformat.read(ROOT / "notebooks" / "01_data.ipynb", as_version=4).cells)
SAID = TEXT.replace("\n> ", " ")
LINEAR = LogisticRegression(C=0.01, max_iter=500)  # as in the notebook, with its 2,000 images and its seed


def said(pattern):
    (found,) = re.findall(pattern, SAID)
    return [float(number) for number in found]


def at_one_scale(domain):
    kept = [sample(split, 2000) for split in (domain.train, domain.test)]
    return Domain(domain.name, *(Split(fill_frame(s.images), s.labels) for s in kept), domain.class_names)


@pytest.mark.parametrize(
    ("a", "b", "whole"),
    [
        pytest.param(
            "mnist5k", "digits", r"from `mnist5k` to `digits` (\d+) of (\d+) %, back (\d+) of (\d+) %", id="embedded"
        ),
        pytest.param(
            "mnist",
            "usps",
            r"keeps (\d+) of its (\d+) % from `mnist` to `usps` and (\d+) of (\d+) % from `usps` to",
            marks=pytest.mark.real_data("mnist", "usps"),
            id="real",
        ),
    ],
)
def test_the_gap_is_what_notebook_01_says(a, b, whole):
    domains = [load_domain(name) for name in (a, b)]
    raw = transfer_accuracy(domains, LINEAR, 2000)
    scaled = transfer_accuracy([at_one_scale(domain) for domain in domains], LINEAR, 2000)
    there, back = rf"`{a}` → `{b}`", rf"`{b}` → `{a}`"
    rises = said(rf"{there} grows from ([\d.]+) to ([\d.]+) % and {back} from ([\d.]+) to ([\d.]+) %")
    # The last digit that is printed: one image of digits' test set is 0.19.
    assert rises == pytest.approx([raw.loc[a, b], scaled.loc[a, b], raw.loc[b, a], scaled.loc[b, a]], abs=0.06)
    assert said(whole) == pytest.approx([raw.loc[a, b], raw.loc[a, a], raw.loc[b, a], raw.loc[b, b]], abs=0.51)

"""The claims are what the paper says, and every printed average is recomputed."""

import re

import pytest

from igan_lib.data.domains import data_root
from igan_lib.reproduction.claims import TESTS, averages
from igan_lib.reproduction.paper import AVERAGES, TABLES
from igan_lib.reproduction.paper_claims import CLAIMS, SLIPS
from igan_lib.reproduction.studies import STUDIES

every_claim = pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
AVERAGED = [
    (claim, check.arguments, step)
    for claim in CLAIMS
    for check in claim.checks
    if check.test == "over_rows_on_average"
    for step in check.arguments["steps"]
]


def paper_lines():
    """The lines of the paper's text where it lies beside the data, with arrows as arrows."""
    files = sorted(data_root().parent.glob("paper/*.txt"))
    if not files:
        pytest.skip("the paper's text is not beside the data root")
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    return text.replace(r"\rightarrow", "→").splitlines()


def paper_text():
    """The same with one space between words."""
    return re.sub(r"\s+", " ", " ".join(paper_lines()))


@every_claim
def test_the_sentence_stands_in_the_paper(claim):
    text, position = paper_text(), 0
    for piece in claim.sentence.split(" … "):
        position = text.find(piece, position)
        assert position >= 0, piece


def test_every_cell_and_average_is_as_printed():
    """Read anew from the text's own tables: a head line, lines of numbers between tabs, the caption below."""
    domains = dict(zip("SMUAWD", ("svhn", "mnist", "usps", "amazon", "webcam", "dslr"), strict=True))
    names, read, block = {"Ours": "IGAN"}, {}, []
    for line in paper_lines():
        caption = re.match(r"(Table \d):", line)
        if "\t" in line:
            block.append(line.replace("$", "").split("\t"))
        elif caption:
            (_, *heads, _), *rows = block
            columns = ["->".join(domains[end.strip()] for end in head.split("→")) for head in heads]
            for name, *cells, average in rows:
                losses = tuple(name.replace("L_", "").split("+"))
                key = losses if caption[1] == "Table 4" else names.get(name, name)
                numbers = {column: float(cell) for column, cell in zip(columns, cells, strict=True) if cell != "-"}
                read.setdefault(caption[1], {})[key] = (numbers, float(average))
            block = []
    ours = {
        table: {row: (cells, AVERAGES[table][row]) for row, cells in rows.items()} for table, rows in TABLES.items()
    }
    assert read == ours


def test_ten_to_fifteen_claims_each_once():
    assert 10 <= len(CLAIMS) <= 15
    assert len({claim.id for claim in CLAIMS}) == len(CLAIMS)


@every_claim
def test_its_tests_tables_and_rows_exist(claim):
    assert any(not check.beside for check in claim.checks)
    for check in claim.checks:
        assert check.test in TESTS
        if "study" in check.arguments:
            labels = {row.label for row in STUDIES[check.arguments["study"]].rows}
            steps = check.arguments.get("steps", ())
            assert {label for step in steps for label in (step.row, step.base)} <= labels
        if "other" in check.arguments:
            assert check.arguments["other"] in TABLES[check.arguments["table"]] and "igan" in labels


@pytest.mark.parametrize("claim", [claim for claim in CLAIMS if "%" in claim.sentence], ids=lambda claim: claim.id)
def test_a_printed_size_stands_in_its_sentence_and_follows_from_the_cells(claim):
    quoted = [float(number) for number in re.findall(r"(\d+(?:\.\d+)?)%", claim.sentence)]
    sizes = []
    for arguments in (check.arguments for check in claim.checks):
        for column, size in arguments.get("sizes", {}).items():
            table = TABLES[arguments["table"]]
            assert size == pytest.approx(table["IGAN"][column] - table[arguments["other"]][column])
            sizes.append(abs(size))
        for step in arguments.get("steps", ()):
            sizes += [abs(step.printed[column]) for column in arguments["columns"] if column in step.printed]
        if "size" in arguments:
            printed = AVERAGES[arguments["table"]]
            assert arguments["size"] == pytest.approx(printed["IGAN"] - printed[arguments["other"]])
            sizes += [arguments["size"]] if arguments["size"] in quoted else []
    assert sizes == pytest.approx(quoted)


def test_what_a_loss_adds_is_that_of_table_4():
    rows = list(AVERAGES["Table 4"])
    labels = ["+".join(f"L_{loss}" for loss in row) for row in rows]
    seen = set()
    for claim, arguments, step in AVERAGED:
        if step.average is None:
            continue
        row, base = rows[labels.index(step.row)], rows[labels.index(step.base)]
        assert labels.index(step.row) == labels.index(step.base) + 1
        assert step.average == pytest.approx(AVERAGES["Table 4"][row] - AVERAGES["Table 4"][base])
        for column in arguments["columns"]:
            cells = TABLES["Table 4"]
            assert step.printed[column] == pytest.approx(cells[row][column] - cells[base][column])
        seen.add((step.row, str(step.average) in claim.sentence))
    assert seen == {(label, True) for label in labels[1:]}


@pytest.mark.parametrize(("table", "row"), [(table, row) for table, printed in AVERAGES.items() for row in printed])
def test_every_printed_average_follows_from_its_row_or_is_listed(table, row):
    cells = list(TABLES[table][row].values())
    follows = f"{sum(cells) / len(cells) + 1e-9:.2f}" == f"{AVERAGES[table][row]:.2f}"
    assert follows == ((table, row) not in WRONG_AVERAGES)


WRONG_AVERAGES = {
    ("Table 1", "Duplex"): 95.77,
    ("Table 1", "CDAN-M"): 94.27,
    ("Table 2", "Duplex"): 66.975,
    ("Table 4", ("c", "s", "h", "a")): 95.90,
}


def test_the_averages_that_do_not_follow_are_found():
    assert {table: set(rows) for table, rows in TABLES.items()} == {
        table: set(rows) for table, rows in AVERAGES.items()
    }
    wrong = averages()[lambda table: ~table["follows"]]
    assert list(zip(wrong["table"], wrong["row"], strict=True)) == [
        ("Table 1", "Duplex"),
        ("Table 1", "CDAN-M"),
        ("Table 2", "Duplex"),
        ("Table 4", "L_c+L_s+L_h+L_a"),
    ]
    assert wrong["computed"].tolist() == pytest.approx(list(WRONG_AVERAGES.values()), abs=0.005)


def test_the_printed_averages_stand_in_the_paper():
    text = paper_text()
    for printed in AVERAGES.values():
        assert all(f" {average:.2f} " in text for average in printed.values())


def test_the_slips_name_equation_12_and_the_caption():
    text = " ".join(slip for _, slip in SLIPS)
    assert "Eq. 12 has α at L_s" in text and "Office-Home" in text
    equation = paper_text().partition(r"(12)")[0][-400:]
    assert r"\alpha \frac{\partial L_s}" in equation and r"\beta \frac{\partial L_h}" in equation


def test_the_method_is_not_superior_on_every_pair_of_its_own_tables():
    assert "four public benchmark datasets, all of which show that our method is superior" in paper_text()
    above = {
        (method, pair)
        for table in ("Table 1", "Table 2")
        for method, cells in TABLES[table].items()
        for pair, value in cells.items()
        if value > TABLES[table]["IGAN"][pair]
    }
    assert above == {("Duplex", "usps->mnist"), ("MSTN", "amazon->webcam")}


def test_a_slip_that_begins_with_an_equation_stands_under_its_section():
    section, found = "", {}
    for line in paper_lines():
        if heading := re.match(r"(\d(?:\.\d)?) [A-Z]\w+", line):
            section = heading[1]
        if tag := re.search(r"\((\d+)\)\s*\$\$$", line):
            found[tag[1]] = section
    assert sorted(map(int, found)) == list(range(1, 15))
    named = [(where, re.match(r"Eq\. (\d+)", slip)) for where, slip in SLIPS]
    named = [(where, equation[1]) for where, equation in named if equation]
    assert len(named) >= 4 and all(found[equation] == where for where, equation in named)

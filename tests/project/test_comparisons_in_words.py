"""Sentences that hold IGAN against the methods of Tables 1 and 2: the results say the same."""

from result_words import README, average_lead, paired, text_of

from igan_lib.reproduction import paper
from igan_lib.reproduction.opened import open_study
from igan_lib.reproduction.studies import M_U, OFFICE_RECOGNITION, RECOGNITION, U_M


def test_the_compared_methods_on_features_in_words():
    text, over = text_of("05_table2_office31"), open_study("table2").differences("igan").set_index(["base", "column"])
    found = {name: over.loc[name] for name in RECOGNITION if name in over.index}
    assert all(cells["n"].min() >= 3 for cells in found.values())
    level = ["MSTN", "CDAN-M", "MCC"]
    assert {name for name, cells in found.items() if cells["mean"].min() > 0} == set(found) - set(level)
    assert "ahead of Duplex, I2I, ADDA, DRCN, DAN, DANN and SHOT in every direction. **MSTN, CDAN-M and MCC are" in text
    opened = open_study("table2")
    average = opened.table[opened.table["column"] == "average"].set_index("method")["mean"].round(1)
    first, second, third = average[level]
    assert f"{first}, {second} and {third}, where `igan` has {average['igan']}." in text
    behind = {name: average_lead(opened, "igan", name, OFFICE_RECOGNITION) for name in (*level, "Duplex")}
    assert all(behind[name].interval[0] <= 0 <= behind[name].interval[1] for name in level)
    assert f"most like IGAN, is {behind['Duplex'].mean:.1f} points behind" in text and behind["Duplex"].interval[0] > 0


def test_the_compared_methods_in_words():
    text, opened, pairs = text_of("04_table1_digits"), open_study("table1"), (M_U, U_M)
    names = ("MSTN", "CDAN-M", "DANN", "SHOT", "MCC", "ADDA", "DAN")
    over = {name: [paired("table1", "igan", name, pair) for pair in pairs] for name in names}
    level = {name: [low <= 0 <= high for _, low, high in found] for name, found in over.items()}
    assert level["MSTN"] == level["CDAN-M"] == [True, True] and level["DANN"] == level["SHOT"] == [True, False]
    shown = f"{over['DANN'][1][0]:.1f} and {over['SHOT'][1][0]:.1f} points behind on the other pair"
    assert f"DANN and SHOT are level on MNIST → USPS, and {shown}" in text
    assert f"MCC, of 2020, is {-over['MCC'][0][0]:.1f} points ahead on MNIST → USPS" in text and level["MCC"] == [
        False,
        True,
    ]
    behind = [mean for name in ("ADDA", "DAN") for mean, _, _ in over[name]]
    assert (
        f"ADDA and DAN are {min(behind):.1f} to {max(behind):.1f} points behind; on MNIST → USPS both end below" in text
    )
    assert max(paired("table1", name, "source-only", pairs[0])[0] for name in ("ADDA", "DAN")) < 0
    runs = [
        opened.study.cell(opened.runs, opened.study.row(name), pair, "cpu").n for name in RECOGNITION for pair in pairs
    ]
    words = {3: "three seeds so far", 5: "five seeds"}[min(runs)]
    assert f"({words}" in README and f"({words})" in text


def test_the_methods_that_draw_images_in_words():
    text, opened = text_of("04_table1_digits"), open_study("table1")
    names = ("I2I", "Duplex", "Co-GAN", "CyCADA", "DRCN")
    leads = [average_lead(opened, "igan", name, (M_U, U_M)) for name in names]
    assert all(lead.interval[0] > 0 for lead in leads)
    shown = "I2I by {:.1f} points, Duplex by {:.1f}, Co-GAN by {:.1f}, CyCADA by {:.1f} and DRCN by {:.1f}."
    assert shown.format(*(lead.mean for lead in leads)) in text
    printed = [
        sum(paper.TABLE1[name][column] for column in ("mnist->usps", "usps->mnist")) / 2 for name in ("Duplex", "IGAN")
    ]
    assert "as level on these pairs, {:.1f} and {:.1f}.".format(*printed) in text

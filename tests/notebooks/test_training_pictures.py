"""Each figure shows what it was given."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from claim_makers import results

from igan_lib import plots
from igan_lib.data.domains import Domain, DomainPair, Split
from igan_lib.plots import curves
from igan_lib.plots.style import CLASS_COLOURS
from igan_lib.reproduction.opened import open_study
from igan_lib.reproduction.studies import M_U
from tools import training_pictures as pictures
from tools.ablation_pictures import study_curves
from tools.image_tiles import as_picture, symbol, tiles
from tools.training_views import histories

NAMES = ("ant", "bee", "cat")


@pytest.fixture(autouse=True)
def style():
    plots.use_style()


def random_codes(n=30, bits=16, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, bits, generator=generator) * 2 - 1, torch.arange(n) % 3


def drawn_image(ax):
    (image,) = ax.images
    return np.asarray(image.get_array())


def texts(fig):
    fig.canvas.draw()
    return [text.get_text() for text in fig.findobj(lambda artist: hasattr(artist, "get_text")) if text.get_text()]


# images


def test_pictures_map_both_kinds_of_images_to_the_same_grey():
    grey = np.array([[[0, 51, 255]]], dtype=np.uint8)
    assert np.allclose(as_picture(grey), [[0, 0.2, 1]])
    assert np.allclose(as_picture(grey / 127.5 - 1), [[0, 0.2, 1]], atol=1e-6)
    assert as_picture(np.zeros((3, 4, 5), dtype=np.uint8)).shape == (4, 5, 3)


def test_tiles_lie_in_order_with_a_white_gap():
    a, b, c, d = (np.full((2, 3), value) for value in (0.1, 0.2, 0.3, 0.4))
    whole = tiles([[a, b], [c, d]])
    assert whole.shape == (5, 7)
    assert (whole[:2, :3] == 0.1).all() and (whole[:2, 4:] == 0.2).all()
    assert (whole[3:, :3] == 0.3).all() and (whole[3:, 4:] == 0.4).all()
    assert (whole[2] == 1).all() and (whole[:, 3] == 1).all()


def make_pair(channels=1):
    def split(level):
        labels = torch.tensor([2, 0, 1, 0, 2, 0])
        images = (level + 10 * labels)[:, None, None, None].expand(-1, channels, 4, 4)
        return Split(images.to(torch.uint8).contiguous(), labels)

    source = Domain("mine", split(0), split(0), NAMES)
    return DomainPair(source, Domain("npz:some/where/yours.npz", split(100), split(100), NAMES))


@pytest.mark.parametrize("channels", [1, 3])
def test_both_domains_stand_side_by_side_a_column_a_class(channels):
    fig = pictures.domains_side_by_side(make_pair(channels), per_class=2)
    for ax, level in zip(fig.axes, (0, 100), strict=True):
        mosaic = drawn_image(ax) * 255
        centres = np.round(mosaic[2::5, 2::5].reshape(2, 3, -1)[..., 0])
        assert centres.tolist() == [[level, level + 10, level + 20], [level, 255, level + 20]]  # one image of class 1
        assert [label.get_text() for label in ax.get_xticklabels()] == list(NAMES)
    titles = [ax.get_title(loc="left") for ax in fig.axes]
    assert titles == ["source: mine (6 training images)", "target: yours (6 training images)"]


def test_reconstructions_are_labelled_rows():
    rows = {
        name: torch.full((4, 1, 2, 2), value) for name, value in (("x", -1.0), ("$G^s(u)$", 0.0), ("$G^t(u)$", 1.0))
    }
    fig = pictures.reconstructions({"source": rows, "target": rows}, columns=3)
    for ax, title in zip(fig.axes, ("source", "target"), strict=True):
        mosaic = drawn_image(ax)
        assert mosaic.shape == (8, 8)  # three rows and three columns of two pixels, gaps of one between them
        assert [mosaic[row, 0] for row in (0, 3, 6)] == [0.0, 0.5, 1.0]
        assert [label.get_text() for label in ax.get_yticklabels()] == ["x", "$G^s(u)$", "$G^t(u)$"]
        assert ax.get_title(loc="left") == title


# codes


def test_barcode_holds_the_signs_in_class_order():
    codes, labels = random_codes()
    fig = pictures.code_barcodes({"own": (codes, labels)}, NAMES, per_class=5)
    order = [i for label in range(3) for i in [i for i in range(30) if labels[i] == label][:5]]
    assert np.array_equal(drawn_image(fig.axes[0]), (codes[order] > 0).numpy())
    assert [line.get_ydata()[0] for line in fig.axes[0].lines] == [4.5, 9.5]
    assert [label.get_text() for label in fig.axes[0].get_yticklabels()] == list(NAMES)
    assert fig.axes[0].get_yticks().tolist() == [2.0, 7.0, 12.0]


def test_barcode_leaves_out_the_name_of_an_absent_class():
    codes, labels = random_codes()
    kept = labels != 1
    fig = pictures.code_barcodes({"own": (codes[kept], labels[kept])}, NAMES)
    assert [label.get_text() for label in fig.axes[0].get_yticklabels()] == ["ant", "cat"]


def test_barcodes_have_a_panel_for_each_title():
    codes, labels = random_codes()
    fig = pictures.code_barcodes({"before": (codes, labels), "L_s": (-codes, labels)}, NAMES)
    assert [ax.get_title(loc="left") for ax in fig.axes] == ["before", "$L_s$"]
    assert np.array_equal(drawn_image(fig.axes[0]), ~drawn_image(fig.axes[1]))


def test_embedding_is_the_same_for_a_seed_and_joint():
    u_s, u_t = random_codes(40)[0], random_codes(20, seed=1)[0]
    first, again = pictures.tsne_embedding(u_s, u_t, seed=3), pictures.tsne_embedding(u_s, u_t, seed=3)
    assert first[0].shape == (40, 2) and first[1].shape == (20, 2)
    assert np.array_equal(first[0], again[0]) and np.array_equal(first[1], again[1])
    # The same codes in both domains land together only if they were embedded together.
    twin_s, twin_t = pictures.tsne_embedding(u_s, u_s, seed=3)
    assert np.linalg.norm(twin_s - twin_t, axis=1).mean() < 0.2 * np.ptp(twin_s, axis=0).mean()


def test_map_tells_domains_by_marker_and_names_each_class_on_one_of_its_points():
    points_s, points_t = (torch.rand(30, 2, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2))
    labels = torch.arange(30) % 3
    fig = pictures.tsne_panels(
        {"before": (points_s, labels, points_t, labels)} | {"after": (points_t, labels, points_s, labels)}, NAMES
    )
    assert [ax.get_title(loc="left") for ax in fig.axes] == ["before", "after"]
    for ax, points in zip(fig.axes, (points_s, points_t), strict=True):
        of_source, of_target = ax.collections
        assert np.allclose(of_source.get_offsets(), points)
        assert len(of_source.get_paths()[0].vertices) != len(of_target.get_paths()[0].vertices)
        assert len({tuple(colour) for colour in of_source.get_facecolors()}) == 3
        named = {text.get_text(): torch.tensor(text.get_position()) for text in ax.texts}
        assert list(named) == list(NAMES)
        for label, name in enumerate(NAMES):
            assert torch.isclose(points[labels == label], named[name].float()).all(1).any()
    assert {"source", "target"} <= set(texts(fig))


def test_colours_of_ten_classes_differ():
    assert len(set(CLASS_COLOURS)) == 10


def test_bars_show_each_statistic_of_each_row():
    values = {"before": {"within": 0.5, "between": 2.0}, "L_s": {"within": 0.25, "between": 1.0}}
    fig = pictures.statistics_bars(values)
    assert [ax.get_title(loc="left") for ax in fig.axes] == ["within", "between"]
    widths = [[bar.get_width() for bar in ax.patches] for ax in fig.axes]
    assert widths == [[0.5, 0.25], [2.0, 1.0]]
    assert {"before", "$L_s$", " 0.500", " 1.000"} <= set(texts(fig))


def test_only_names_of_losses_become_formulas():
    assert [symbol(name) for name in ("L_c", "L_1", "before", "L_long")] == ["$L_c$", "$L_1$", "before", "L_long"]


# losses

HISTORY = [
    {"step": 1, "L_c": 2.0, "L_h": 0.5},
    {"step": 11, "L_c": 1.0, "L_h": 0.4},
    {"step": 21, "L_c": 0.5, "L_h": 0.3, "L_s": 0.0, "mine": 7.0},
    {"step": 31, "L_c": 0.4, "L_h": 0.2, "L_s": 0.0, "mine": 8.0},
]


def test_curves_have_an_axis_for_each_loss():
    fig = plots.loss_curves(HISTORY, pretrain_steps=15)
    drawn = {ax.lines[0].get_label(): ax for ax in fig.axes if ax.lines}
    assert list(drawn) == ["L_c", "L_h", "L_s", "mine"]
    assert np.array_equal(drawn["L_c"].lines[0].get_xydata(), [[1, 2], [11, 1], [21, 0.5], [31, 0.4]])
    assert np.array_equal(drawn["mine"].lines[0].get_xydata(), [[21, 7], [31, 8]])
    for ax in drawn.values():
        (shade,) = ax.patches
        assert (shade.get_x(), shade.get_width()) == (0, 15)
        low, high = ax.get_ylim()
        assert low == 0 and high > max(ax.lines[0].get_ydata())
    assert "(2)" in drawn["L_h"].get_title(loc="left")


def test_curves_without_pretraining_are_not_shaded():
    assert all(not ax.patches for ax in plots.loss_curves(HISTORY).axes)


def test_curves_of_a_study_are_means_over_seeds_and_leave_out_what_is_not_logged():
    rows = [
        ["L_c", "a->b", 0, 1, 3.0, math.nan],
        ["L_c", "a->b", 1, 1, 1.0, math.nan],
        ["L_c", "a->b", 0, 9, 1.0, math.nan],
        ["L_c+L_s", "a->b", 0, 1, 4.0, math.nan],
        ["L_c+L_s", "a->b", 0, 9, 2.0, 0.5],
        ["L_c+L_s", "c->d", 0, 9, 8.0, 0.25],
    ]
    fig = study_curves(
        pd.DataFrame(rows, columns=["method", "column", "seed", "step", "L_c", "confident"]), ["L_c", "confident"]
    )
    drawn = [
        {line.get_label(): line.get_xydata().tolist() for line in ax.lines if len(line.get_xdata())} for ax in fig.axes
    ]
    assert drawn == [
        {"$L_c$": [[1, 2], [9, 1]], "$L_c+L_s$": [[1, 4], [9, 2]]},
        {"$L_c+L_s$": [[9, 8]]},
        {"$L_c+L_s$": [[9, 0.5]]},
        {"$L_c+L_s$": [[9, 0.25]]},
    ]
    assert [ax.get_title(loc="left").split("\n")[0] for ax in fig.axes[:2]] == ["a → b", "c → d"]
    assert fig.axes[0].get_ylim()[0] == 0 and all(ax.get_ylim() == fig.axes[0].get_ylim() for ax in fig.axes[:2])
    below, above = fig.axes[0].lines  # where two lines run together, the first shows on both sides of the second
    assert below.get_linewidth() > above.get_linewidth() and below.get_zorder() <= above.get_zorder()
    colours = {line.get_label(): line.get_color() for ax in fig.axes for line in ax.lines}
    (legend,) = fig.legends
    assert [
        (text.get_text(), line.get_color()) for text, line in zip(legend.get_texts(), legend.get_lines(), strict=True)
    ] == [(label, colours[label]) for label in ("$L_c$", "$L_c+L_s$")]


def test_curves_of_a_study_without_runs_are_an_empty_figure():
    empty = pd.DataFrame(columns=["method", "column", "seed", "step"])
    assert not any(ax.lines for ax in study_curves(empty, ["L_c"]).axes)


def test_every_loss_of_the_method_has_a_title():
    assert {f"L_{name}" for name in "cshaD1"} | {"D_s", "D_t", "confident"} == set(curves.LOSS_TITLES)


def test_chance_is_drawn_where_a_discriminator_s_accuracy_is():
    logged = pd.DataFrame([{"method": "L_c", "column": "a->b", "seed": 0, "step": 1, "D_s": 0.7, "L_a": 1.0}])
    accuracy, loss = study_curves(logged, ["D_s", "L_a"]).axes
    assert [set(line.get_ydata()) for line in accuracy.lines] == [{0.7}, {0.5}] and len(loss.lines) == 1
    (accuracy,) = plots.loss_curves([{"step": 1, "D_s": 0.7}]).axes
    assert {0.5} in [set(line.get_ydata()) for line in accuracy.lines]


def test_live_curves_without_a_display_only_collect(monkeypatch):
    monkeypatch.setattr(curves, "display", lambda *_, **__: pytest.fail("nothing to display on"))
    live = plots.LiveCurves(pretrain_steps=15, every=0)
    for row in HISTORY:
        live(row["step"], None, row)
    assert live.rows == HISTORY and live.drawings == 0
    assert len([ax for ax in live.finish().axes if ax.lines]) == 4


class Handle:
    def __init__(self):
        self.shown = []

    def update(self, fig):
        self.shown.append(fig)


def test_live_curves_redraw_one_display_and_not_too_often(monkeypatch):
    handle, first = Handle(), []
    monkeypatch.setattr(curves, "get_ipython", object)
    monkeypatch.setattr(curves, "display", lambda fig, display_id: first.append(fig) or handle)
    now = [100.0]
    monkeypatch.setattr(curves.time, "monotonic", lambda: now[0])
    live = plots.LiveCurves(every=3)
    for row in HISTORY:
        live(row["step"], None, row)  # a single point is no curve: the second row draws, the third comes too soon
        now[0] += 2
    fig = live.finish(HISTORY)
    assert (len(first), len(handle.shown)) == (1, 2)
    assert handle.shown[-1] is fig


def test_live_curves_of_a_run_that_was_there_already_show_its_history():
    fig = plots.LiveCurves(15).finish(HISTORY)
    assert len([ax for ax in fig.axes if ax.lines]) == 4


def test_curves_of_no_history_are_empty():
    assert not any(ax.lines for ax in plots.loss_curves([]).axes)


# files


def test_figures_are_saved_as_png_and_svg_and_nothing_else(tmp_path):
    fig = plots.loss_curves(HISTORY)
    paths = plots.save_figure(fig, tmp_path / "new", "losses")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["losses.png", "losses.svg"]
    assert [path.suffix for path in paths] == [".png", ".svg"]
    assert paths[0].read_bytes().startswith(b"\x89PNG") and b"<svg" in paths[1].read_bytes()
    before = [path.read_bytes() for path in paths]
    plots.save_figure(plots.loss_curves(HISTORY), tmp_path / "new", "losses")
    assert [path.read_bytes() for path in paths] == before


def test_a_figure_that_fails_leaves_the_old_file(tmp_path):
    class Broken:
        def savefig(self, path, **options):
            path.write_text("half")
            raise OSError("disk full")

    (tmp_path / "losses.png").write_text("old")
    with pytest.raises(OSError, match="disk full"):
        plots.save_figure(Broken(), tmp_path, "losses")
    assert [path.name for path in tmp_path.iterdir()] == ["losses.png"]
    assert (tmp_path / "losses.png").read_text() == "old"


def test_figures_do_not_stay_open():
    import matplotlib.pyplot as plt

    plots.loss_curves(HISTORY)
    assert plt.get_fignums() == []


def test_histories_are_rows_of_what_was_logged(tmp_path):
    (tmp_path / "runs").mkdir()
    (result,) = results("table4", "L_c", M_U, [50.0])
    logged = result.model_copy(update={"history": [{"step": 1, "L_c": 2.0}, {"step": 2, "L_c": 1.0}]})
    (tmp_path / "runs" / f"{result.config.name}.json").write_text(logged.model_dump_json())
    found = histories(open_study("table4", results=tmp_path))
    assert found[["method", "column", "seed", "step", "L_c"]].values.tolist() == [
        ["L_c", "mnist->usps", 0, 1, 2.0],
        ["L_c", "mnist->usps", 0, 2, 1.0],
    ]
    assert histories(open_study("table3", results=tmp_path)).empty

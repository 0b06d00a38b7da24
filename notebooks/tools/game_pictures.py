"""The adversarial game as a picture: what G draws at moments of a training, and what D tells apart. Notebook 03."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from igan_lib.plots.style import INK, SOURCE_COLOUR, TARGET_COLOUR, WIDTH, as_array, bare, new_figure
from tools.image_tiles import as_picture, tiles


def games_side_by_side(games: Mapping[str, Any]) -> Figure:
    """One column a game: source images, below them what G^t draws from their codes, below that D's accuracy.

    Args:
        games: title -> what `game_views.watch` returned.
    """
    down = 1 + max(len(game.drawn) for game in games.values())
    across = max(len(game.x_s) for game in games.values())
    height = WIDTH / len(games) * 0.85 * down / across
    ratios = {"height_ratios": [height, 1.8]}
    fig, axes = new_figure(2, len(games), size=(WIDTH, height + 2.9), gridspec_kw=ratios, sharey="row")
    for (upper, lower), (title, game) in zip(axes.T, games.items(), strict=True):
        blocks = {"$x^s$": game.x_s} | {f"step {step}": images for step, images in game.drawn.items()}
        pictures = [[as_picture(image) for image in as_array(images)] for images in blocks.values()]
        upper.imshow(tiles(pictures), vmin=0, vmax=1)
        bare(upper)
        side = len(pictures[0][0]) + 1
        upper.set_yticks([(row + 0.5) * side - 1 for row in range(len(blocks))], list(blocks))
        upper.set_title(title)
        rows = [row for row in game.history if "D_s" in row]
        steps = [row["step"] for row in rows]
        lower.axhline(0.5, color=INK, linewidth=1, linestyle=":", label="chance")
        for name, colour in (("D_s", SOURCE_COLOUR), ("D_t", TARGET_COLOUR)):
            lower.plot(
                steps, [row[name] for row in rows], color=colour, linewidth=1.2, label=f"${name.replace('_', '^')}$"
            )
        lower.set(ylim=(0, 1.02), xlabel="step")
    axes[1, 0].set_ylabel("share told apart")
    handles, labels = axes[1, 0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=3)
    return fig

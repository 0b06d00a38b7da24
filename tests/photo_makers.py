"""Pictures of plain colours in two moods, which a random network tells apart, for the tests of own photographs."""

import numpy as np
from PIL import Image

COLOURS = {"blue": (30, 40, 220), "green": (30, 200, 40), "red": (220, 30, 30)}


def photo(colour, seed, light=1.0):
    """24 x 30 pixels around a colour, with noise; `light` scales it."""
    noise = np.random.default_rng(seed).normal(0, 12, (24, 30, 3))
    return Image.fromarray((light * np.array(COLOURS[colour]) + noise).clip(0, 255).astype(np.uint8))


def write_photos(root, count=8):
    """shop/<class>/*.png and phone/<folder>/*.png, darker and without classes; returns both folders."""
    for number, colour in enumerate(COLOURS):
        (root / "shop" / colour).mkdir(parents=True)
        (root / "phone" / f"day{number % 2}").mkdir(parents=True, exist_ok=True)
        for index in range(count):
            photo(colour, 100 * number + index).save(root / "shop" / colour / f"{index}.png")
            place = root / "phone" / f"day{number % 2}" / f"{colour}{index}.png"
            photo(colour, 1000 + 100 * number + index, light=0.8).save(place)
    return root / "shop", root / "phone"

"""From a picture's file to RGB with 8 bits a channel, as a viewer shows it."""

import numpy as np
from PIL import Image, ImageOps

from igan_lib.errors import DataError


def open_rgb(file: str) -> Image.Image:
    """One picture, decoded, as RGB with 8 bits a channel; of one that moves, the first frame.

    It is turned as its EXIF orientation says. What is transparent is drawn on white, as a page or a viewer does: most
    such pictures are dark on nothing. 16 bits a channel become 8.

    DataError: the file can't be decoded, or holds values that are no grey levels.
    """
    try:
        with Image.open(file) as image:
            image.load()
            return _as_rgb(ImageOps.exif_transpose(image), file)
    except DataError:
        raise
    # Pillow's decoders raise what each format's code does: OSError, SyntaxError, struct.error, zlib.error and others.
    except Exception as error:
        raise DataError(
            f"Expected an image in {file}, found a file that can't be decoded: repair or remove it."
        ) from error


def _as_rgb(image: Image.Image, file: str) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        levels = np.asarray(image)
        # Pillow gives a grey picture of 16 bits as "I;16" or, of some formats, in 32 bits.
        if levels.dtype.kind == "f" or levels.min(initial=0) < 0 or levels.max(initial=0) > 65535:
            raise DataError(
                f"Expected 8 or 16 bits a channel in {file}, found the mode {image.mode}: convert it to 8 bits."
            )
        image = Image.fromarray(np.round(levels / 257.0).astype(np.uint8))  # 65535 / 257 = 255
    if image.has_transparency_data:
        drawn = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", drawn.size, "white"), drawn)
    return image.convert("RGB")

"""From a picture's file to RGB with 8 bits a channel, as a viewer shows it."""

import warnings

import numpy as np
from PIL import Image, ImageOps

from igan_lib.errors import DataError


class PictureError(DataError):
    """A picture can't be read. `why`: in the few words of a list of what was left out."""

    def __init__(self, sentence: str, why: str = "damaged") -> None:
        super().__init__(sentence)
        self.why = why


def open_rgb(file: str) -> Image.Image:
    """One picture, decoded, as RGB with 8 bits a channel; of one that moves, the first frame.

    It is turned as its EXIF orientation says. What is transparent is drawn on white, as a page or a viewer does: most
    such pictures are dark on nothing. Whole numbers of more than 8 bits become 8: cameras and scanners leave 8 or 12
    bits as they are in files of 16 or 32, so levels up to 255 are taken as 8 bits, others up to 4095 as 12, and up to
    65535 as 16. That is judged picture by picture.

    PictureError: the file is missing, can't be decoded, or holds values that are no grey levels.
    """
    try:
        # What Pillow warns of (many pixels, a torn EXIF part) does not change the pixels. This hides warnings of other
        # threads as well; pictures are decoded in the main thread, or in processes of their own.
        with warnings.catch_warnings(action="ignore"), Image.open(file) as image:
            image.load()
            return _as_rgb(ImageOps.exif_transpose(image), file)
    except PictureError:
        raise
    except FileNotFoundError as error:
        raise PictureError(f"Expected an image at {file}, found none: correct the path.", "missing") from error
    except IsADirectoryError as error:
        raise PictureError(f"Expected an image at {file}, found a folder: name a picture.", "a folder") from error
    except PermissionError as error:
        raise PictureError(
            f"Expected an image in {file}, found a file that may not be read: change its permissions.", "unreadable"
        ) from error
    except Image.DecompressionBombError as error:
        raise PictureError(
            f"Expected up to {2 * Image.MAX_IMAGE_PIXELS:,} pixels in {file}, found more: save it smaller.",
            "of more pixels than Pillow reads at once",
        ) from error
    # Pillow's decoders raise what each format's code does: OSError, SyntaxError, struct.error, zlib.error and others.
    except Exception as error:
        raise PictureError(
            f"Expected an image in {file}, found a file that can't be decoded: repair or remove it."
        ) from error


def _as_rgb(image: Image.Image, file: str) -> Image.Image:
    # Pillow gives a grey picture of 16 bits as "I;16" or, of some formats, in 32 bits.
    if image.mode.startswith(("I", "F")):
        image = _in_8_bits(image, file)
    if image.has_transparency_data:
        drawn = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", drawn.size, "white"), drawn)
    return image.convert("RGB")


def _in_8_bits(image: Image.Image, file: str) -> Image.Image:
    levels, clear = np.asarray(image), image.info.get("transparency")
    highest = levels.max(initial=0)
    if levels.dtype.kind == "f" or levels.min(initial=0) < 0 or highest > 65535:
        raise PictureError(
            f"Expected 8 or 16 bits a channel in {file}, found the mode {image.mode}: convert it to 8 bits.",
            "of other values than grey levels",
        )
    white = next(white for white in (255, 4095, 65535) if highest <= white)
    grey = Image.fromarray(np.round(levels * 255.0 / white).astype(np.uint8))
    if clear is None:
        return grey
    # The one level that is transparent, among 65536: of those that share its 8 bits the others are not.
    return Image.merge("LA", (grey, Image.fromarray(np.where(levels == clear, 0, 255).astype(np.uint8))))

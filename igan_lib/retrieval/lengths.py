"""How long packed codes are at most: words of 64 bits do not tell it, bits beyond a shorter code are 0 in them."""

import numpy as np


def bits_used(words: np.ndarray) -> int:
    """How many bits of codes (n x words, uint64) are in use, in whole bytes; those after them are 0 in every code."""
    return 8 * len(np.bitwise_or.reduce(words, axis=0).astype("<u8").tobytes().rstrip(b"\0"))


def longest(words: np.ndarray, length: int) -> int:
    """`length`, or the bits in use where those after them are hardly 0 by chance: in one of 2^32 cases.

    A bit is 0 in one of two codes, but codes of a class are alike. So the values of the last byte in use are counted,
    not the codes: one empty byte needs 4 of them, half a word needs one. Codes without any 1 tell nothing.
    """
    used = bits_used(words)
    if not 0 < used < length:
        return length
    values = np.unique(words[:, (used - 1) // 64] >> np.uint64((used - 8) % 64))
    return used if (length - used) * len(values) >= 32 else length

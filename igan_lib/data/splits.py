"""Arrays as readers give them, and which of their images make up a split."""

from dataclasses import dataclass

import numpy as np

from igan_lib.errors import ConfigError, DataError

TEST_SHARE = 0.3
"""Share of the images that become the test split where a data set comes without one."""
SPLIT_SEED = 0
"""Seed of that split: part of the data's definition, not of a run."""


UNKNOWN = -1
"""The label of an image of a target that has none."""


@dataclass(frozen=True, eq=False)
class RawDomain:
    """What a reader returns: images uint8 (N x H x W or N x H x W x {1, 3}), labels int64 0..K-1, class names."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    class_names: tuple[str, ...]

    @property
    def parts(self) -> tuple[tuple[str, np.ndarray, np.ndarray], ...]:
        """The splits: name, images, labels."""
        return (("train", self.x_train, self.y_train), ("test", self.x_test, self.y_test))


def stratified_split(what: str, images: np.ndarray, labels: np.ndarray, names: tuple[str, ...]) -> RawDomain:
    """The fixed stratified split of a data set that comes without one. DataError: a class of fewer than two images."""
    from sklearn.model_selection import train_test_split

    try:
        parts = train_test_split(np.arange(len(labels)), test_size=TEST_SHARE, random_state=SPLIT_SEED, stratify=labels)
    except ValueError as error:
        raise DataError(
            f"Expected at least two images of each class in {what} to split it, found {np.bincount(labels).tolist()}: "
            "add images, or train and test folders of your own."
        ) from error
    train, test = map(np.sort, parts)  # the order of the files: a batch sampler shuffles, a reader compares
    return RawDomain(images[train], labels[train], images[test], labels[test], names)


def stratified(labels: np.ndarray, limit: int | None, class_names: tuple[str, ...]) -> np.ndarray:
    """Indices, ascending, of at most `limit` images (None: all): those of the lowest rank in their class.

    `labels`: int64, N, each class present; the rank is a share of the class. ConfigError: a limit below one a class.
    """
    if limit is None:
        return np.arange(len(labels))
    if limit < len(class_names):
        raise ConfigError(
            f"Expected a limit of at least {len(class_names)} images, one a class, found {limit}: "
            "raise it or leave it out."
        )
    share = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        share[members] = np.arange(len(members)) / len(members)
    return np.sort(np.argsort(share, kind="stable")[:limit])

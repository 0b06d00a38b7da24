"""The errors that the library raises on purpose.

Each message is one sentence: what was expected, what was found, what to do. A command line can print it as it stands
and end with a non-zero exit code; whatever is not an `IganError` is a fault of the program and keeps its traceback.
"""


class _Sentence(BaseException):
    """Shown by IPython as its message alone: what a user can mend needs no pages of the library's lines."""

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]


class IganError(_Sentence, Exception):
    """Base of every error that a user can cause and mend."""


class Interrupted(_Sentence, KeyboardInterrupt):
    """A run was stopped while it trained, with Ctrl-C or by Jupyter's square button."""


class DataError(IganError):
    """Images or labels are missing, damaged, of the wrong kind, or do not fit together."""


class DataWarning(UserWarning):
    """A part of a user's data was left out or read in a way that he may not expect: one sentence that names it."""


class ConfigError(IganError):
    """A setting is unknown, of the wrong type, or out of its range."""


class TrainingError(IganError):
    """A training run can't go on: a loss is not finite, or a checkpoint does not fit the run."""


class NotebookError(IganError):
    """A notebook was given a parameter that it does not have, or failed while it ran."""

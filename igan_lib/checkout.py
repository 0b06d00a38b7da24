"""Where results, figures and notebooks lie: in the checkout or, of an installed package, in the working folder."""

from pathlib import Path

_BESIDE = Path(__file__).resolve().parent.parent
IS_CHECKOUT = (_BESIDE / "pyproject.toml").is_file()
ROOT = _BESIDE if IS_CHECKOUT else Path.cwd()  # an installed package lies among others, where nothing is to be written

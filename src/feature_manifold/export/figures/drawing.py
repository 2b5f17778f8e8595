"""A figure that notebooks show by themselves, and whose files are the same from run to run."""

import io
import os
from contextlib import AbstractContextManager
from typing import IO, Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from feature_manifold.export.figures.text import font_families

SHOWN_DPI = 110
SAVED_DPI = 300
TEXT_POINTS = 8.0
LINE_POINTS = 0.6
INK = "0.15"
FAINT = "0.45"
STYLE = {
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.labelsize": TEXT_POINTS,
    "axes.linewidth": LINE_POINTS,
    "axes.titlesize": TEXT_POINTS + 1,
    "font.size": TEXT_POINTS,
    "text.color": INK,
    "xtick.color": FAINT,
    "xtick.labelsize": TEXT_POINTS - 1,
    "xtick.major.size": 2.5,
    "xtick.major.width": LINE_POINTS,
    "ytick.color": FAINT,
    "ytick.labelsize": TEXT_POINTS - 1,
    "ytick.major.size": 2.5,
    "ytick.major.width": LINE_POINTS,
}
UNDATED = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
"""What would make two files of one figure differ."""


def styled() -> AbstractContextManager[None]:
    """Return a context with the settings of these figures; the user's own stay as they are."""
    settings: dict[Any, Any] = {
        **STYLE,
        "font.family": list(font_families()),
        # Names within an SVG, else random.
        "svg.hashsalt": "feature_manifold",
    }
    return mpl.rc_context(settings)


class Drawing(Figure):
    """A matplotlib figure that belongs to no window."""

    def savefig(self, fname: str | os.PathLike[str] | IO[Any], **options: Any) -> None:
        """Write the figure; the ending of the name says the format.

        Parameters
        ----------
        fname
            A path that ends in ``.png``, ``.svg`` or ``.pdf``, or an open file and ``format``.
        options
            Those of ``matplotlib.figure.Figure.savefig``. By default 300 dots per inch, cut to
            what is drawn, and without a date: the same figure gives the same file.
        """
        name = os.fspath(fname) if isinstance(fname, (str, os.PathLike)) else ""
        ending = str(options.get("format") or name.rpartition(".")[2]).lower()
        metadata = UNDATED.get(ending, {})
        chosen = {"dpi": SAVED_DPI, "bbox_inches": "tight", "metadata": metadata, **options}
        with styled():
            super().savefig(fname, **chosen)

    def _repr_png_(self) -> bytes:
        image = io.BytesIO()
        self.savefig(image, format="png", dpi=SHOWN_DPI)
        return image.getvalue()


def new_drawing(width: float, height: float) -> Drawing:
    """Return an empty drawing of a size in inches, that can measure its own text."""
    drawing = Drawing(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(drawing)
    return drawing


def bare(axes: Axes) -> None:
    """Leave only the lower and left edge."""
    axes.spines[["top", "right"]].set_visible(False)

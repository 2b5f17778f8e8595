import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text

from feature_manifold.core.display import visible
from feature_manifold.core.errors import InputError
from feature_manifold.export.figures.colours import (
    apart_colours,
    circle_colours,
    line_colours,
    sheet_colours,
)
from feature_manifold.export.figures.curves import spectrum_figure, tuning_figure
from feature_manifold.export.figures.drawing import Drawing
from feature_manifold.export.figures.planes import Categories, planes_figure
from feature_manifold.export.figures.text import MAX_LABEL, label_text

N = 7
ANGLES = np.arange(N) * 2 * np.pi / N
HOSTILE = (
    "$\\frac{1}{",
    "<script>alert(1)</script>",
    "\u202eevil\x00",
    "\ue000\U0010ffff",
    "曜日 🦄",
    "\n",
    "   ",
)


def categories(labels: tuple[str, ...] = tuple(f" day{n}" for n in range(N))) -> Categories:
    means = np.c_[np.cos(ANGLES), np.sin(ANGLES), np.zeros(N)]
    return Categories(np.repeat(np.arange(N), 20), labels, circle_colours(ANGLES), means)


def ring(labels: tuple[str, ...] = tuple(f" day{n}" for n in range(N))) -> Drawing:
    scatter = 0.05 * np.random.default_rng(0).standard_normal((20 * N, 3))
    shown = categories(labels)
    points = shown.means[shown.of_points] + scatter
    share = np.array([0.6, 0.3, 0.1])
    planes = [(0, 1), (1, 2)]
    return planes_figure(points, share, shown, planes=planes, title="$a_", note="20 < 30 points")


def texts(drawing: Drawing) -> list[str]:
    return [text.get_text() for text in drawing.findobj(Text) if text.get_text()]


def labels_of(drawing: Drawing, panel: int = 0) -> list[Text]:
    return [text for text in drawing.axes[panel].texts if text.get_text()]


def test_each_mean_is_labelled_once_beside_its_point() -> None:
    drawing = ring()
    drawing.draw_without_rendering()
    found = {text.get_text(): text for text in labels_of(drawing)}
    assert sorted(found) == [f"day{n}" for n in range(N)]
    for n, mean in enumerate(categories().means):
        text = found[f"day{n}"]
        box = text.get_window_extent()
        at = drawing.axes[0].transData.transform(mean[:2])
        nearest = np.clip(at, (box.x0, box.y0), (box.x1, box.y1))
        assert np.hypot(*(nearest - at)) < 2 * 10 * drawing.dpi / 72


def test_labels_do_not_cover_one_another_and_stay_inside() -> None:
    drawing = ring()
    drawing.draw_without_rendering()
    for panel in (0, 1):
        frame = drawing.axes[panel].get_window_extent()
        boxes = [text.get_window_extent() for text in labels_of(drawing, panel)]
        assert len(boxes) > 3
        for at, box in enumerate(boxes):
            assert frame.x0 <= box.x0
            assert box.x1 <= frame.x1
            assert not any(box.overlaps(other) for other in boxes[:at])


def test_of_a_hundred_categories_every_fifth_is_labelled() -> None:
    angles = np.arange(100) * 2 * np.pi / 100
    means = np.c_[np.cos(angles), np.sin(angles)]
    many = Categories(np.arange(100), [str(n) for n in range(100)], circle_colours(angles), means)
    drawing = planes_figure(means, np.array([0.5, 0.5]), many, planes=[(0, 1)])
    assert {text.get_text() for text in labels_of(drawing)} <= {str(n) for n in range(0, 100, 5)}


def test_points_have_the_colour_of_their_category_and_others_are_grey() -> None:
    shown = categories()
    of_points = np.append(shown.of_points, -1)
    points = np.vstack([shown.means[shown.of_points], np.zeros(3)])
    some = Categories(of_points, shown.labels, shown.colours, shown.means)
    drawing = planes_figure(points, np.ones(3) / 3, some, planes=[(0, 1)])
    grey, coloured, means = drawing.axes[0].collections
    assert len(grey.get_offsets()) == 1
    assert np.allclose(coloured.get_facecolors()[:, :3], shown.colours[shown.of_points])
    assert np.allclose(means.get_offsets(), shown.means[:, :2])


def test_hostile_text_is_drawn_as_text_in_every_format(tmp_path: Path) -> None:
    drawing = ring(HOSTILE)
    found = texts(drawing)
    assert {"$a_", "20 < 30 points", "$\\frac{1}{", "<script>alert(1)</scrip…", "↵"} <= set(found)
    assert not any(sign in text for text in found for sign in "\u202e\x00\ue000\n")
    for ending in ("png", "svg", "pdf"):
        drawing.savefig(tmp_path / f"figure.{ending}")
        assert (tmp_path / f"figure.{ending}").stat().st_size > 1000
    assert b"<script>" not in (tmp_path / "figure.svg").read_bytes()


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_the_same_figure_gives_the_same_file(ending: str) -> None:
    files = []
    for _ in range(2):
        file = io.BytesIO()
        ring().savefig(file, format=ending)
        files.append(file.getvalue())
    assert files[0] == files[1]


def test_a_notebook_shows_a_drawing_as_png() -> None:
    assert ring()._repr_png_().startswith(b"\x89PNG")


def test_drawing_needs_no_display_and_leaves_the_users_settings() -> None:
    code = (
        "import sys, matplotlib as mpl, numpy as np\n"
        "from feature_manifold.export.figures.curves import spectrum_figure\n"
        "before = mpl.rcParams.copy()\n"
        "spectrum_figure(np.array([0.7, 0.3]))._repr_png_()\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert mpl.rcParams.copy() == before\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_axis_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match="No axis 3: the points vary along 3"):
        planes_figure(np.zeros((4, 3)), np.ones(3) / 3, categories(), planes=[(0, 3)])
    with pytest.raises(InputError, match="at least one plane"):
        planes_figure(np.zeros((4, 3)), np.ones(3) / 3, categories(), planes=[])


@pytest.mark.parametrize("n", [0, 1, 40_000])
def test_any_number_of_points_is_drawn(n: int) -> None:
    points = np.random.default_rng(0).standard_normal((n, 2))
    nothing = Categories(np.full(n, -1), [], np.zeros((0, 3)), np.zeros((0, 2)))
    assert planes_figure(points, np.ones(2) / 2, nothing, planes=[(0, 1)])._repr_png_()


def test_curves_stand_over_their_places() -> None:
    places = np.linspace(0, 6, 13)
    curves = np.stack([np.sin(places) ** 2, np.cos(places) ** 2])
    ticks = [(6.0, HOSTILE[0]), (3.0, " b"), (3.05, " c"), (0.0, " a")]
    drawing = tuning_figure(
        places, curves, [5, 9], colours=apart_colours(2), coordinate="angle", ticks=ticks
    )
    lines = drawing.axes[0].get_lines()
    assert [line.get_label() for line in lines] == ["5", "9"]
    assert np.array_equal(lines[1].get_ydata(), curves[1])
    names = [text.get_text() for text in drawing.axes[0].get_xticklabels()]
    assert names == ["a", "b", HOSTILE[0]]
    drawing._repr_png_()
    with pytest.raises(InputError, match="one row a latent"):
        tuning_figure(places, curves, [5], colours=apart_colours(1), coordinate="angle")


def test_a_spectrum_shows_every_share_and_their_sum() -> None:
    drawing = spectrum_figure(np.array([0.5, 0.3, 0.1]))
    heights = [bar.get_height() for bar in drawing.axes[0].patches]
    assert np.allclose(heights, [50, 30, 10])
    assert np.allclose(drawing.axes[0].get_lines()[0].get_ydata(), [50, 80, 90])


def luminance(colours: np.ndarray) -> np.ndarray:
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def test_colours_of_a_circle_close_and_none_stands_out() -> None:
    colours = circle_colours(np.linspace(0, 2 * np.pi, 49))
    assert np.allclose(colours[0], colours[-1])
    steps = np.linalg.norm(np.diff(colours, axis=0), axis=1)
    assert steps.max() < 4 * steps.min()
    assert np.ptp(luminance(colours)) < 0.12


def test_colours_lie_in_the_unit_cube_and_differ() -> None:
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    scales = (line_colours(np.linspace(0, 1, 5)), sheet_colours(corners), apart_colours(12))
    for colours in scales:
        assert ((colours >= 0) & (colours <= 1)).all()
        apart = np.linalg.norm(colours[:, None] - colours, axis=2)[
            ~np.eye(len(colours), dtype=bool)
        ]
        assert apart.min() > 0.08


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (" Monday", "Monday"),
        ("\n", "↵"),
        ("  ", "␣␣"),
        ("a\tb", "a⇥b"),
        ("\ud800", "�"),
        ("\u202ex\u2069", "�x�"),
        ("", ""),
        ("x" * 99, "x" * (MAX_LABEL - 1) + "…"),
    ],
)
def test_tokens_become_one_line_of_visible_text(token: str, expected: str) -> None:
    assert label_text(token) == expected
    if len(token) < MAX_LABEL:
        assert visible(token) == expected

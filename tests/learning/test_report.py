"""The report kit: one file that stands alone, in light, dark and on paper."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

from nba_engine.learning.report import (
    Report,
    bars,
    canvas,
    gain_picture,
    histogram,
    interval_picture,
    lines,
    reliability_picture,
    roc_picture,
    shares_picture,
)

RANDOM = np.random.default_rng(1)
SCORE = RANDOM.random(2_000)
LABEL = (RANDOM.random(2_000) < SCORE).astype(float)


def a_report() -> Report:
    report = Report("What <sold>", "November")
    report.section("Values & counts")
    report.text("5 < 6 & <script>alert(1)</script>")
    report.table(["action", "value", "note"], [["a<b", 0.123456, None], ["c", 1234567, "x"]], "All")
    report.picture(bars({"$5 off": 1.0, "新品": 2.0}, unit="€"), "Figure", 'two "bars"')
    report.picture(histogram(SCORE, x_label="score"), "", "how scores are distributed")
    return report


class Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag not in ("meta", "!doctype"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def seen(report: Report) -> Seen:
    parser = Seen()
    parser.feed(report.html())
    parser.close()
    return parser


def test_text_is_shown_as_it_is_and_every_tag_is_closed() -> None:
    page = seen(a_report())
    assert page.open == []
    assert "script" not in page.tags
    for words in ("What <sold>", "5 < 6 & <script>alert(1)</script>", "a<b", "0.1235", "1,234,567"):
        assert words in page.words
    assert {"$5 off", "新品"} <= {words.strip() for words in page.words}


def test_nothing_comes_from_outside_and_no_id_is_there_twice() -> None:
    html = a_report().html()
    assert not re.search(r"https?:|//[a-z]|src=|@import|url\((?!#)", html)
    ids = seen(a_report()).ids
    assert len(ids) == len(set(ids)) > 10
    used = set(re.findall(r'(?:url\(|href=")#([^)"]+)', html))
    assert used
    assert used <= set(ids)


def test_pictures_take_the_colors_of_the_page() -> None:
    html = a_report().html()
    assert "prefers-color-scheme: dark" in html
    _, _, body = html.partition("<body>")
    assert "var(--color0)" in body
    assert not re.search(r"(fill|stroke): #", body)


def test_the_same_calls_write_the_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "a.html", tmp_path / "b.html"
    a_report().write(first)
    a_report().write(second)
    assert first.read_bytes() == second.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "b.html"]


def test_a_report_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    report = Report("\ud800")  # a lone surrogate is no UTF-8
    with pytest.raises(UnicodeEncodeError):
        report.write(path)
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]


def test_a_figure_of_pyplot_is_closed() -> None:
    figure = plt.figure()
    Report("x").picture(figure, "", "nothing")
    assert plt.get_fignums() == []


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="a row of 1 cells under a header of 2"):
        Report("x").table(["a", "b"], [["c"]])


def test_every_picture_says_what_its_axes_are() -> None:
    scores = {"model": SCORE, "random": RANDOM.random(2_000)}
    for figure in (
        bars(
            {"a": 1.0}, unit="€", intervals={"a": (0.5, 1.5)}, reference=0.7, reference_name="now"
        ),
        interval_picture({"a": (1.0, 0.5, 1.5)}, unit="€ per decision"),
        gain_picture(LABEL, scores),
        roc_picture(LABEL, scores),
        reliability_picture(LABEL, scores),
        lines({"a": ([0, 1], [1, 2]), "b": ([0, 1], [2, 1])}, x_label="weeks", y_label="€"),
        histogram(SCORE, x_label="score", y_label="customers"),
    ):
        (axes,) = figure.axes
        assert axes.get_xlabel()
        assert axes.get_ylabel() or axes.get_yticklabels()


def test_the_roc_curve_encloses_the_area_that_it_states() -> None:
    coarse = np.round(SCORE, 1)  # many ties
    (axes,) = roc_picture(LABEL, {"model": coarse}).axes
    curve = axes.get_lines()[0]
    x, y = np.asarray(curve.get_xdata()), np.asarray(curve.get_ydata())
    area = float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2))
    assert curve.get_label() == f"model: {area:.3f}"


def test_the_gain_curve_of_a_perfect_model_rises_as_fast_as_can_be() -> None:
    (axes,) = gain_picture([0, 1, 0, 1], {"perfect": [0.1, 0.9, 0.2, 0.8]}).axes
    points = np.asarray(axes.get_lines()[0].get_xydata())
    assert points.tolist()[:3] == [[0, 0], [0.25, 0.5], [0.5, 1.0]]


def test_a_score_that_is_the_same_for_all_gains_what_chance_does() -> None:
    (axes,) = gain_picture([1, 1, 0, 0], {"constant": [0.3] * 4}).axes
    assert np.asarray(axes.get_lines()[0].get_xydata()).tolist() == [[0, 0], [1, 1]]


def test_an_empty_canvas_is_a_figure_of_its_own() -> None:
    figure, axes = canvas()
    axes.set_xlabel("time in weeks")
    report = Report("x")
    report.picture(figure, "", "empty")
    assert "time in weeks" in report.html()


def test_numbers_of_a_column_have_the_same_decimals_and_figures_in_texts_stand_right() -> None:
    report = Report("x")
    report.table(
        ["name", "value", "share", "error"],
        [["a", 0.1, "51.0%", "+0.1 (-0.2 to 0.4)"], ["b", 0.1234, "–", "1.000 ± 0.020"]],
    )
    html = report.html()
    assert '<td class="number">0.1000</td><td class="number">51.0%</td>' in html
    assert html.count('<td class="number">') == 6
    assert "<td>a</td>" in html


def test_counts_on_a_logarithmic_scale_are_plain_numbers() -> None:
    report = Report("x")
    report.picture(histogram(np.repeat([1.0, 2.0], [2_000, 3]), x_label="x", log=True), "", "x")
    words = [one.strip() for one in seen(report).words]
    assert "1,000" in words
    assert not any("math" in one for one in words)


def test_shares_have_their_figures_where_they_fit_and_a_color_or_hatch_of_their_own() -> None:
    report = Report("x")
    rows = {"first": {"email": 0.65, "app": 0.3, "post": 0.05}, "second": {"app": 1.0}}
    report.picture(shares_picture(rows, unit="share of contacts"), "", "x")
    words = [one.strip() for one in seen(report).words]
    assert {"first", "second", "email", "app", "post", "65%", "30%", "100%"} <= set(words)
    assert "5%" not in words

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.report.charts import GRADES, counts_above, grade, grade_counts, histogram

SCORES = st.lists(st.floats(0, 100) | st.just(float("nan")), max_size=60)


@given(SCORES)
def test_every_finite_score_is_counted_once_and_in_its_grade(scores):
    finite = [score for score in scores if score == score]
    chart = histogram(scores)
    for band in GRADES:
        expected = sum(grade(score) is band for score in finite)
        assert sum(bar.count for bar in chart.bars if bar.grade == band.name) == expected
        assert dict(grade_counts(scores))[band] == expected


@pytest.mark.parametrize("edge", [20.0, 35.0, 50.0, 80.0])
def test_a_score_on_an_edge_belongs_to_the_better_grade(edge):
    for score, name in ((edge, grade(edge - 1).name), (edge + 0.01, grade(edge + 1).name)):
        counted = {band.name: number for band, number in grade_counts([score]) if number}
        drawn = {bar.grade: bar.count for bar in histogram([score]).bars if bar.count}
        assert counted == drawn == {name: 1}


@given(SCORES)
def test_counts_above_agree_with_a_plain_count(scores):
    assert counts_above(scores) == [sum(score > at for score in scores) for at in range(101)]


def test_the_worst_grade_comes_first():
    names = [band.name for band, _ in grade_counts([50.0])]
    assert names == ["bad", "poor", "fair", "good", "excellent"]


@pytest.mark.parametrize("bin_width", [1.25, 2.5, 5])
def test_grades_begin_where_bars_begin(bin_width):
    chart = histogram([1.0, 99.0], bin_width=bin_width)
    edges = {bar.low for bar in chart.bars}
    assert {0, 20, 35, 50, 80} <= edges


def test_bars_stay_inside_the_axes():
    chart = histogram(np.random.default_rng(0).uniform(0, 100, 5000))
    for bar in chart.bars:
        assert chart.axes.left <= bar.x
        assert bar.x + bar.width <= chart.axes.right
        assert chart.axes.top <= bar.y <= chart.axes.floor
    assert chart.y_ticks[-1].at == chart.axes.top


def test_one_bad_image_among_a_million_is_still_visible():
    chart = histogram(np.append(np.full(1_000_000, 10.0), 95.0))
    (bar,) = [bar for bar in chart.bars if bar.low == 92.5]
    assert (bar.count, bar.height) == (1, 2.0)


def test_no_scores_draw_empty_axes():
    chart = histogram([])
    assert sum(bar.count for bar in chart.bars) == 0
    assert [tick.text for tick in chart.y_ticks] == ["0", "1"]


def test_the_axis_makes_room_for_its_labels():
    few, many = histogram([1.0]), histogram(np.full(2_000_000, 1.0))
    assert many.axes.left > few.axes.left

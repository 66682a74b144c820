"""What the Insight page says of takes that were judged, and of those that were not."""

from __future__ import annotations

from studio.history.trends import ASPECTS, Trends, ValueTrend
from studio.ui.insight_panel import trends_view


def test_what_nobody_judged_is_not_shown_as_disliked() -> None:
    aspect = next(iter(ASPECTS))
    rest = {"low": 0.0, "high": 1.0, "rest_share": 0.5, "p_value": 1.0}
    judged = ValueTrend(aspect, "sketch", 12, 12, 9, **rest)
    unjudged = ValueTrend(aspect, "musicgen-small", 14, 0, 0, **rest)
    shown = trends_view(Trends(takes=26, judged=12, liked=9, values=(judged, unjudged)))
    assert "<span>9 of 12</span>" in shown
    assert "<span>14 unjudged</span>" in shown and "0 of 14" not in shown

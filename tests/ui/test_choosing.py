"""Lists that change while a page is open keep what is chosen, and let go what is no longer there."""

from __future__ import annotations

from studio.ui.choosing import offered, still_there

OPTIONS = [("Tune, 20 s", "a"), ("Song, 30 s", "b")]


def test_what_is_chosen_and_there_is_not_written_again() -> None:
    assert "value" not in offered(OPTIONS, "b") and offered(OPTIONS, "b")["choices"] == OPTIONS
    assert "value" not in still_there(OPTIONS, ["b", "a"], label="Takes")
    assert still_there(OPTIONS, None, label="Takes")["label"] == "Takes"


def test_what_has_gone_gives_way() -> None:
    assert offered(OPTIONS, "c")["value"] == "a" and offered(["x", "y"], "c")["value"] == "x"
    assert offered([], "c")["value"] is None
    assert still_there(OPTIONS, ["c", "b"])["value"] == ["b"]
    assert still_there([], ["c"])["value"] == []

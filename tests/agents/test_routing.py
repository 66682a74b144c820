"""Which job a message asks for, by rules and by a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.language_model import LanguageModels
from agents.planner import make_brief, plan_from_brief
from agents.routing import JOBS, Route, route

SONG = plan_from_brief(make_brief(words="intro, verse, chorus, verse, chorus, outro; pop, 100 bpm, 90 seconds"))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("a slow lo-fi beat with rain", Route(job="make")),
        ("another song, like a waltz", Route(job="make")),
        ("make the chorus louder", Route(job="change", sections=(2, 4))),
        ("the second verse without drums", Route(job="change", sections=(3,))),
        ("make it faster", Route(job="change")),
        ("the last chorus sounds off-key, fix it", Route(job="better", sections=(4,))),
        ("can you improve this take?", Route(job="better")),
        ("give it a better title", Route(job="name")),
    ],
)
def test_a_message_is_about_the_song_on_the_desk_when_its_words_are(message: str, expected: Route) -> None:
    assert route(message, on_the_desk=SONG).value == expected


def test_without_a_song_every_message_asks_for_a_new_one() -> None:
    answer = route("make the chorus louder")
    assert answer.value == Route(job="make") and "no song on the desk" in answer.why_fallback


def test_a_random_model_chooses_a_job_and_only_sections_there_are(models: LanguageModels, gguf: Path) -> None:
    answers = [
        route("hm, what now?", on_the_desk=SONG, language_model=models.model(gguf, seed=seed)) for seed in range(12)
    ]
    assert {one.tier for one in answers} >= {"full"}
    assert len({one.value.job for one in answers if one.tier == "full"}) > 1
    for answer in answers:
        assert answer.value.job in JOBS and all(0 <= index < 6 for index in answer.value.sections)


def test_sections_that_the_words_name_are_the_ones_meant_whatever_a_model_says(
    models: LanguageModels, gguf: Path
) -> None:
    for seed in range(8):
        chosen = route("the outro", on_the_desk=SONG, language_model=models.model(gguf, seed=seed)).value
        assert chosen.sections in ((), (5,)) and (chosen.job in ("make", "name")) == (chosen.sections == ())

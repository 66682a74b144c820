"""What a user likes, by the plans of what they voted for, and what that suggests.

Plain counting over song plans. Knows nothing of where votes or plans are kept.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ConfigDict

from agents import knowledge
from agents.types import SongPlan

_MOST = 4


class Taste(BaseModel):
    """What liked plans have in common, most frequent first; empty when nothing was liked. takes: how many were.

    said: whether the user said so, by votes or by taking takes away; else it is only what was made and kept.
    """

    model_config = ConfigDict(frozen=True)

    takes: int = 0
    said: bool = True
    tempo_bpm: tuple[float, float] | None = None
    genres: tuple[str, ...] = ()
    moods: tuple[str, ...] = ()
    instruments: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """For people: "You like 84-92 bpm, electric piano and soft brushed drums."; "Your takes so far: …"; or ""."""
        if not self.takes:
            return ""
        known = knowledge.instruments()
        tempo = f"{self.tempo_bpm[0]:.0f}-{self.tempo_bpm[1]:.0f} bpm" if self.tempo_bpm else ""
        genres = [knowledge.genres()[one].label for one in self.genres[:1]]
        likes = [one for one in (*genres, tempo, *(known[one].label for one in self.instruments[:3])) if one]
        listed = f"{', '.join(likes[:-1])} and {likes[-1]}" if len(likes) > 1 else likes[0]
        return f"You like {listed}." if self.said else f"Your takes so far: {listed}."


class Suggestion(BaseModel):
    """A wish to try, ready for the prompt field, and why it is suggested."""

    model_config = ConfigDict(frozen=True)

    words: str
    why: str


def taste_of(liked: Iterable[SongPlan], disliked: Iterable[SongPlan] = ()) -> Taste:
    """What the liked plans share, without what the disliked ones share more."""
    plans, against = list(liked), list(disliked)
    if not plans:
        return Taste()
    tempos = sorted(plan.tempo_bpm.value for plan in plans)
    edge = len(tempos) // 4
    return Taste(
        takes=len(plans),
        tempo_bpm=(tempos[edge], tempos[-1 - edge]),
        genres=_most([[plan.genre.value] for plan in plans], [[plan.genre.value] for plan in against]),
        moods=_most([plan.moods.value for plan in plans], [plan.moods.value for plan in against]),
        instruments=_most([plan.instruments.value for plan in plans], [plan.instruments.value for plan in against]),
    )


def suggestions(taste: Taste, *, count: int = 3, seed: int = 0) -> tuple[Suggestion, ...]:
    """Wishes near to what was liked, each with one thing that is new; without a history, the genres' own best."""
    rng = random.Random(f"{seed}/{taste.model_dump_json()}")
    genres = knowledge.genres()
    found: dict[str, Suggestion] = {}
    for _ in range(20 * count):
        if len(found) == count:
            break
        genre_id = rng.choice(taste.genres) if taste.genres else rng.choice(list(genres))
        genre = genres[genre_id]
        mood = rng.choice(taste.moods) if taste.moods else rng.choice(list(knowledge.moods()))
        usual = [one for ids in genre.palette.values() for one in ids[:3]]
        fresh = [one for one in usual if one not in taste.instruments] or usual
        loved = [one for one in taste.instruments if one in usual]
        voices = [*rng.sample(loved, min(1, len(loved))), rng.choice(fresh)]
        tempo = _tempo(taste, genre.tempo_bpm, genre.typical_tempo_bpm)
        labels = [knowledge.instruments()[one].label.lower() for one in dict.fromkeys(voices)]
        words = f"{knowledge.moods()[mood].label} {genre.label}, {' and '.join(labels)}, {tempo:.0f} bpm".capitalize()
        why = f"{taste.sentence} New here: {labels[-1]}." if taste.takes else f"A usual {genre.label.lower()}."
        found.setdefault(f"{genre_id}/{mood}/{labels[-1]}", Suggestion(words=words, why=why))
    return tuple(found.values())


def _most(liked: Sequence[Sequence[str]], disliked: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """The values of most liked plans that are no more frequent among the disliked ones."""
    votes = Counter(one for values in liked for one in dict.fromkeys(values))
    votes.subtract(one for values in disliked for one in dict.fromkeys(values))
    return tuple(one for one, count in votes.most_common(_MOST) if count > 0)


def _tempo(taste: Taste, usual: tuple[float, float], typical: float) -> float:
    """A tempo of the genre's, as near to the liked ones as it can be."""
    if taste.tempo_bpm is None:
        return typical
    middle = sum(taste.tempo_bpm) / 2
    return min(usual[1], max(usual[0], middle))

"""What to call a track: its genre and moods, and a sentence it is found by.

In order of trust: what its maker says (a take's plan), its file's tags, the folder it was put into, and CLAP asked in words
(zero-shot); moods also by rules on its figures, which are rough. Who said it is kept with it. Tempo, energy and mode do not
tell a genre (a rule on them was right about one track in three), so without any of these it is left open. The words themselves are handed in, so that the library speaks
the same language as the rest of the studio. Knows nothing of files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rag.features import Features
from rag.tracks import Track

if TYPE_CHECKING:
    from rag.embeddings import Embedder

_MOST_MOODS = 3


@dataclass(frozen=True, slots=True)
class Kind:
    """A genre or mood. aliases: as people write it. prompt: how it is put to CLAP, like “This is jazz music.”"""

    name: str
    label: str
    aliases: tuple[str, ...] = ()
    prompt: str = ""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The genres and moods the studio knows."""

    genres: Mapping[str, Kind]
    moods: Mapping[str, Kind]


class Labels:
    """Labels tracks. listener: an embedder that hears words, asked zero-shot; None leaves tags, folders and rules."""

    def __init__(self, vocabulary: Vocabulary, *, listener: Callable[[], Embedder | None] = lambda: None) -> None:
        self.vocabulary = vocabulary
        self._listener = listener
        self._asked: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def label(self, track: Track, sound: np.ndarray | None) -> Track:
        """The track with genre, moods and description. sound: its vector by the listener, when it has one."""
        if track.features is None:
            return track
        genre, genre_by = self._genre(track, sound)
        moods, moods_by = self._moods(track, sound)
        track = replace(track, genre=genre, genre_by=genre_by, moods=moods, moods_by=moods_by)
        return replace(track, description=self.description(track))

    def description(self, track: Track) -> str:
        """A sentence that says what is known: names, genre, moods, figures in words."""
        heard = track.features
        if track.genre_by == "take" and track.description:
            return track.description
        genre = self.vocabulary.genres[track.genre].label if track.genre in self.vocabulary.genres else track.genre
        moods = [self.vocabulary.moods[each].label if each in self.vocabulary.moods else each for each in track.moods]
        said = [track.label, track.album, genre, *track.genre_tags, *(mood.lower() for mood in moods)]
        if heard is not None:
            said += [in_words(heard), f"{heard.tempo_bpm:.0f} bpm", heard.key_name]
        kept = dict.fromkeys(part.strip() for part in said if part.strip())
        return ", ".join(kept)

    # ---------------------------------------------------------------------------------------------- genre

    def _genre(self, track: Track, sound: np.ndarray | None) -> tuple[str, str]:
        if track.genre_by == "take" and track.genre:
            return track.genre, "take"
        for tag in track.genre_tags:
            if (named := self._by_alias.get(_plain(tag))) is not None:
                return named, "tags"
        for tag in track.genre_tags:  # “Instrumental Hip-Hop / Jazz”: a known genre within a longer tag
            inside = [
                name for alias, name in self._by_alias.items() if re.search(rf"\b{re.escape(alias)}\b", _plain(tag))
            ]
            if inside:
                return max(inside, key=len), "tags"
        folders = Path(track.path).parent.parts[:0:-1]
        if not track.take_id and (
            named := next((self._by_alias[n] for each in folders if (n := _plain(each)) in self._by_alias), "")
        ):
            return named, "folder"
        if sound is not None and (asked := self._likely("genres", sound)):
            return asked[0], "clap"
        return "", ""

    @cached_property
    def _by_alias(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, kind in self.vocabulary.genres.items():
            for alias in (name.replace("_", " "), kind.label, *kind.aliases):
                found.setdefault(_plain(alias), name)
        return found

    def _moods(self, track: Track, sound: np.ndarray | None) -> tuple[tuple[str, ...], str]:
        if track.moods_by == "take" and track.moods:
            return track.moods, "take"
        if sound is not None and (asked := self._likely("moods", sound)):
            return tuple(asked[:_MOST_MOODS]), "clap"
        assert track.features is not None
        moods = [mood for mood in moods_by_rules(track.features) if mood in self.vocabulary.moods]
        return tuple(moods[:_MOST_MOODS]), "rules"

    def _likely(self, what: str, sound: np.ndarray) -> list[str]:
        """Names by how well their words lie with the sound, best first; none without a listener."""
        listener = self._listener()
        if listener is None or not listener.hears_words:
            return []
        kinds = self.vocabulary.genres if what == "genres" else self.vocabulary.moods
        if listener.identity not in self._asked:
            self._asked[listener.identity] = (
                listener.embed_words([kind.prompt or kind.label for kind in self.vocabulary.genres.values()]),
                listener.embed_words([kind.prompt or kind.label for kind in self.vocabulary.moods.values()]),
            )
        words = self._asked[listener.identity][0 if what == "genres" else 1]
        names = list(kinds)
        return [names[n] for n in np.argsort(-(words @ sound), kind="stable")]


def moods_by_rules(heard: Features) -> list[str]:
    """Moods of energy and mode, after Thayer's plane (1989): high or low arousal, and valence by major and minor."""
    minor, energy = heard.key >= 12, heard.energy
    sure = heard.key_confidence > 0.15
    if energy >= 0.7:
        first = ["energetic"] + (["aggressive" if energy > 0.85 else "dark"] if minor and sure else [])
        return first + (["happy"] if not minor and sure else [])
    if energy <= 0.35:
        quiet = ["calm"]
        return quiet + (["melancholic" if minor else "warm"] if sure else [])
    mild = ["melancholic" if minor else "happy"] if sure else []
    return mild + (["groovy"] if heard.danceability > 0.7 else [])


def in_words(heard: Features) -> str:
    """The figures as people say them: “slow, quiet, dark-sounding, minor”."""
    tempo = heard.tempo_bpm
    pace = "slow" if tempo < 80 else "fast" if tempo > 140 else "mid-tempo"
    force = (
        "calm and soft" if heard.energy < 0.35 else "energetic and loud" if heard.energy > 0.7 else "moderate energy"
    )
    tone = "bright" if heard.brightness_hz > 1_300 else "dark-sounding" if heard.brightness_hz < 600 else ""
    beat = (
        "steady beat"
        if heard.tempo_confidence > 0.7
        else "free, without a clear beat"
        if heard.tempo_confidence < 0.25
        else ""
    )
    dance = "danceable" if heard.danceability > 0.75 else ""
    return ", ".join(part for part in (pace, force, tone, beat, dance) if part)


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9&]+", " ", text.lower()).strip()

"""What a track is called when it is learned from: a sidecar's words, else what is known of it, else what is heard.

A `.txt` beside a sound file always wins. Then come the file's tags and what the analysis is sure of; then the metadata
agent, which words a take's plan, or, of a file that says nothing, what its sound was measured to be. Nothing is guessed:
no genre, mood or instrument that neither a tag nor a measure names. Knows nothing of segments or of manifests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.answers import Answer
from agents.style_agent import StyleCard
from agents.types import SongPlan
from audio.clip import Clip
from studio.training.manifest import LONGEST_CAPTION, CaptionBy

SURE_OF_TEMPO, SURE_OF_KEY = 0.4, 0.15  # confidences under which a figure is left out rather than taught wrong
_LONGEST_TAG = 80
_HEARD_SECONDS = 60.0


Wording = Callable[[StyleCard], Answer[str]]


@dataclass(frozen=True, slots=True)
class Caption:
    """A caption and who worded it. model: the language model that did, "" when the agent's built-in rules did."""

    words: str
    by: CaptionBy
    model: str = ""


def caption_of_file(path: Path, clip: Clip, *, wording: Wording | None = None) -> Caption:
    """A sound file's caption: its sidecar's, else its tags and its analysis, else how it sounds.

    wording: the metadata agent, given the style agent's card of the sound; it is asked when there is no sidecar and no
    tag, and None leaves it out.
    """
    if words := sidecar(path):
        return Caption(words, "sidecar")
    tags, heard = _tags(path), _heard(clip)
    if tags:
        return Caption(", ".join((*tags, *heard))[:LONGEST_CAPTION], "tags")
    if wording is not None:
        answer = wording(_card(clip))
        if answer.value:
            return _worded(answer, ", ".join((answer.value, *heard)))
    return Caption(", ".join(heard), "analysis")


def caption_of_plan(plan: SongPlan, *, describe: Callable[[SongPlan], Answer[Any]] | None = None) -> Caption:
    """A take's caption, out of its plan by the metadata agent; with None, by its built-in rules."""
    from agents.metadata_agent import describe_song

    answer = (describe or describe_song)(plan)
    return _worded(answer, answer.value.description)


def _worded(answer: Answer[Any], words: str) -> Caption:
    by: CaptionBy = "metadata agent" if answer.tier == "full" else "metadata agent, built-in"
    return Caption(words[:LONGEST_CAPTION], by, answer.model if answer.tier == "full" else "")


def _card(clip: Clip) -> StyleCard:
    """What the style agent's measures say of a sound's middle; no mood, which they could only guess at."""
    from agents.style_agent import listen, style_card

    return style_card([listen(clip)]).value.model_copy(update={"moods": ()})


def sidecar(path: Path) -> str:
    """The words in the `.txt` beside a sound file (“song.txt” or “song.wav.txt”), on one line; "" when there are none."""
    for beside in (path.with_suffix(".txt"), path.with_name(f"{path.name}.txt")):
        try:
            words = " ".join(beside.read_text(encoding="utf-8", errors="replace").split())
        except OSError:
            continue
        if words:
            return words[:LONGEST_CAPTION]
    return ""


def _tags(path: Path) -> tuple[str, ...]:
    """Genre, mood and description out of a file's tags, without repeating itself."""
    import mutagen

    try:
        file: Any = mutagen.File(path, easy=True)
    except (mutagen.MutagenError, OSError):
        return ()
    if file is None or not file.tags:
        return ()
    said: list[str] = []
    for key in ("genre", "mood", "grouping", "description"):
        try:
            values = file.tags.get(key) or []
        except (KeyError, ValueError):
            continue
        said += [" ".join(str(value).split()) for value in values]
    fitting = [value for value in said if 0 < len(value) <= _LONGEST_TAG and not value.startswith(("{", "http"))]
    return tuple(dict.fromkeys(value.lower() for value in fitting))


def _heard(clip: Clip) -> tuple[str, ...]:
    """Tempo and key, where the analysis is sure of them, of the minute in the middle."""
    from audio.analysis import TooShort, estimate_key, estimate_tempo

    facts: list[str] = []
    middle = max(0.0, (clip.seconds - _HEARD_SECONDS) / 2)
    clip = clip.between(middle, middle + _HEARD_SECONDS)
    try:
        tempo = estimate_tempo(clip)
        if tempo.confidence >= SURE_OF_TEMPO:
            facts.append(f"{round(tempo.tempo_bpm)} bpm")
        key = estimate_key(clip)
        if key.confidence >= SURE_OF_KEY:
            facts.append(key.name)
    except TooShort:
        pass
    return tuple(facts)

"""Briefs and plans from the outside, checked: from a form, from an editor, from a file.

Whatever pydantic finds wrong becomes one sentence a musician understands. Knows nothing of how plans are made.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from agents import knowledge
from agents.harmony import CHORD_QUALITIES, SCALES, Chord, Key, Meter, UnknownName
from agents.lexicon import instruments_of, lowered, names_in
from agents.types import (
    MAX_BARS,
    MAX_SECONDS,
    MAX_TEMPO_BPM,
    MAX_WORDS,
    MIN_SECONDS,
    MIN_TEMPO_BPM,
    Brief,
    BriefError,
    PlanError,
    SongPlan,
)

MAX_CHARACTERS = 4_000
_EDITED = "you changed it"
_DECIDED = (
    "title",
    "seconds",
    "tempo_bpm",
    "key",
    "meter",
    "genre",
    "moods",
    "groove",
    "instruments",
    "prompt",
    "negative_prompt",
)
_SECTION_DECIDED = ("name", "bars", "energy", "prompt", "chords", "instruments")
_FIELDS = {
    "seconds": "the length", "tempo_bpm": "the tempo", "key": "the key", "meter": "the meter", "words": "the description",
    "negative_words": "what to leave out", "title": "the title", "bars": "the bars", "energy": "the energy",
    "chords": "the chords", "instruments": "the instruments", "name": "the name", "prompt": "the prompt", "genre": "the genre",
    "moods": "the moods", "groove": "the groove", "negative_prompt": "the negative prompt", "sections": "the sections",
    "references": "the references", "version": "the version", "notes": "the notes",
    "morph_bars": "the bars of morphing",
}  # fmt: skip


def make_brief(**values: Any) -> Brief:
    """A brief out of loose values; a key or meter may be text ("F# minor", "3/4").

    Raises BriefError with one sentence that names the limits. An empty brief is made: reading it is what refuses it.
    """
    words = str(values.get("words") or "")
    if (count := len(words.split())) > MAX_WORDS or len(words) > MAX_CHARACTERS:
        raise BriefError(
            f"The description has {count:,} words ({len(words):,} characters); at most {MAX_WORDS:,} words and "
            f"{MAX_CHARACTERS:,} characters are read. A sentence or two works best."
        )
    try:
        values = {name: _parsed(name, value) for name, value in values.items()}
        return Brief.model_validate(values)
    except UnknownName as wrong:
        raise BriefError(str(wrong)) from wrong
    except ValidationError as wrong:
        raise BriefError(sentence_for(wrong.errors()[0])) from wrong


def _parsed(name: str, value: Any) -> Any:
    """Keys and meters out of text; numbers that are no numbers are left for the check."""
    if name == "key" and isinstance(value, str):
        return Key.parse(value).model_dump() if value.strip() else None
    if name == "meter" and isinstance(value, str):
        return Meter.parse(value).model_dump() if value.strip() else None
    if name == "words" and value is None:
        return ""
    return value


def revise(plan: str | bytes | Mapping[str, Any]) -> SongPlan:
    """A plan out of JSON text or a dictionary, checked for everything an engine relies on.

    Raises PlanError with one sentence about the first thing wrong.
    """
    if isinstance(plan, (str, bytes)):
        try:
            plan = json.loads(plan)
        except ValueError as wrong:
            raise PlanError("This is not a song plan: it cannot be read as JSON.") from wrong
    if not isinstance(plan, Mapping):
        raise PlanError("This is not a song plan: it should be a set of named values.")
    try:
        checked = SongPlan.model_validate(dict(plan))
    except ValidationError as wrong:
        raise PlanError(sentence_for(_most_telling(wrong))) from wrong
    _names_are_known(checked)
    return checked


def apply_edits(original: SongPlan, edited: Mapping[str, Any]) -> SongPlan:
    """The original with an editor's changes, each changed value marked as asked.

    edited: any of the plan's fields, as bare values or as {"value": …}; `sections` is the whole new list. When bars,
    tempo or meter change and the length does not, the length follows and the last chord's ring is kept. Raises
    PlanError; the original is never touched.
    """
    if not isinstance(edited, Mapping):
        raise PlanError("An edit should be a set of named values, like a tempo and a list of sections.")
    new = original.model_dump(mode="json")
    unknown = [name for name in edited if name not in new]
    if unknown:
        raise PlanError(f"A song plan has no “{unknown[0]}”.")
    try:
        for name in _DECIDED:
            if name in edited:
                new[name] = _changed(new[name], edited[name], name)
        if "sections" in edited:
            new["sections"] = _changed_sections(new["sections"], edited["sections"])
    except UnknownName as wrong:
        raise PlanError(str(wrong)) from wrong
    for name in ("notes", "brief", "version"):
        if name in edited:
            new[name] = edited[name]
    if new["seconds"] == original.model_dump(mode="json")["seconds"]:
        _length_follows(original, new)
    if new["key"] != original.model_dump(mode="json")["key"]:
        _chords_follow(original, new)
    return revise(new)


def _bare(value: Any) -> Any:
    return value["value"] if isinstance(value, Mapping) and "value" in value else value


def _changed(old: dict[str, Any], value: Any, name: str) -> dict[str, Any]:
    """The Decided to keep: the old one when nothing changed, else the new value, asked for."""
    bare = _parsed(name, _bare(value))
    if name in ("key", "meter") and bare is None:
        raise PlanError(f"Give {_FIELDS[name]}, like {'“F# minor”' if name == 'key' else '“4/4”'}.")
    if name == "instruments" and isinstance(bare, (list, tuple)):
        bare = [_instrument(one) for one in bare]
    return old if _same(old["value"], bare) else {"value": bare, "by": "asked", "why": _EDITED}


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, (int, float)) and isinstance(new, (int, float)) and not isinstance(new, bool):
        return math.isclose(old, new, abs_tol=5e-3)  # an editor shows two decimals
    if isinstance(old, str) and isinstance(new, str):
        return old.strip() == new.strip()
    return bool(old == new)


def _changed_sections(old: list[dict[str, Any]], edited: Any) -> list[dict[str, Any]]:
    if not isinstance(edited, (list, tuple)):
        raise PlanError("The sections should be a list.")
    sections = []
    for number, section in enumerate(edited, start=1):
        if not isinstance(section, Mapping):
            raise PlanError(f"Section {number} should have a name, bars, energy, chords and instruments.")
        before = _counterpart(old, section, number - 1)
        missing = [name for name in _SECTION_DECIDED if name not in section and before is None]
        if missing:
            raise PlanError(f"Section {number} lacks {_FIELDS[missing[0]]}.")
        blank = {name: {"value": None, "by": "asked", "why": ""} for name in _SECTION_DECIDED}
        kept = dict(before or blank)
        for name in _SECTION_DECIDED:
            if name in section:
                kept[name] = _changed(kept[name], section[name], name)
        if "morph_bars" in section:
            kept["morph_bars"] = _bare(section["morph_bars"])
        sections.append(kept)
    return sections


def _counterpart(old: list[dict[str, Any]], section: Mapping[str, Any], index: int) -> dict[str, Any] | None:
    """The section this one was before the edit: at its place if the name agrees, else one of that name, else its place."""
    name = _bare(section.get("name"))
    if index < len(old) and old[index]["name"]["value"] == name:
        return old[index]
    named = next((one for one in old if one["name"]["value"] == name), None)
    return named or (old[index] if index < len(old) else None)


def _instrument(name: Any) -> Any:
    """An identifier for what an editor wrote: the identifier itself, a label or an everyday name."""
    if not isinstance(name, str) or name in knowledge.instruments():
        return name
    for hit in names_in(lowered(name)):
        if hit.start == 0 and hit.end == len(name) and (members := instruments_of(hit)):
            return members[0]
    return name


def _length_follows(original: SongPlan, new: dict[str, Any]) -> None:
    """Let the length follow edited bars, tempo or meter, as far as they make sense; the check says what does not."""
    try:
        bars = sum(int(section["bars"]["value"]) for section in new["sections"])
        bar = Meter.model_validate(new["meter"]["value"]).bar_seconds(float(new["tempo_bpm"]["value"]))
    except (TypeError, ValueError, ZeroDivisionError, KeyError):
        return
    music = bars * bar
    if abs(music - original.music_seconds) < 0.01:
        return
    ring = min(max(0.0, original.seconds.value - original.music_seconds), 0.95 * bar)
    if MIN_SECONDS <= music <= MAX_SECONDS:
        seconds = max(MIN_SECONDS, min(MAX_SECONDS, round(music + ring, 3)))
        seconds = max(seconds, music)
        new["seconds"] = {"value": seconds, "by": "inferred", "why": "follows the bars and the tempo you set"}
    elif music > MAX_SECONDS:
        raise PlanError(
            f"The sections now last {music:.0f} s; a song may last {MAX_SECONDS:.0f} s. Take bars away or raise the tempo."
        )
    elif music > 0:
        new["seconds"] = {"value": MIN_SECONDS, "by": "inferred", "why": "the shortest a song may be"}


def _chords_follow(original: SongPlan, new: dict[str, Any]) -> None:
    """Move every chord that nobody edited to the same degree of the new key."""
    try:
        key = Key.model_validate(new["key"]["value"])
    except ValidationError:
        return
    for section in new["sections"]:
        chords = section["chords"]
        if chords.get("why") != _EDITED and isinstance(chords["value"], list):
            moved = [_in_key(symbol, original.key.value, key) for symbol in chords["value"]]
            section["chords"] = {**chords, "value": moved, "why": f"moved to {key.name} with the key"}


def _in_key(symbol: str, old: Key, new: Key) -> str:
    """The chord on the same degree of another key, with the third that the new mode gives it."""
    chord = Chord.parse(symbol)
    steps = [(chord.root - old.tonic) % 12, (0 if chord.bass is None else chord.bass - old.tonic) % 12]
    from_steps, to_steps = SCALES[old.mode], SCALES[new.mode]
    root, bass = (
        (new.tonic + (to_steps[from_steps.index(step)] if step in from_steps else step)) % 12 for step in steps
    )
    quality = chord.quality
    if old.mode != new.mode and steps[0] in from_steps and quality in ("", "m", "dim", "maj7", "m7", "7", "m7b5"):
        degree = from_steps.index(steps[0])
        above = [(to_steps[(degree + skip) % 7] - to_steps[degree]) % 12 for skip in (2, 4, 6)]
        tones = (0, *above) if "7" in quality else (0, *above[:2])
        quality = next((name for name, pitches in CHORD_QUALITIES.items() if pitches == tones), quality)
    return Chord(root=root, quality=quality, bass=None if chord.bass is None else bass).symbol(new)


def _names_are_known(plan: SongPlan) -> None:
    known = knowledge.instruments()
    if plan.genre.value not in knowledge.genres():
        raise PlanError(f"The studio knows no genre “{plan.genre.value}”.")
    if plan.groove.value not in knowledge.GROOVES:
        raise PlanError(f"The studio knows no groove “{plan.groove.value}”.")
    for one in plan.instruments.value:
        if one not in known:
            raise PlanError(f"“{one}” is not one of the studio's instruments; try piano, strings or synth_bass.")
    for number, section in enumerate(plan.sections, start=1):
        for one in section.instruments.value:
            if one not in known:
                raise PlanError(f"Section {number} asks for “{one}”, which is not one of the studio's instruments.")
        for symbol in section.chords.value:
            Chord.parse(symbol)


def _most_telling(wrong: ValidationError) -> ErrorDetails:
    """Of several errors, the one about a value rather than about a shape."""
    errors = wrong.errors()
    return next((one for one in errors if one["type"] not in ("missing", "extra_forbidden")), errors[0])


def sentence_for(error: ErrorDetails) -> str:
    """One pydantic error about a brief, a plan or a preset, in a musician's words."""
    place = [part for part in error["loc"] if part not in ("value", "by", "why")]
    names = [str(part) for part in place if isinstance(part, str)]
    field = next((name for name in reversed(names) if name in _FIELDS), "")
    where = ""
    if len(place) >= 2 and place[0] == "sections" and isinstance(place[1], int):
        where = f"Section {place[1] + 1}"
    given, kind, context = error.get("input"), error["type"], error.get("ctx") or {}
    if kind == "value_error":
        message = str(context.get("error", error["msg"]))
        return _finished(f"{where}: {message}" if where else message)
    if field == "bars" and isinstance(given, (int, float)):
        if kind.startswith("greater"):
            return f"{where} asks for {given:g} bars; a section needs at least 1."
        return f"{where} asks for {given:g} bars; a section has whole bars, 1 to {MAX_BARS:,}."
    limits = {
        "seconds": f"A song lasts {MIN_SECONDS:g} to {MAX_SECONDS:g} seconds",
        "tempo_bpm": f"A tempo is {MIN_TEMPO_BPM:g} to {MAX_TEMPO_BPM:g} bpm",
        "energy": "An energy is 0 (calm) to 1 (full)",
        "bars": f"A section has whole bars, 1 to {MAX_BARS:,}",
        "name": "A section needs a name of up to 120 letters",
        "title": "A song needs a title of up to 120 letters",
        "chords": "Chords are written like Am7, F#, Bbmaj7 or C/E, one a bar",
        "sections": "A song has 1 to 64 sections",
        "key": "A key is written like “F# minor”",
        "meter": "A meter is written like “4/4”, “3/4” or “6/8”",
    }
    if kind == "extra_forbidden":
        return f"There is no setting called “{names[-1] if names else ''}”."
    if kind == "missing":
        return _finished(f"{where or 'The plan'} lacks {_FIELDS.get(field, names[-1] if names else 'a value')}")
    if kind == "string_too_long":
        return _finished(
            f"{where + ': ' if where else ''}{_FIELDS.get(field, 'the text')} is longer than {context.get('max_length'):,} characters".lstrip()
        )
    if field in limits:
        shown = ""
        if given is not None and not isinstance(given, (dict, list)):
            given = f"{given:g}" if isinstance(given, float) else given
            shown = f"; {where.lower()} asks for “{given}”" if where else f"; “{given}” was given"
        return _finished(f"{limits[field]}{shown}")
    return _finished(f"{where + ': ' if where else ''}{_FIELDS.get(field, field or 'the plan')} cannot be read")


def _finished(sentence: str) -> str:
    sentence = sentence.strip()
    sentence = sentence[:1].upper() + sentence[1:]
    return sentence if sentence.endswith((".", "!", "?")) else sentence + "."

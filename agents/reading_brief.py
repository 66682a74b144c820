"""Reading a brief: what its words and settings ask for, every value with who decided it.

A value set beside the words beats the words, what is explicit beats what is vague, an exclusion beats a genre's habit,
and of two wishes alike the later one counts; each such settlement leaves a sentence in the notes. Unknown words are
kept in the prompt and never break anything. Knows nothing of sections' bars or chords.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from agents import knowledge
from agents.harmony import Key, Meter
from agents.lexicon import blanked, lowered, spans
from agents.reading import Found, TempoWish, decades, lengths, meters, tempos
from agents.reading_form import FormWish, read_form
from agents.reading_keys import KeyWish, keys
from agents.reading_names import Names, chosen_genre, read_names
from agents.types import (
    MAX_SECONDS,
    MAX_TEMPO_BPM,
    MAX_WORDS,
    MIN_SECONDS,
    MIN_TEMPO_BPM,
    Brief,
    BriefError,
    Decided,
    DecidedBy,
    EmptyBrief,
)
from agents.wishes import TempoRange, VoiceWish, Wishes

DEFAULT_SECONDS = 30.0
DEFAULT_GENRE = "pop"
_FIELD = "you set it beside the words"
# Beside figures these say nothing of the music: "a song of 30 seconds, please".
_NEUTRAL = frozenset(
    [
        "about",
        "around",
        "bars",
        "beat",
        "beats",
        "give",
        "keep",
        "like",
        "length",
        "long",
        "lasting",
        "make",
        "meter",
        "minute",
        "minutes",
        "music",
        "piece",
        "please",
        "second",
        "seconds",
        "short",
        "song",
        "something",
        "take",
        "tempo",
        "that",
        "time",
        "track",
        "tune",
        "want",
        "with",
    ]
)
_COUNTED_IN = re.compile(
    r"(?:\bin\s+(\d{1,2}\s?/\s?\d{1,2})(?![\w/])|(?<![\w/.])(\d{1,2}\s?/\s?\d{1,2})\s+(?:time|meter|metre)\b)"
)


def read_brief(brief: Brief) -> Wishes:
    """What a brief asks for, every value with who decided it.

    Raises EmptyBrief when there are neither words nor settings, BriefError past MAX_WORDS words.
    """
    settings = (brief.seconds, brief.tempo_bpm, brief.key, brief.meter)
    if not brief.words.strip() and not any(value is not None for value in settings) and not brief.references:
        raise EmptyBrief("Describe the music first: a genre, a mood, an instrument, or just a picture in a few words.")
    if len(brief.words.split()) > MAX_WORDS:
        raise BriefError(
            f"The description has more than {MAX_WORDS:,} words. Say it in fewer; a sentence or two is best."
        )

    notes: list[str] = []
    text = lowered(brief.words)
    form = read_form(text)
    text = blanked(text, spans(form.cues))
    decade = decades(text)
    unaged = blanked(text, spans(decade))
    said_lengths = [one for one in lengths(unaged) if not _is_a_sections(one, form, text)]
    unaged = blanked(unaged, spans(said_lengths))
    said_meters = meters(unaged)
    unaged = blanked(unaged, spans(said_meters))
    said_tempos = tempos(unaged)
    said_keys = keys(blanked(brief.words, spans(said_lengths, said_tempos)))
    masked = spans(said_lengths, said_meters, said_tempos, said_keys)
    names = read_names(blanked(text, masked), negative_words=lowered(brief.negative_words))
    notes += names.notes
    called = {cue.instruments: cue for cue in form.cues if cue.wanted and cue.instruments}
    voices = [*names.voices, *(VoiceWish(word=cue.what, instruments=ids) for ids, cue in called.items())]

    moods = _moods(names)
    seconds = _seconds(brief, said_lengths, notes)
    meter = _meter(brief, said_meters, notes)
    genre, others = _genre(names, text, moods, decade, said_tempos, meter, notes)
    key, mode = _key(brief, said_keys, notes)
    understood = bool(names.taken or form.sections or form.cues or form.bars or form.fades_out or decade)
    if not understood and _says_more_than_figures(brief.words, masked):
        notes.append(
            f"{'Apart from the figures, none' if masked else 'None'} of these words name music the studio knows, so it "
            f"chose {knowledge.genres()[genre.value].label} itself; try a genre, a mood or an instrument in English."
        )
    if names.wants_singing:
        notes.append("The studio makes instrumental music: nobody will sing, though a choir can be asked for.")
    meter = meter or _genre_meter(genre.value)
    if not said_meters and (odd := _COUNTED_IN.search(unaged)):
        notes.append(f"The studio does not count in {odd[1] or odd[2]}; this is in {meter.value.name}.")
    return Wishes(
        brief=brief,
        genre=genre,
        influences=tuple(others),
        moods=Decided(value=tuple(moods), by="asked" if moods else "default", why="in your words" if moods else ""),
        seconds=seconds,
        bars=form.bars,
        tempo=_tempo(brief, said_tempos, genre, moods, notes),
        meter=meter,
        key=key,
        mode=mode,
        voices=tuple(voices),
        only=names.only,
        without=frozenset(names.without),
        without_roles=frozenset(names.without_roles),
        form=form,
        production=(*dict.fromkeys(names.production), *dict.fromkeys(_decade_words(one.value) for one in decade)),
        negative=tuple(names.negative),
        notes=tuple(dict.fromkeys(notes)),
    )


def _says_more_than_figures(words: str, figures: list[tuple[int, int]]) -> bool:
    """Whether anything is left to be understood beside lengths, tempos, keys and meters: "a 30 s piece" leaves nothing."""
    rest = re.findall(r"\w+", blanked(lowered(words), figures))
    return any(len(word) > 3 and word not in _NEUTRAL for word in rest) if figures else bool(words.strip())


def _is_a_sections(length: Found[float], form: FormWish, text: str) -> bool:
    """Whether "10 second intro" speaks of one section and not of the whole."""
    return any(section.seconds == length.value for section in form.sections) and not re.match(
        r"\s*(?:$|[.,;])", text[length.end :]
    )


def _moods(names: Names) -> list[str]:
    genre_words = {hit.start for hit in names.genres if not hit.of("mood")}
    return [mood for mood in names.moods if mood not in genre_words][:4]


def _decade_words(digits: str) -> str:
    return f"{'20' if digits == '00' else '19'}{digits}s style"


def _differs(notes: list[str], what: str, said: str, kept: str) -> None:
    if said != kept:
        notes.append(f"The words say {said}, but the {what} set beside them is {kept}; the setting was kept.")


def _latest(notes: list[str], what: str, values: Sequence[str]) -> None:
    if len(set(values)) > 1:
        notes.append(
            f"Your words name more than one {what} ({', '.join(dict.fromkeys(values))}); the last, {values[-1]}, was kept."
        )


def _seconds(brief: Brief, said: list[Found[float]], notes: list[str]) -> Decided[float]:
    if brief.seconds is not None:
        if said:
            _differs(notes, "length", f"{said[-1].value:g} s", f"{brief.seconds:g} s")
        return Decided(value=brief.seconds, by="asked", why=_FIELD)
    if not said:
        return Decided(value=DEFAULT_SECONDS, by="default", why="usual for a first listen")
    _latest(notes, "length", [f"{one.value:g} s" for one in said])
    value = min(MAX_SECONDS, max(MIN_SECONDS, said[-1].value))
    if value != said[-1].value:
        notes.append(
            f"The studio makes {MIN_SECONDS:g} s to {MAX_SECONDS / 60:g} minutes at once; {said[-1].value:g} s became {value:g} s."
        )
    return Decided(value=value, by="asked", why="in your words")


def _meter(brief: Brief, said: list[Found[Meter]], notes: list[str]) -> Decided[Meter] | None:
    if brief.meter is not None:
        if said:
            _differs(notes, "meter", said[-1].value.name, brief.meter.name)
        return Decided(value=brief.meter, by="asked", why=_FIELD)
    if said:
        _latest(notes, "meter", [one.value.name for one in said])
        return Decided(value=said[-1].value, by="asked", why="in your words")
    return None


def _genre_meter(genre: str) -> Decided[Meter]:
    known = knowledge.genres()[genre]
    return Decided(value=Meter.parse(known.meters[0]), by="inferred", why=f"usual for {known.label.lower()}")


def _key(brief: Brief, said: list[Found[KeyWish]], notes: list[str]) -> tuple[Decided[Key] | None, Decided | None]:
    whole = [one.value.key for one in said if one.value.key]
    modes = [one.value.mode for one in said if one.value.mode]
    if brief.key is not None:
        if whole:
            _differs(notes, "key", whole[-1].name, brief.key.name)
        return Decided(value=brief.key, by="asked", why=_FIELD), None
    if whole:
        _latest(notes, "key", [key.name for key in whole])
        if modes and modes[-1] != whole[-1].mode:
            notes.append(f"You wrote both {whole[-1].name} and {modes[-1]}; the whole key was kept.")
        return Decided(value=whole[-1], by="asked", why="in your words"), None
    if modes:
        _latest(notes, "mode", list(modes))
        return None, Decided(value=modes[-1], by="asked", why="in your words")
    return None, None


def _genre(
    names: Names,
    text: str,
    moods: list[str],
    decade: list[Found[str]],
    said_tempos: list[Found[TempoWish]],
    meter: Decided[Meter] | None,
    notes: list[str],
) -> tuple[Decided[str], list[str]]:
    hit, others = chosen_genre(names, text)
    words, genres = knowledge.words(), knowledge.genres()
    if hit is not None:
        chosen = str(hit.of("genre"))
        slow = any((one.value.position or 0) < -0.4 for one in said_tempos)
        if chosen == "blues" and slow:
            chosen = "slow_blues"
        if chosen == "jazz" and (slow or "romantic" in moods) and "bebop" not in text and "swing" not in text:
            chosen = "jazz_ballad"
        if chosen == "waltz" and meter and meter.value != Meter.parse("3/4"):
            notes.append(
                f"A waltz is in 3/4, but you asked for {meter.value.name}; the meter was kept, the colour is a waltz's."
            )
        if others:
            notes.append(
                f"The song is {genres[chosen].label}; {', '.join(genres[one].label for one in others)} only colours the prompt."
            )
        return Decided(value=chosen, by="asked", why=f"you wrote “{hit.written}”"), others
    for one in decade:
        era = words.decade_genres.get(one.value)
        if era and era not in names.not_genres:
            return Decided(value=era, by="inferred", why=f"the sound of the {one.value}s"), []
    scores = {name: _fit(name, names, moods, said_tempos, meter) for name in genres if name not in names.not_genres}
    best = max(scores, key=lambda name: (scores[name], name == DEFAULT_GENRE), default=DEFAULT_GENRE)
    if scores.get(best, 0.0) <= 0.0:
        best = DEFAULT_GENRE if DEFAULT_GENRE in scores else best
        return Decided(value=best, by="default", why="no genre was named"), []
    return Decided(value=best, by="inferred", why="suits the moods and voices you named"), []


def _fit(
    name: str, names: Names, moods: list[str], said_tempos: list[Found[TempoWish]], meter: Decided[Meter] | None
) -> float:
    """How well a genre suits a brief that names none: its voices, moods, meter and tempo."""
    genre, words = knowledge.genres()[name], knowledge.words()
    score = sum(1.5 / (place + 1) for place, mood in enumerate(moods) if words.mood_genres.get(mood) == name)
    for voice in names.voices:
        ranks = [ids.index(one) for ids in genre.palette.values() for one in voice.instruments[:3] if one in ids]
        score += 1.0 / (1 + min(ranks)) if ranks else -0.3
    asked = {one for voice in names.voices for one in voice.instruments[:3]}
    score += 0.6 * sum(bool(asked & set(ids)) for ids in genre.palette.values()) / len(genre.palette)
    if "drums" in names.without_roles:
        score += 0.4 if "drums" not in genre.palette else -0.1
    if meter:
        places = [Meter.parse(one) for one in genre.meters]
        score += 0.8 / (1 + places.index(meter.value)) if meter.value in places else -0.5
    for one in said_tempos[-1:]:
        if one.value.low_bpm and (names.voices or moods):
            score += 0.4 if genre.tempo_bpm[0] <= one.value.low_bpm <= genre.tempo_bpm[1] else -0.2
    return score if names.voices or moods or meter or names.without_roles else 0.0


def _tempo(
    brief: Brief, said: list[Found[TempoWish]], genre: Decided[str], moods: list[str], notes: list[str]
) -> Decided[TempoRange]:
    known = knowledge.genres()[genre.value]
    numbers = [one.value for one in said if one.value.low_bpm is not None]
    vague = [one.value for one in said if one.value.position is not None]
    factor = next((one.value.factor for one in reversed(said) if one.value.factor), None)
    if brief.tempo_bpm is not None:
        if numbers:
            _differs(notes, "tempo", _bpm(numbers[-1]), f"{brief.tempo_bpm:g} bpm")
        return Decided(value=_exactly(brief.tempo_bpm), by="asked", why=_FIELD)
    if numbers:
        _latest(notes, "tempo", [_bpm(wish) for wish in numbers])
        low, high = (
            _within(float(bpm or 0) * (factor or 1.0), notes) for bpm in (numbers[-1].low_bpm, numbers[-1].high_bpm)
        )
        if factor:
            notes.append(
                f"“{'Half' if factor < 1 else 'Double'} the tempo” makes {_bpm(numbers[-1])} into {low:g} bpm."
            )
        return Decided(
            value=TempoRange(low_bpm=low, high_bpm=high, aim_bpm=(low + high) / 2), by="asked", why="in your words"
        )
    low, high = known.tempo_bpm
    aim = known.typical_tempo_bpm
    for mood in moods[:2]:
        aim *= knowledge.moods()[mood].tempo_factor ** (1.0 if len(moods) == 1 else 0.6)
    by: DecidedBy = "inferred" if genre.by != "default" else "default"
    why = f"usual for {known.label.lower()}"
    if vague:
        if len({(wish.position or 0) > 0 for wish in vague if wish.position}) > 1:
            notes.append("You asked for both slow and fast; the later word was followed.")
        position, half = float(vague[-1].position or 0), (high - low) / 2
        if position < 0 and genre.value in ("slow_blues", "jazz_ballad"):  # slow already
            position *= 0.3
        aim = (low + high) / 2 + position * half
        low, high = aim - 0.25 * half - 1, aim + 0.25 * half + 1
        if vague[-1].position and genre.by == "default":  # with no genre to be slow in, slow means slow
            aim = 72 if position < 0 else 144
            low, high = aim * 0.92, aim * 1.08
        why, by = "as slow or fast as you asked, for " + known.label.lower(), "asked"
    if factor:
        low, high, aim = low * factor, high * factor, aim * factor
        why, by = f"{'half' if factor < 1 else 'double'} the usual tempo, as you asked", "asked"
    low, high = max(MIN_TEMPO_BPM, low), min(MAX_TEMPO_BPM, high)
    aim = min(high, max(low, aim))
    return Decided(value=TempoRange(low_bpm=low, high_bpm=high, aim_bpm=aim), by=by, why=why)


def _exactly(bpm: float) -> TempoRange:
    return TempoRange(low_bpm=bpm, high_bpm=bpm, aim_bpm=bpm)


def _bpm(wish: TempoWish) -> str:
    if wish.low_bpm == wish.high_bpm:
        return f"{wish.low_bpm:g} bpm"
    return f"{wish.low_bpm:.0f} to {wish.high_bpm:.0f} bpm"


def _within(bpm: float, notes: list[str]) -> float:
    kept = min(MAX_TEMPO_BPM, max(MIN_TEMPO_BPM, bpm))
    if kept != bpm:
        notes.append(f"Tempos run from {MIN_TEMPO_BPM:g} to {MAX_TEMPO_BPM:g} bpm; {bpm:g} bpm became {kept:g}.")
    return kept

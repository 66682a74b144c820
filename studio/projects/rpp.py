"""A session as a REAPER project: a folder in a zip, the .rpp beside its sounds.

The format is plain text, a tag a line, blocks in angle brackets; REAPER writes it the same way. Knows nothing of takes.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from audio.io import encode
from studio.projects.session import Part, Session, plain_name

TICKS_PER_QUARTER = 960
_HOLD = 1  # a tempo that stands until the next point
Line: TypeAlias = "Sequence[str | int | float] | Block"


class Block:
    """A tag with lines and blocks inside."""

    def __init__(self, *tag: str | int | float, lines: Sequence[Line] = ()) -> None:
        self.tag, self.lines = tag, list(lines)

    def text(self, depth: int = 0) -> Iterator[str]:
        """The block, a line at a time."""
        inset = "  " * depth
        yield inset + "<" + " ".join(_word(each) for each in self.tag)
        for line in self.lines:
            if isinstance(line, Block):
                yield from line.text(depth + 1)
            else:
                yield inset + "  " + " ".join(_word(each) for each in line)
        yield inset + ">"


def write_reaper(path: Path, session: Session) -> None:
    """Write the zip: a folder of the session's name with the project and audio/*.wav. Raises OSError, audio.io.AudioError."""
    folder = plain_name(session.title) or "Session"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        tracks, rate = [], 44_100
        for name, part in session.sounding():
            clip = part.clip()
            if clip is None:
                continue
            rate = clip.sample_rate_hz
            bundle.writestr(zipfile.ZipInfo(f"{folder}/audio/{name}.wav"), encode(clip, format="wav24"))
            source = Block("SOURCE", "WAVE", lines=[("FILE", f"audio/{name}.wav")])
            tracks.append(_track(part, _item(part.name, session.tempo_map.lead_seconds, clip.seconds, source)))
        tracks += [_track(part, _notes(part, session)) for part in session.playing()]
        text = "\n".join(_project(session, tracks, rate).text()) + "\n"
        bundle.writestr(f"{folder}/{folder}.rpp", text.encode())


def _project(session: Session, tracks: Sequence[Block], rate: int) -> Block:
    tempos = session.tempo_map
    lead = tempos.lead_seconds
    signature = tempos.unit << 16 | tempos.beats
    points: list[Line] = [
        ("PT", tempos.seconds_at(quarter) + lead, tempo, _HOLD, signature if quarter == 0 else 0, 0, 1)
        for quarter, tempo in tempos.points
    ]
    markers = [
        ("MARKER", number, seconds + lead, name, 0) for number, (seconds, name) in enumerate(session.markers, start=1)
    ]
    return Block(
        "REAPER_PROJECT", 0.1, "7.0", 0,
        lines=[
            ("TEMPO", tempos.points[0][1], tempos.beats, tempos.unit), ("SAMPLERATE", rate, 1, 0),
            Block("TEMPOENVEX", lines=[("ACT", 1, -1), *points]), *markers, *tracks,
        ],
    )  # fmt: skip


def _track(part: Part, item: Block) -> Block:
    volume = 10 ** (part.gain_db / 20)
    return Block("TRACK", lines=[("NAME", part.name), ("VOLPAN", volume, part.pan, -1, -1, 1), item])


def _item(name: str, start_seconds: float, seconds: float, source: Block) -> Block:
    return Block("ITEM", lines=[("POSITION", start_seconds), ("LENGTH", seconds), ("LOOP", 0), ("NAME", name), source])


def _notes(part: Part, session: Session) -> Block:
    """A MIDI item from the timeline's beginning; events carry ticks since the one before."""
    tempos = session.tempo_map
    events = []
    for note in part.notes:
        start = max(0, round(tempos.quarter_at(note.start_seconds) * TICKS_PER_QUARTER))
        end = max(start + 1, round(tempos.quarter_at(note.end_seconds) * TICKS_PER_QUARTER))
        events += [(start, 1, note.pitch, note.velocity), (end, 0, note.pitch, 0)]
    channel = 9 if part.is_drums else 0
    lines: list[Line] = [("HASDATA", 1, TICKS_PER_QUARTER, "QN")]
    lines.append(("E", 0, f"c{channel:x}", f"{part.program:02x}", "00"))
    now = 0
    for tick, starts, pitch, velocity in sorted(events):
        lines.append(("E", tick - now, f"{9 if starts else 8}{channel:x}", f"{pitch:02x}", f"{velocity:02x}"))
        now = tick
    lines.append(("E", TICKS_PER_QUARTER, f"b{channel:x}", "7b", "00"))
    seconds = max(note.end_seconds for note in part.notes) + tempos.lead_seconds
    return _item(part.name, 0.0, seconds, Block("SOURCE", "MIDI", lines=lines))


def _word(value: str | int | float) -> str:
    """A word as REAPER reads it: quoted by whichever quote the text does not hold."""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"{value:.9f}".rstrip("0").rstrip(".")
    text = " ".join(value.split())
    if text and not any(letter in text for letter in " \"'`;#<>"):
        return text
    quote = next((mark for mark in "\"'`" if mark not in text), "`")
    return f"{quote}{text.replace('`', chr(39)) if quote == '`' else text}{quote}"

"""A session for any DAW: a zip of sounds that all start at bar 1, one MIDI file with the tempo map, and how to open them.

For Ableton Live, FL Studio, Logic, GarageBand and whatever else reads no project of another's.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from audio.clip import Clip
from audio.io import encode
from audio.midi import midi_of_notes
from studio.projects.session import Part, Session, plain_name

_README = """{title}

Tempo {tempo}, meter {meter}{key}.
{sounds} sounds in Audio, 24 bit, all beginning at bar 1 beat 1. {midi}

Ableton Live   Set the tempo above, drag all files of Audio into the arrangement at 1.1.1 (hold Ctrl or Cmd to give each its
               own track) and turn Warp off. Drag the MIDI file to 1.1.1; when asked, import its tempo.
FL Studio      File > Import > MIDI file takes notes and tempo. Drag the files of Audio into the playlist at bar 1.
Logic Pro      File > Import > MIDI file, and import its tempo. Then drag the files of Audio to bar 1 as new tracks.
GarageBand     Set the tempo above, drag the files of Audio to bar 1.
REAPER         Insert > Media file: the MIDI file with its tempo map, then the files of Audio at time 0.

{sections}
"""


def write_folder(path: Path, session: Session) -> None:
    """Write the zip. Raises OSError, audio.io.AudioError."""
    folder = plain_name(session.title) or "Session"
    playing = session.playing()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        sounds = 0
        for name, part in session.sounding():
            clip = part.clip()
            if clip is not None:
                data = encode(_from_bar_one(clip, session.tempo_map.lead_seconds), format="wav24")
                bundle.writestr(zipfile.ZipInfo(f"{folder}/Audio/{name}.wav"), data)
                sounds += 1
        notes = {_own_name(number, playing): part for number, part in enumerate(playing)}
        midi = midi_of_notes(
            {name: part.notes for name, part in notes.items()}, session.tempo_map,
            drums=[name for name, part in notes.items() if part.is_drums],
            programs={name: part.program for name, part in notes.items()}, markers_seconds=session.markers,
        )  # fmt: skip
        bundle.writestr(f"{folder}/{folder}.mid", midi)
        bundle.writestr(f"{folder}/Read me.txt", _readme(session, sounds, bool(playing)).encode())


def _own_name(number: int, parts: list[Part]) -> str:
    """The part's name, under a number when another has it too."""
    name = parts[number].name
    return f"{name} {number + 1}" if sum(part.name == name for part in parts) > 1 else name


def _from_bar_one(clip: Clip, lead_seconds: float) -> Clip:
    lead = round(lead_seconds * clip.sample_rate_hz)
    return Clip(np.pad(clip.samples, ((0, 0), (lead, 0))), clip.sample_rate_hz) if lead else clip


def _readme(session: Session, sounds: int, has_notes: bool) -> str:
    tempos = session.tempo_map
    first = f"{tempos.points[0][1]:.6g} quarter notes a minute"
    if len(tempos.points) > 1:
        first += ", changing as the MIDI file says"
    bar = tempos.quarters_a_bar
    lines = []
    for seconds, name in session.markers:
        quarter = tempos.quarter_at(seconds)
        lines.append(f"Bar {int(quarter // bar + 1e-6) + 1:>3}  {name}")
    return _README.format(
        title=session.title, tempo=first, meter=f"{tempos.beats}/{tempos.unit}",
        key=f", key {session.key}" if session.key else "", sounds=sounds,
        midi="The MIDI file holds the notes, the tempo map and the sections." if has_notes
        else "The MIDI file holds the tempo map and the sections.",
        sections="Sections\n" + "\n".join(lines) if lines else "",
    )  # fmt: skip

"""A project opens elsewhere with every sound, note, tempo and section where it was here."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from xml.etree import ElementTree as xml

import mido
import numpy as np
import pretty_midi
import pytest
import rpp

from audio.clip import Clip
from audio.io import decode
from audio.tempo_map import TempoMap
from audio.transcription import Note
from studio.projects.dawproject import write_dawproject
from studio.projects.folder import write_folder
from studio.projects.rpp import write_reaper
from studio.projects.session import Part, Session, parts_of_midi

RATE_HZ = 48_000
SCHEMAS = Path(
    os.environ.get("DAWPROJECT_XSD", "/tmp/xsd")
)  # Project.xsd and MetaData.xsd of github.com/bitwig/dawproject
TEMPOS = TempoMap(((0.0, 120.0), (16.0, 124.0), (31.5, 90.0)), 3, 4, sound_quarter=1.5)


@pytest.fixture(params=["changing", "steady"])
def session(request: pytest.FixtureRequest) -> Session:
    tempos = TEMPOS if request.param == "changing" else TempoMap.steady(97.0)
    noise = np.random.default_rng(3).standard_normal((2, RATE_HZ * 9)).astype(np.float32) * 0.05
    notes = tuple(Note(0.5 * k, 0.5 * k + 0.4, 60 + k % 12, 40 + k) for k in range(16))
    parts = (
        Part("Drums", Clip(noise, RATE_HZ), gain_db=-6.0, pan=-0.5),
        Part('Lead "main" / ½', Clip(noise[:1, : RATE_HZ * 5], RATE_HZ)),
        Part("Lead", notes=notes, program=80),
        Part("Drum notes", notes=tuple(Note(n.start_seconds, n.end_seconds, 36, 100) for n in notes), is_drums=True),
    )
    return Session(
        "Rain & <Window>", tempos, parts, ((0.0, "Intro"), (4.2, "Verse “A”")), key="A minor", comment="rainy"
    )


def written(path: Path, session: Session) -> tuple[xml.Element, zipfile.ZipFile]:
    write_dawproject(path, session, software="MusicGen Studio", version="0.1.0")
    bundle = zipfile.ZipFile(path)
    return xml.fromstring(bundle.read("project.xml")), bundle


def test_a_dawproject_is_valid_by_its_schema(session: Session, tmp_path: Path) -> None:
    if not (SCHEMAS / "Project.xsd").exists():
        pytest.skip("DAWPROJECT_XSD names no folder with Project.xsd")
    import xmlschema

    _, bundle = written(tmp_path / "a.dawproject", session)
    for name in ("Project", "MetaData"):
        (tmp_path / f"{name}.xml").write_bytes(bundle.read(f"{name.lower()}.xml"))
        errors = list(xmlschema.XMLSchema(SCHEMAS / f"{name}.xsd").iter_errors(tmp_path / f"{name}.xml"))
        assert not errors


def test_every_reference_in_a_dawproject_leads_somewhere(session: Session, tmp_path: Path) -> None:
    root, bundle = written(tmp_path / "a.dawproject", session)
    identifiers = [each.get("id") for each in root.iter() if each.get("id")]
    assert len(identifiers) == len(set(identifiers))
    named = [each.get(kind) for each in root.iter() for kind in ("track", "parameter", "destination") if each.get(kind)]
    assert named and set(named) <= set(identifiers)
    assert {file.get("path") for file in root.iter("File")} <= set(bundle.namelist())


def test_a_dawproject_read_back_has_the_same_notes_sounds_and_sections(session: Session, tmp_path: Path) -> None:
    root, bundle = written(tmp_path / "a.dawproject", session)
    tempos = session.tempo_map
    tracks = [track.get("name") for track in root.findall("Structure/Track")]
    assert tracks == ["Drums", 'Lead "main" / ½', "Lead", "Drum notes", "Master"]
    first = root.findall(".//Notes")[0]
    read = [(float(n.get("time", 0)), int(n.get("key", 0)), round(float(n.get("vel", 0)) * 127)) for n in first]
    assert [(tempos.seconds_at(q), key, velocity) for q, key, velocity in read] == [
        (pytest.approx(n.start_seconds, abs=1e-5), n.pitch, n.velocity) for n in session.parts[2].notes
    ]
    clip = decode(bundle.read(root.findall(".//File")[0].get("path", "")))
    assert np.abs(clip.samples - session.parts[0].clip().samples).max() < 2**-22  # type: ignore[union-attr]
    markers = [(tempos.seconds_at(float(m.get("time", 0))), m.get("name")) for m in root.iter("Marker")]
    assert markers == [(pytest.approx(seconds, abs=1e-5), name) for seconds, name in session.markers]
    points = [(float(p.get("time", 0)), float(p.get("value", 0))) for p in root.iter("RealPoint")]
    assert points == [(pytest.approx(q), pytest.approx(tempo)) for q, tempo in tempos.points]


def test_sounds_are_tied_to_the_bars_by_warps(session: Session, tmp_path: Path) -> None:
    root, _ = written(tmp_path / "a.dawproject", session)
    tempos = session.tempo_map
    for clip in root.iter("Clip"):
        if (warps := clip.find("Warps")) is None:
            continue
        start = float(clip.get("time", 0))
        assert start == pytest.approx(tempos.sound_quarter)
        assert len(warps.findall("Warp")) >= 2
        for warp in warps.findall("Warp"):
            assert tempos.seconds_at(start + float(warp.get("time", 0))) == pytest.approx(
                float(warp.get("contentTime", 0)), abs=1e-4
            )


def test_the_mixers_levels_go_along(session: Session, tmp_path: Path) -> None:
    root, _ = written(tmp_path / "a.dawproject", session)
    drums = root.findall("Structure/Track")[0]
    assert float(drums.find("Channel/Volume").get("value")) == pytest.approx(10 ** (-6 / 20), abs=1e-5)  # type: ignore
    assert float(drums.find("Channel/Pan").get("value")) == pytest.approx(0.25)  # type: ignore


def test_a_reaper_project_is_parsed_back(session: Session, tmp_path: Path) -> None:
    write_reaper(tmp_path / "a.zip", session)
    bundle = zipfile.ZipFile(tmp_path / "a.zip")
    name = next(each for each in bundle.namelist() if each.endswith(".rpp"))
    text = bundle.read(name).decode()
    project = rpp.loads(text)
    assert rpp.loads(rpp.dumps(project)) == project
    tempos = session.tempo_map
    tracks = project.findall("TRACK")
    assert [track.find("NAME")[1] for track in tracks] == [part.name for part in session.parts]
    assert float(project.find("TEMPO")[1]) == pytest.approx(tempos.points[0][1])
    points = [(float(p[1]), float(p[2])) for p in project.find("TEMPOENVEX").findall("PT")]
    lead = tempos.lead_seconds
    assert points == [
        (pytest.approx(tempos.seconds_at(q) + lead, abs=1e-6), pytest.approx(t)) for q, t in tempos.points
    ]
    markers = [(float(m[2]), m[3]) for m in project.findall("MARKER")]
    assert markers == [(pytest.approx(seconds + lead), name) for seconds, name in session.markers]
    item = tracks[0].find("ITEM")
    assert float(item.find("POSITION")[1]) == pytest.approx(lead)
    folder = name.rsplit("/", 1)[0]
    assert f"{folder}/{item.find('SOURCE').find('FILE')[1]}" in bundle.namelist()
    events = [e for e in tracks[2].find("ITEM").find("SOURCE").findall("E") if e[2].startswith("9")]
    assert [int(e[3], 16) for e in events] == [n.pitch for n in session.parts[2].notes]


def test_the_folder_for_any_daw_starts_every_sound_at_bar_one(session: Session, tmp_path: Path) -> None:
    write_folder(tmp_path / "a.zip", session)
    bundle = zipfile.ZipFile(tmp_path / "a.zip")
    sounds = sorted(each for each in bundle.namelist() if each.endswith(".wav"))
    lead = round(session.tempo_map.lead_seconds * RATE_HZ)
    clip = decode(bundle.read(sounds[0]))
    assert clip.frames == lead + RATE_HZ * 9
    assert not clip.samples[:, :lead].any()
    midi = tmp_path / "a.mid"
    midi.write_bytes(bundle.read(next(each for each in bundle.namelist() if each.endswith(".mid"))))
    read = pretty_midi.PrettyMIDI(str(midi))
    expected = [n.start_seconds + session.tempo_map.lead_seconds for n in session.parts[2].notes]
    assert [note.start for note in read.instruments[0].notes] == pytest.approx(expected, abs=0.002)
    assert any("Read me" in each for each in bundle.namelist())


def test_notes_come_out_of_a_midi_file_as_they_went_in(tmp_path: Path) -> None:
    file = mido.MidiFile(ticks_per_beat=480)
    head, track = mido.MidiTrack(), mido.MidiTrack()
    file.tracks += [head, track]
    head += [mido.MetaMessage("set_tempo", tempo=500_000), mido.MetaMessage("set_tempo", tempo=1_000_000, time=960)]
    track += [mido.Message("note_on", note=60, velocity=80, time=480), mido.Message("note_off", note=60, time=960)]
    file.save(tmp_path / "a.mid")
    (part,) = parts_of_midi((tmp_path / "a.mid").read_bytes())
    assert part.notes == (Note(0.5, 2.0, 60, 80),)
    with pytest.raises(ValueError, match="MIDI"):
        parts_of_midi(b"RIFF nothing")

"""A session as a DAWproject, the open exchange format of Bitwig Studio, Studio One and Cubase.

A zip of project.xml, metadata.xml and the sounds (https://github.com/bitwig/dawproject, MIT). The children of each element stand in
the schema's order. Every sound is tied to the tempo map by warp markers, so that it stays on the bars when the tempo is changed.
"""

from __future__ import annotations

import zipfile
from itertools import count
from pathlib import Path
from xml.etree import ElementTree as xml

from audio.io import encode
from studio.projects.session import Part, Session

MEDIA_TYPE = "application/vnd.bitwig.dawproject"


def write_dawproject(path: Path, session: Session, *, software: str, version: str) -> None:
    """Write the project; sounds as WAV, 24 bit, uncompressed. Raises OSError, audio.io.AudioError."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        lasting = {}
        for name, part in session.sounding():
            clip = part.clip()
            if clip is None:
                continue
            lasting[name] = (clip.channels, clip.sample_rate_hz, clip.seconds)
            bundle.writestr(zipfile.ZipInfo(_inside(name)), encode(clip, format="wav24"))
            del clip
        bundle.writestr("project.xml", _document(_Writer(session, lasting).project(software, version)))
        bundle.writestr("metadata.xml", _document(_metadata(session, software)))


def _inside(name: str) -> str:
    return f"audio/{name}.wav"


def _document(root: xml.Element) -> bytes:
    xml.indent(root)
    return xml.tostring(root, encoding="UTF-8", xml_declaration=True)


def _metadata(session: Session, software: str) -> xml.Element:
    root = xml.Element("MetaData")
    said = {"Title": session.title, "Producer": software, "Genre": session.genre, "Comment": session.comment}
    for name, text in said.items():
        if text:
            xml.SubElement(root, name).text = _printable(text)
    return root


class _Writer:
    """One project.xml. lasting: channels, sample rate and seconds of each sound, by its file's name."""

    def __init__(self, session: Session, lasting: dict[str, tuple[int, int, float]]) -> None:
        self._session, self._map, self._lasting = session, session.tempo_map, lasting
        self._numbers = count(1)

    def _id(self) -> str:
        return f"id{next(self._numbers)}"

    def project(self, software: str, version: str) -> xml.Element:
        root = xml.Element("Project", version="1.0")
        xml.SubElement(root, "Application", name=software, version=version)
        transport = xml.SubElement(root, "Transport")
        tempo, signature = self._id(), self._id()
        first = self._map.points[0][1]
        _number(transport, "Tempo", tempo, first, unit="bpm", low=20.0, high=666.0)
        xml.SubElement(
            transport, "TimeSignature", id=signature, numerator=str(self._map.beats), denominator=str(self._map.unit)
        )
        structure = xml.SubElement(root, "Structure")
        arrangement = xml.SubElement(root, "Arrangement", id=self._id())
        lanes = xml.SubElement(arrangement, "Lanes", id=self._id(), timeUnit="beats")
        master = self._id()
        for name, part in self._session.sounding():
            if name in self._lasting:
                self._sound(self._lane(structure, lanes, part, master, content="audio"), name, part)
        for part in self._session.playing():
            self._notes(self._lane(structure, lanes, part, master, content="notes"), part)
        self._track(structure, Part("Master"), master, role="master", content="audio notes")
        self._markers(arrangement)
        self._tempos(arrangement, tempo)
        self._signature(arrangement, signature)
        xml.SubElement(root, "Scenes")
        return root

    def _track(self, structure: xml.Element, part: Part, master: str, *, role: str, content: str) -> str:
        identifier = self._id()
        track = xml.SubElement(
            structure, "Track", id=identifier, name=_printable(part.name), contentType=content, loaded="true"
        )
        channel = xml.SubElement(track, "Channel", role=role, audioChannels="2", solo="false")
        channel.set("id", master if role == "master" else self._id())
        if role != "master":
            channel.set("destination", master)
        xml.SubElement(channel, "Mute", id=self._id(), name="Mute", value="false")
        _number(channel, "Pan", self._id(), 0.5 + part.pan / 2, unit="normalized", low=0.0, high=1.0)
        volume = min(2.0, 10 ** (part.gain_db / 20))
        _number(channel, "Volume", self._id(), volume, unit="linear", low=0.0, high=2.0)
        return identifier

    def _lane(
        self, structure: xml.Element, lanes: xml.Element, part: Part, master: str, *, content: str
    ) -> xml.Element:
        track = self._track(structure, part, master, role="regular", content=content)
        lane = xml.SubElement(lanes, "Lanes", id=self._id(), track=track)
        return xml.SubElement(lane, "Clips", id=self._id())

    def _sound(self, clips: xml.Element, name: str, part: Part) -> None:
        channels, rate, seconds = self._lasting[name]
        start = self._map.sound_quarter
        length = self._map.quarter_at(seconds) - start
        clip = xml.SubElement(
            clips, "Clip", time=_text(start), duration=_text(length), playStart="0.0", contentTimeUnit="beats",
            name=_printable(part.name),
        )  # fmt: skip
        warps = xml.SubElement(clip, "Warps", id=self._id(), contentTimeUnit="seconds", timeUnit="beats")
        audio = xml.SubElement(
            warps, "Audio", id=self._id(), algorithm="stretch", channels=str(channels), sampleRate=str(rate),
            duration=_text(seconds),
        )  # fmt: skip
        xml.SubElement(audio, "File", path=_inside(name))
        turns = {0.0, length, *(q - start for q, _ in self._map.points if start < q < start + length)}
        for quarter in sorted(turns):
            when = min(max(0.0, self._map.seconds_at(start + quarter)), seconds)
            xml.SubElement(warps, "Warp", time=_text(quarter), contentTime=_text(when))

    def _notes(self, clips: xml.Element, part: Part) -> None:
        bar = self._map.quarters_a_bar
        end = max(self._map.quarter_at(note.end_seconds) for note in part.notes)
        length = -(-end // bar) * bar
        clip = xml.SubElement(
            clips, "Clip", time="0.0", duration=_text(length), playStart="0.0", name=_printable(part.name)
        )
        notes = xml.SubElement(clip, "Notes", id=self._id())
        for note in part.notes:
            start = max(0.0, self._map.quarter_at(note.start_seconds))
            lasts = max(1 / 128, self._map.quarter_at(note.end_seconds) - start)
            loudness = _text(note.velocity / 127)
            xml.SubElement(
                notes, "Note", time=_text(start), duration=_text(lasts), channel="9" if part.is_drums else "0",
                key=str(note.pitch), vel=loudness, rel=loudness,
            )  # fmt: skip

    def _markers(self, arrangement: xml.Element) -> None:
        markers = xml.SubElement(arrangement, "Markers", id=self._id())
        for seconds, name in self._session.markers:
            xml.SubElement(markers, "Marker", time=_text(self._map.quarter_at(seconds)), name=_printable(name))

    def _tempos(self, arrangement: xml.Element, parameter: str) -> None:
        lane = xml.SubElement(arrangement, "TempoAutomation", id=self._id(), timeUnit="beats", unit="bpm")
        xml.SubElement(lane, "Target", parameter=parameter)
        for quarter, tempo in self._map.points:
            xml.SubElement(lane, "RealPoint", time=_text(quarter), value=_text(tempo), interpolation="hold")

    def _signature(self, arrangement: xml.Element, parameter: str) -> None:
        lane = xml.SubElement(arrangement, "TimeSignatureAutomation", id=self._id(), timeUnit="beats")
        xml.SubElement(lane, "Target", parameter=parameter)
        xml.SubElement(
            lane, "TimeSignaturePoint", time="0.0", numerator=str(self._map.beats), denominator=str(self._map.unit)
        )


def _number(
    parent: xml.Element, kind: str, identifier: str, value: float, *, unit: str, low: float, high: float
) -> None:
    xml.SubElement(
        parent, kind, id=identifier, name=kind, unit=unit, min=_text(low), max=_text(high), value=_text(value)
    )


def _text(number: float) -> str:
    return f"{number:.6f}"


def _printable(text: str) -> str:
    """Without the control characters that XML cannot hold."""
    return "".join(letter for letter in text if letter >= " " or letter == "\n")

"""Files dragged off the desk: named by title, part, tempo and key, made once, and only of what is there."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator

import mido
import pytest
import soundfile

from agents.types import Brief
from studio.desk.carrying import carried
from studio.desk.desk import Desk
from studio.desk.errors import DeskError, NothingThere
from studio.desk.items import Item
from studio.desk.notes import part_label
from studio.jobs import GenerateRequest
from studio.settings import Settings
from studio.studio import Studio


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with Studio(Settings(data_dir=tmp_path_factory.mktemp("carrying"))) as studio:
        yield studio


@pytest.fixture(scope="module")
def item(studio: Studio) -> Item:
    brief = Brief(words="house, 120 bpm, A minor, piano and bass", seconds=6)
    job = studio.jobs.wait(studio.generate(GenerateRequest(brief=brief)).id, timeout_seconds=60)
    assert job.take_id, job.error
    return studio.mixing_desk.open(f"take:{job.take_id}", owner="")


@pytest.fixture
def desk(studio: Studio) -> Desk:
    return studio.mixing_desk


def test_a_strip_is_a_wav_named_by_title_tempo_key_and_part(desk: Desk, item: Item) -> None:
    part = desk.sheet(item).parts.names[0]
    path = carried(desk, item, "strip", part=part)
    assert path.name == f"{item.title} – 120bpm – Am – {part_label(part)}.wav"
    assert soundfile.info(path).frames == soundfile.info(desk.sheet(item).parts.path(part)).frames


def test_a_file_dragged_twice_is_made_once_and_anew_when_its_sound_changed(desk: Desk, item: Item) -> None:
    part = desk.sheet(item).parts.names[0]
    first = carried(desk, item, "mix")
    assert carried(desk, item, "mix") == first
    mix = desk.sheet(item).page.mix
    louder = [strip.model_copy(update={"gain_db": -6.0}) if strip.name == part else strip for strip in mix.strips]
    desk.save_mix(item, mix.model_copy(update={"strips": tuple(louder)}).model_dump(mode="json"))
    changed = carried(desk, item, "mix")
    assert changed != first
    assert changed.read_bytes() != first.read_bytes()


def test_one_parts_notes_are_its_own(desk: Desk, item: Item) -> None:
    part = desk.sheet(item).parts.names[-1]
    path = carried(desk, item, "midi", part=part)
    names = [t.name for t in mido.MidiFile(path).tracks if any(m.type == "note_on" for m in t)]
    assert names == [part_label(part)]
    everything = mido.MidiFile(carried(desk, item, "midi"))
    assert sum(any(m.type == "note_on" for m in t) for t in everything.tracks) == len(desk.sheet(item).parts.names)


def test_the_project_has_tracks_tempo_and_markers(desk: Desk, item: Item) -> None:
    path = carried(desk, item, "project")
    assert path.suffix == ".dawproject"
    text = zipfile.ZipFile(path).read("project.xml").decode()
    assert text.count("<Track ") >= len(desk.sheet(item).parts.names)
    assert 'value="120' in text and "<Marker " in text


def test_a_loop_lasts_its_bars(desk: Desk, item: Item) -> None:
    path = carried(desk, item, "loop", start_seconds=0.0, end_seconds=4.0)
    assert path.name.endswith("loop, 2 bars.wav")
    assert soundfile.info(path).duration == 4.0


def test_what_is_not_there_is_said_in_a_sentence(desk: Desk, item: Item) -> None:
    for what, part in (("strip", "nobody"), ("midi", "nobody"), ("elsewhere", "")):
        with pytest.raises(NothingThere):
            carried(desk, item, what, part=part)
    with pytest.raises(DeskError, match="Mark the region"):
        carried(desk, item, "loop")
    with pytest.raises(DeskError, match="too short"):
        carried(desk, item, "loop", start_seconds=1.0, end_seconds=1.001)


def test_old_files_make_room_but_not_under_a_download(desk: Desk, item: Item) -> None:
    home = item.folder / "carried"
    for number in range(40):
        folder = home / f"old{number:02}"
        folder.mkdir(parents=True)
        if number < 20:
            os.utime(folder, (number, number))
    carried(desk, item, "loop", start_seconds=0.0, end_seconds=2.0)
    left = {path.name for path in home.iterdir()}
    assert not left & {f"old{number:02}" for number in range(8)}
    assert {f"old{number:02}" for number in range(20, 40)} <= left

"""What lies on the desk: takes, sounds that were brought along, tracks; and mixes kept as takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audio.clip import Clip
from audio.io import encode, read_clip
from studio.desk.errors import DeskError, NothingThere
from studio.studio import NotYours, Studio
from studio.takes import TakeMissing
from tests.audio.sounds import RATE, band, mixed
from tests.studio.desk.desk_parts import bring, done, keep_take, on_desk, wav


def test_a_take_with_stems_has_them_on_its_strips_and_says_so(studio: Studio) -> None:
    sheet = studio.mixing_desk.sheet(on_desk(studio, keep_take(studio)))
    assert sheet.parts.key == "true" and sheet.parts.label.startswith("true stems")
    assert [strip.name for strip in sheet.page.mix.strips] == ["low", "high voice"]
    assert [each.key for each in sheet.sets] == ["true", "whole"]


def test_a_flat_mix_kept_as_a_take_is_the_take_again_and_its_child(studio: Studio) -> None:
    take = keep_take(studio)
    work = done(studio, "bounce", on_desk(studio, take))
    assert work.state == "done", work.error
    kept = studio.store.read(str((work.result or {})["take"]))
    assert kept.parent == take.id and kept.request["desk"]["kind"] == "mix"
    assert [stem.name for stem in kept.stems] == ["low", "high voice"]
    old, new = (read_clip(studio.store.audio_path(each.id)) for each in (take, kept))
    assert np.allclose(new.samples, old.stereo().samples, atol=1e-6)
    assert {each.id for each in studio.history.family(take.id)} == {take.id, kept.id}


def test_a_mix_is_kept_beside_its_take_and_goes_to_the_bin_with_it(studio: Studio) -> None:
    take = keep_take(studio)
    item = on_desk(studio, take)
    document = studio.mixing_desk.sheet(item).page.mix.model_dump(mode="json")
    studio.mixing_desk.save_mix(item, {**document, "gain_db": -4.0})
    assert studio.mixing_desk.sheet(on_desk(studio, take)).page.mix.gain_db == -4.0
    studio.delete_take(take.id)
    with pytest.raises(TakeMissing):
        on_desk(studio, take)
    studio.restore_take(take.id)
    assert studio.mixing_desk.sheet(on_desk(studio, take)).page.mix.gain_db == -4.0


def test_a_loud_mix_is_turned_down_rather_than_clipped(studio: Studio) -> None:
    item = on_desk(studio, keep_take(studio))
    document = studio.mixing_desk.sheet(item).page.mix.model_dump(mode="json")
    studio.mixing_desk.save_mix(item, {**document, "gain_db": 12.0})
    work = done(studio, "bounce", item)
    assert work.result and work.result["turned_down_db"] == pytest.approx(6.0, abs=0.1)
    kept = str(work.result["take"])
    clip = read_clip(studio.store.audio_path(kept))
    assert float(np.abs(clip.samples).max()) < 1.0
    parts = [read_clip(studio.store.stem_path(kept, stem.name)) for stem in studio.store.read(kept).stems]
    assert np.allclose(sum(part.samples for part in parts), clip.samples, atol=1e-5)


def test_another_owners_take_is_not_on_ones_desk(studio: Studio) -> None:
    take = keep_take(studio, owner="anna")
    with pytest.raises(NotYours):
        studio.mixing_desk.open(f"take:{take.id}", owner="ben")
    assert studio.mixing_desk.open(f"take:{take.id}", owner="anna").title


def test_a_badge_of_a_licence_stays_on_what_is_made(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    take = keep_take(studio)
    item = on_desk(studio, take)
    from dataclasses import replace

    monkeypatch.setattr(studio.mixing_desk, "open", lambda source, owner: replace(item, licence="CC-BY-NC 4.0"))
    work = done(studio, "bounce", item)
    assert studio.store.read(str((work.result or {})["take"])).engine.licence == "CC-BY-NC 4.0"


def test_a_sound_that_was_brought_along_lies_there_in_one_piece(studio: Studio) -> None:
    item = bring(studio, mixed(band(2.0)).samples, name="C:\\music\\my loop.wav")
    assert (item.title, item.channels, item.sample_rate_hz) == ("my loop", 2, RATE)
    sheet = studio.mixing_desk.sheet(item)
    assert sheet.parts.key == "whole" and "not separated" in sheet.parts.label and sheet.beats is None
    assert [each.id for each in studio.mixing_desk.items.uploads("")] == [item.source.removeprefix("upload:")]


@pytest.mark.parametrize(
    ("samples", "says"),
    [
        (np.zeros((2, RATE)), "silent"),
        (np.full((8, RATE), 0.1), "8 channels"),
        (np.full((2, RATE), 1.9), "turned down by 5.6 dB"),
    ],
)
def test_an_odd_sound_is_taken_and_what_was_done_is_said(studio: Studio, samples: np.ndarray, says: str) -> None:
    item = bring(studio, samples.astype(np.float32))
    assert says in " ".join(item.notes) and item.channels <= 2
    assert float(np.abs(item.clip().samples).max()) <= 1.0


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"no sound at all", "not a sound file"),
        (b"", "not a sound file"),
        (wav(np.where(np.arange(2 * 900).reshape(2, 900) == 7, np.nan, 0.1).astype(np.float32)), "no numbers"),
        (wav(np.zeros((2, 0), np.float32)), "no sound"),
        (encode(mixed(band(1.0)), format="flac")[:3000], "damaged"),
    ],
    ids=["words", "zero bytes", "not finite", "no samples", "cut off"],
)
def test_what_is_no_sound_is_refused_in_a_sentence(studio: Studio, data: bytes, says: str) -> None:
    with pytest.raises(DeskError, match=says):
        studio.mixing_desk.bring(data, filename="it.wav", owner="")
    assert not studio.mixing_desk.items.uploads(None)


def test_a_guest_has_only_so_many_sounds_there_and_takes_one_off(studio: Studio) -> None:
    brief = np.full((1, 800), 0.1, np.float32)
    items = [bring(studio, brief, owner="anna") for _ in range(12)]
    with pytest.raises(DeskError, match="12 sounds"):
        bring(studio, brief, owner="anna")
    with pytest.raises(NothingThere):
        studio.mixing_desk.items.take_off(items[0].source, owner="ben")
    studio.mixing_desk.items.take_off(items[0].source, owner="anna")
    assert not items[0].audio_path.exists()
    bring(studio, brief, owner="anna")


@pytest.mark.parametrize(
    "source", ["upload:../../x", "upload:", "take:x", "track:1", "", "take:../bin", "upload:" + "0" * 16]
)
def test_a_name_that_names_nothing_finds_nothing(studio: Studio, source: str) -> None:
    with pytest.raises(Exception, match=r"(no such|not yours|deleted)"):
        studio.mixing_desk.open(source, owner=None)


def test_a_sound_kept_as_a_take_gets_a_plan_of_what_was_heard(studio: Studio) -> None:
    item = bring(studio, mixed(band(8.0)).samples)
    assert done(studio, "listen", item).state == "done"
    work = done(studio, "bounce", item)
    take = studio.store.read(str((work.result or {})["take"]))
    assert take.plan.tempo_bpm.value == pytest.approx(120.0, abs=0.5) and take.parent is None
    assert take.engine.name == "desk" and take.seconds == pytest.approx(8.0)


def test_a_library_track_lies_on_the_desk_read_once(studio: Studio, tmp_path: Path) -> None:
    from rag.tracks import Track

    (tmp_path / "song.flac").write_bytes(encode(mixed(band(2.0)), format="flac"))
    track = studio.library.tracks.add(Track(path=str(tmp_path / "song.flac"), title="Song", hash="x"))
    item = studio.mixing_desk.open(f"track:{track.id}", owner=None)
    assert item.title == "Song" and studio.mixing_desk.sheet(item).parts.key == "whole"
    (tmp_path / "song.flac").unlink()
    assert studio.mixing_desk.open(f"track:{track.id}", owner=None).clip().seconds == pytest.approx(2.0)
    with pytest.raises(NothingThere):
        studio.mixing_desk.open(f"track:{track.id}", owner="anna")


def test_what_was_made_of_a_take_goes_when_the_take_is_gone_for_good(studio: Studio, data_dir: Path) -> None:
    item = on_desk(studio, keep_take(studio))
    done(studio, "hear", item)
    assert item.folder.is_dir()
    studio.delete_take(item.source.removeprefix("take:"))
    studio.mixing_desk.items.sweep()
    assert item.folder.is_dir(), "it can still be restored"
    studio.empty_bin()
    studio.mixing_desk.items.sweep()
    assert not item.folder.exists()


def test_a_clip_over_full_scale_keeps_its_peaks_on_the_desk(tmp_path: Path) -> None:
    from studio.desk.items import put_sound

    loud = Clip(np.array([[1.5, -1.5, 0.2]]), RATE)
    assert np.allclose(read_clip(put_sound(tmp_path / "loud", loud)).samples, loud.samples)
    assert put_sound(tmp_path / "quiet", Clip(loud.samples / 3, RATE)).suffix == ".flac"

"""The desk: what lies on it, its mixes, and what is made of it."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from agents.harmony import Key
from audio.clip import Clip
from audio.io import encode, read_clip
from studio.desk.errors import DeskError, NothingThere
from studio.desk.items import Item
from studio.desk.jobs import DeskJobs, Work, WorkView
from studio.desk.plans import moved_plan, plan_of_sound
from studio.jobs import GenerateRequest
from studio.settings import Settings
from studio.studio import NotYours, Studio
from studio.takes import Take, TakeMissing
from tests.audio.sounds import RATE, band, mixed
from tests.engines_for_tests import plan_of
from tests.ui.studios import ToneEngine, tiny_plan


@pytest.fixture
def studio(data_dir: Path) -> Iterator[Studio]:
    with Studio(Settings(data_dir=data_dir, engine="tone"), engines=ToneEngine(), planner=tiny_plan) as opened:
        yield opened


def keep_take(studio: Studio, *, owner: str = "", seconds: float = 2.0) -> Take:
    from agents.types import Brief

    job = studio.generate(GenerateRequest(brief=Brief(words="a tone", seconds=seconds), engine="tone"), owner=owner)
    done = studio.jobs.wait(job.id, timeout_seconds=20.0)
    assert done.take_id, done.error
    return studio.store.read(done.take_id)


def on_desk(studio: Studio, take: Take) -> Item:
    return studio.mixing_desk.open(f"take:{take.id}", owner=None)


def done(studio: Studio, kind: str, item: Item, **options: object) -> WorkView:
    work = studio.mixing_desk.ask(kind, item.source, options, owner=None)
    return studio.mixing_desk.jobs.wait(work.id, timeout_seconds=60.0)


def wav(samples: np.ndarray, rate: int = RATE) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples.T, rate, format="WAV", subtype="FLOAT")
    return buffer.getvalue()


def bring(studio: Studio, samples: np.ndarray, *, owner: str = "", name: str = "loop.wav") -> Item:
    return studio.mixing_desk.bring(wav(samples), filename=name, owner=owner)


# --------------------------------------------------------------------------------------------------------- takes


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


# ------------------------------------------------------------------------------------------------- brought along


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
)
def test_what_is_no_sound_is_refused_in_a_sentence(studio: Studio, data: bytes, says: str) -> None:
    with pytest.raises(DeskError, match=says):
        studio.mixing_desk.bring(data, filename="it.wav", owner="")
    assert not studio.mixing_desk.items.uploads(None)


@pytest.mark.parametrize("kind", ["listen", "loops", "separate", "notes", "hear", "bounce", "export"])
@pytest.mark.parametrize("seconds", [0.1, 3.0])
@pytest.mark.parametrize("what", ["silence", "mono"])
def test_all_work_on_an_odd_sound_ends_with_a_result_or_a_sentence(
    studio: Studio, kind: str, seconds: float, what: str
) -> None:
    frames = round(seconds * RATE)
    sound = np.zeros((2, frames)) if what == "silence" else np.random.default_rng(3).standard_normal((1, frames)) * 0.1
    work = done(studio, kind, bring(studio, sound.astype(np.float32)))
    assert work.state == "done" or (work.error.endswith(".") and "Something broke" not in work.error), work.error


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


# --------------------------------------------------------------------------------------------------- separation


def test_a_separated_sound_has_its_parts_on_the_strips_and_undo_takes_them_off(studio: Studio) -> None:
    sound = mixed(band(3.0))
    item = bring(studio, sound.samples)
    work = done(studio, "separate", item, model="built-in")
    assert work.state == "done", work.error
    sheet = studio.mixing_desk.sheet(item)
    assert sheet.parts.label == "built-in signal separation"
    assert {"drums", "bass"} <= set(sheet.parts.names)
    total = sum(sheet.parts.open(name).samples for name in sheet.parts.names)
    assert float(np.abs(total - item.clip().samples).max()) < 1e-4
    studio.mixing_desk.undo(item)
    assert studio.mixing_desk.sheet(item).parts.key == "whole"


def test_a_separator_that_is_not_here_says_how_to_get_it(studio: Studio) -> None:
    work = done(studio, "separate", bring(studio, mixed(band(1.0)).samples), model="htdemucs")
    assert work.state == "failed" and "download" in work.error


def test_strips_of_the_same_name_stay_as_they_were_set(studio: Studio) -> None:
    item = on_desk(studio, keep_take(studio))
    document = studio.mixing_desk.sheet(item).page.mix.model_dump(mode="json")
    document["strips"][0]["pan"] = 0.5
    studio.mixing_desk.save_mix(item, document)
    studio.mixing_desk.use_parts(item, "whole")
    assert studio.mixing_desk.sheet(item).parts.key == "whole"
    studio.mixing_desk.use_parts(item, "true")
    assert studio.mixing_desk.sheet(item).page.mix.strips[0].pan == 0.0, "what left the strips comes back flat"
    assert studio.mixing_desk.undo(item).mix.parts == "whole"
    assert studio.mixing_desk.undo(item).mix.strips[0].pan == 0.5


# ------------------------------------------------------------------------------------------------------- effects


def with_effect(studio: Studio, item: Item, effect: dict[str, object]) -> None:
    document = studio.mixing_desk.sheet(item).page.mix.model_dump(mode="json")
    document["strips"][0]["chain"] = {"effects": [effect]}
    studio.mixing_desk.save_mix(item, document)


def test_a_strip_with_effects_is_made_once_and_kept(studio: Studio) -> None:
    item = on_desk(studio, keep_take(studio))
    with_effect(studio, item, {"kind": "gain", "gain_db": -12.0})
    mix = studio.mixing_desk.sheet(item).page.mix
    path = studio.mixing_desk.strip_path(item, mix, "low")
    assert studio.mixing_desk.strip_path(item, mix, "low") == path and path.parent.name == "wet"
    dry = studio.mixing_desk.sheet(item).parts.open("low").stereo()
    assert np.allclose(read_clip(path).samples, dry.samples * 10 ** (-12 / 20), atol=1e-5)
    assert studio.mixing_desk.strip_path(item, mix, "high voice").parent.name == "stems"


def test_a_plug_in_is_refused_while_the_studio_is_shared(data_dir: Path) -> None:
    with Studio(
        Settings(data_dir=data_dir, engine="tone", host="0.0.0.0"), engines=ToneEngine(), planner=tiny_plan
    ) as shared:
        item = on_desk(shared, keep_take(shared))
        with pytest.raises(DeskError, match="not shared"):
            with_effect(shared, item, {"kind": "plugin", "path": "/usr/lib/vst3/x.vst3"})


def test_a_mix_of_other_parts_is_refused(studio: Studio) -> None:
    item = on_desk(studio, keep_take(studio))
    with pytest.raises(DeskError, match="other parts"):
        studio.mixing_desk.save_mix(item, {"parts": "true", "strips": [{"name": "tuba"}]})


def test_a_rendering_says_how_to_hear_it_as_loud_as_the_desk(studio: Studio) -> None:
    item = on_desk(studio, keep_take(studio))
    document = studio.mixing_desk.sheet(item).page.mix.model_dump(mode="json")
    studio.mixing_desk.save_mix(item, {**document, "chain": {"effects": [{"kind": "gain", "gain_db": 3.0}]}})
    work = done(studio, "hear", item)
    assert work.result and work.result["gain_to_match_db"] == pytest.approx(-3.0, abs=0.05)
    assert read_clip(next(iter(work.files.values()))).seconds == pytest.approx(item.seconds)


# ------------------------------------------------------------------------------------------------------- exports


@pytest.mark.parametrize("what", ["mix", "strips", "parts"])
def test_what_is_carried_off_sums_to_the_mix(studio: Studio, what: str, tmp_path: Path) -> None:
    import zipfile

    item = on_desk(studio, keep_take(studio))
    work = done(studio, "export", item, what=what, format="wav24")
    assert work.state == "done", work.error
    path = next(iter(work.files.values()))
    if what == "mix":
        sounds = [read_clip(path)]
    else:
        with zipfile.ZipFile(path) as bundle:
            bundle.extractall(tmp_path)
        sounds = [read_clip(each) for each in tmp_path.glob("*.wav")]
        assert len(sounds) == 2
    total = sum(sound.stereo().samples for sound in sounds)
    assert np.allclose(total, item.clip().stereo().samples, atol=1e-5)
    assert item.title in path.name


@pytest.mark.parametrize(
    "options", [{"what": "moon"}, {"what": "mix", "format": "exe"}, {"what": "strips", "format": "mp3"}]
)
def test_an_export_there_is_none_of_is_refused(studio: Studio, options: dict[str, str]) -> None:
    work = done(studio, "export", on_desk(studio, keep_take(studio)), **options)
    assert work.state == "failed" and work.error


# ---------------------------------------------------------------------------------------------------------- work


def test_options_that_make_no_sense_are_refused_before_any_work(studio: Studio) -> None:
    item = on_desk(studio, keep_take(studio))
    for kind, options in {"dance": {}, "loops": {"bars": "many"}, "bounce": {"titel": "x"}}.items():
        with pytest.raises(DeskError):
            studio.mixing_desk.ask(kind, item.source, options, owner=None)
    assert not studio.mixing_desk.jobs.list()


def test_work_that_is_stopped_in_the_middle_ends_there_and_the_next_begins() -> None:
    jobs, reached = DeskJobs(), threading.Event()

    def endless(work: Work) -> dict[str, object]:
        while True:
            work.tell(0.4, "turning")
            reached.set()

    named = {"kind": "x", "label": "X", "source": "s", "owner": ""}
    first = jobs.submit(endless, **named)
    second = jobs.submit(lambda work: {"made": 1}, **named)
    assert reached.wait(5) and jobs.get(second.id).state == "queued"
    jobs.stop(first.id)
    assert jobs.wait(first.id, timeout_seconds=5).state == "stopped"
    assert jobs.wait(second.id, timeout_seconds=5).result == {"made": 1}
    jobs.close()


def test_work_that_waits_and_is_stopped_never_begins() -> None:
    jobs, gate = DeskJobs(), threading.Event()
    named = {"kind": "x", "label": "X", "source": "s", "owner": ""}
    held = jobs.submit(lambda work: {"waited": gate.wait(5)}, **named)
    begun = []
    waiting = jobs.submit(lambda work: {"begun": begun.append(1)}, **named)
    assert jobs.stop(waiting.id).state == "stopped"
    gate.set()
    jobs.wait(held.id, timeout_seconds=5)
    assert not begun
    jobs.close()


def test_what_breaks_is_said_in_a_sentence_and_the_queue_goes_on() -> None:
    jobs = DeskJobs()
    named = {"kind": "x", "label": "X", "source": "s", "owner": ""}

    def breaks(error: Exception) -> object:
        def task(work: Work) -> dict[str, object]:
            raise error

        return task

    ours = jobs.submit(breaks(DeskError("The tape tore.")), **named)
    theirs = jobs.submit(breaks(KeyError("x")), **named)
    full = jobs.submit(breaks(OSError(28, "No space left on device")), **named)
    assert jobs.wait(ours.id, timeout_seconds=5).error == "The tape tore."
    assert "KeyError" in jobs.wait(theirs.id, timeout_seconds=5).error
    assert "disk is full" in jobs.wait(full.id, timeout_seconds=5).error
    jobs.close()


def test_an_owner_sees_and_stops_only_their_own_work_and_has_only_so_much() -> None:
    jobs, gate = DeskJobs(), threading.Event()
    named = {"kind": "x", "label": "X", "source": "s"}
    mine = jobs.submit(lambda work: {"waited": gate.wait(5)}, owner="anna", most=2, **named)
    jobs.submit(lambda work: {}, owner="anna", most=2, **named)
    with pytest.raises(DeskError, match="2 things"):
        jobs.submit(lambda work: {}, owner="anna", most=2, **named)
    assert not jobs.list("ben") and len(jobs.list("anna")) == 2
    with pytest.raises(NothingThere):
        jobs.stop(mine.id, owner="ben")
    gate.set()
    jobs.close()


# --------------------------------------------------------------------------------------------------------- plans


def test_a_plan_moved_to_another_tempo_and_key_is_still_a_whole_plan() -> None:
    plan = plan_of(seconds=16.0, tempo_bpm=120.0, key="A minor")
    moved = moved_plan(plan, seconds=16.0 * 120 / 100, tempo_bpm=100.0, semitones=3)
    assert moved.bars == plan.bars and moved.key.value == Key.parse("C minor")
    assert moved.sections[0].chords.value == ["Cm", "Ab", "Eb", "Bb"]
    assert moved.music_seconds == pytest.approx(moved.seconds.value, abs=1e-6)


def test_a_sound_of_a_second_has_a_plan_and_a_shorter_one_has_none() -> None:
    assert plan_of_sound("Ping", seconds=1.0).bars == 2, "two of the shortest there are"
    with pytest.raises(DeskError, match="at least a second"):
        plan_of_sound("Ping", seconds=0.4)


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


def test_notes_are_heard_in_each_part_and_drums_by_their_strokes(studio: Studio) -> None:
    item = bring(studio, mixed(band(6.0)).samples)
    assert done(studio, "separate", item, model="built-in").state == "done"
    work = done(studio, "notes", item, parts=["drums", "bass"], grid=4)
    assert work.state == "done", work.error
    heard = (work.result or {})["notes"]
    assert {round(pitch) for _, _, pitch, _ in heard["drums"]["notes"]} & {36, 38}, "a kick or a snare is among them"
    lows = [pitch for _, _, pitch, _ in heard["bass"]["notes"]]
    assert lows and min(lows) in range(31, 40)
    made = done(studio, "export", item, what="midi")
    assert made.state == "done" and next(iter(made.files)).endswith(".mid")


@pytest.mark.parametrize("format", ["dawproject", "reaper", "daw"])
def test_a_desk_leaves_as_a_project_with_its_strips(studio: Studio, format: str) -> None:
    import zipfile

    item = on_desk(studio, keep_take(studio))
    work = done(studio, "export", item, what="project", format=format)
    assert work.state == "done", work.error
    with zipfile.ZipFile(next(iter(work.files.values()))) as bundle:
        assert sum(name.endswith(".wav") for name in bundle.namelist()) == 2


def test_several_takes_leave_at_once_and_nobody_elses(studio: Studio) -> None:
    import zipfile

    takes = [keep_take(studio, owner="anna") for _ in range(3)]
    foreign = keep_take(studio, owner="ben")
    desk, item = studio.mixing_desk, on_desk(studio, takes[0])
    options = {"what": "takes", "format": "flac", "takes": [take.id for take in takes]}
    work = desk.jobs.wait(desk.ask("export", item.source, options, owner="anna").id, timeout_seconds=30)
    with zipfile.ZipFile(next(iter(work.files.values()))) as bundle:
        assert len(bundle.namelist()) == 3
    options["takes"] = [foreign.id]
    refused = desk.jobs.wait(desk.ask("export", item.source, options, owner="anna").id, timeout_seconds=30)
    assert refused.state == "failed" and not refused.files


def test_a_sound_is_bent_onto_a_tempo_and_its_beats_lie_there(studio: Studio) -> None:
    from audio.beats import track_beats

    item = bring(studio, mixed(band(8.0)).samples)
    work = done(studio, "tempo", item, tempo_bpm=132.0)
    assert work.state == "done", work.error
    take = studio.store.read(str((work.result or {})["take"]))
    assert take.plan.tempo_bpm.value == 132.0
    assert track_beats(read_clip(studio.store.audio_path(take.id))).tempo_bpm == pytest.approx(132.0, abs=0.3)


def test_a_shifted_take_is_in_another_key_and_its_drums_stay(studio: Studio) -> None:
    item = on_desk(studio, keep_take(studio))
    work = done(studio, "tempo", item, semitones=3)
    take = studio.store.read(str((work.result or {})["take"]))
    assert take.plan.key.value == Key.parse("Eb major") and take.seconds == pytest.approx(item.seconds)
    clip = read_clip(studio.store.audio_path(take.id)).mono().samples[0]
    peak = np.argmax(np.abs(np.fft.rfft(clip * np.hanning(len(clip))))) * 8_000 / len(clip)
    assert peak == pytest.approx(440 * 2 ** (3 / 12), rel=0.003)


def test_nothing_asked_of_tempo_is_said(studio: Studio) -> None:
    assert "Nothing was changed" in done(studio, "tempo", on_desk(studio, keep_take(studio))).error


def test_a_master_is_heard_first_and_then_kept(studio: Studio) -> None:
    item = bring(studio, mixed(band(4.0)).samples)
    work = done(studio, "master", item, target_lufs=-16.0, curve="")
    told = work.result or {}
    assert told["integrated_lufs"] == pytest.approx(-16.0, abs=0.2) and told["true_peak_dbtp"] <= -1.0
    assert len(told["spectrum"]["hertz"]) == len(told["spectrum"]["after_db"]) and len(told["meters"]) >= 6
    kept = done(studio, "keep_master", item, work=work.id)
    take = studio.store.read(str((kept.result or {})["take"]))
    assert take.request["desk"]["master"]["target_lufs"] == -16.0
    other = bring(studio, mixed(band(4.0)).samples)
    assert done(studio, "keep_master", other, work=work.id).state == "failed", "another sound's master is not its own"


def test_a_master_is_made_like_a_reference(studio: Studio) -> None:
    sound = mixed(band(4.0)).samples
    item, reference = bring(studio, sound), bring(studio, sound * 0.3)
    told = done(studio, "master", item, curve="like", reference=reference.source).result or {}
    assert told["spectrum"]["curve"] and told["integrated_lufs"] == pytest.approx(told["target_lufs"], abs=0.2)
    assert "Choose the track" in done(studio, "master", item, curve="like").error


def test_a_loop_leaves_with_points_a_sampler_reads_or_fills_a_length(studio: Studio) -> None:
    from audio.loop_points import read_loop_points

    item = bring(studio, mixed(band(8.0)).samples)
    loop = (done(studio, "loops", item).result or {})["loops"][0]
    region = {"what": "loop", "start_seconds": loop["start"], "end_seconds": loop["end"]}
    path = next(iter(done(studio, "export", item, **region).files.values()))
    ((start, end),) = read_loop_points(path.read_bytes())
    assert (start, end) == (0, loop["end_frame"] - loop["start_frame"])
    filled = next(iter(done(studio, "export", item, **region, fill_seconds=20.0).files.values()))
    assert read_clip(filled).seconds == pytest.approx(20.0, abs=1e-4)


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


def test_a_file_says_how_it_was_mixed_and_has_a_cover(studio: Studio) -> None:
    import mutagen

    from audio.tags import read_provenance

    item = on_desk(studio, keep_take(studio))
    document = studio.mixing_desk.sheet(item).page.mix.model_dump(mode="json")
    studio.mixing_desk.save_mix(item, {**document, "gain_db": -2.0})
    path = next(iter(done(studio, "export", item, what="mix", format="flac").files.values()))
    told = read_provenance(path)
    assert told and told["mix"]["gain_db"] == -2.0 and told["take"] == item.source.removeprefix("take:")
    assert mutagen.File(path).pictures

"""What the desk makes of a sound: its parts, its notes, effects, another tempo or key, a master."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agents.harmony import Key
from audio.io import read_clip
from studio.desk.errors import DeskError
from studio.desk.items import Item
from studio.desk.plans import moved_plan, plan_of_sound
from studio.settings import Settings
from studio.studio import Studio
from tests.audio.sounds import RATE, band, mixed
from tests.engines_for_tests import plan_of
from tests.studio.desk.desk_parts import bring, done, keep_take, on_desk
from tests.ui.studios import ToneEngine, tiny_plan


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

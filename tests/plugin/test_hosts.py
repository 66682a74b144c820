"""The VST3 in two hosts that know nothing of each other, against a studio that really runs."""

from __future__ import annotations

import re
import urllib.request

import numpy as np
import pytest

from audio.clip import Clip
from audio.io import decode
from tests.plugin.built import Built
from tests.plugin.conftest import KnownStudio
from tests.plugin.hosts import RATE_HZ, Daw
from tests.plugin.known_takes import BARS, TONE_HZ


def sent_by(studio: KnownStudio, take_id: str, *, bpm: float) -> Clip:
    """What the studio sends a plug-in for a take."""
    url = f"{studio.running.url}/studio/plugin/takes/{take_id}/sound.wav?bpm={bpm}&rate={RATE_HZ}&for=test"
    headers = {"X-Studio-Token": studio.place()["token"], "X-Studio-Protocol": "1"}
    for _ in range(100):
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as reply:
            if reply.status == 200:
                return decode(reply.read())
    raise AssertionError("the studio never sent it")


def first_sounding(samples: np.ndarray) -> int:
    return int(np.flatnonzero(np.abs(samples) > 1e-3)[0])


def onsets_seconds(samples: np.ndarray) -> np.ndarray:
    """Where noises begin: the level over a millisecond rises above a fifth of the loudest, and was quiet before."""
    width = RATE_HZ // 1000
    level = np.abs(samples[: len(samples) // width * width]).reshape(-1, width).max(axis=1)
    loud = level > 0.2 * level.max()
    rises = [i for i in np.flatnonzero(loud) if not loud[max(0, i - 60) : i].any()]
    return np.asarray([(i * width + first_sounding(samples[i * width :])) / RATE_HZ for i in rises])


def above_hz(samples: np.ndarray, cutoff_hz: float) -> np.ndarray:
    from scipy.signal import butter, sosfiltfilt

    return sosfiltfilt(butter(6, cutoff_hz, "highpass", fs=RATE_HZ, output="sos"), samples)


@pytest.mark.parametrize("bpm", [60.0, 97.0, 120.0, 174.0])
def test_a_take_of_the_running_studio_sounds_from_the_sample_it_was_asked_for(
    built: Built, found: KnownStudio, bpm: float
) -> None:
    daw = Daw(built.vst3, bpm=bpm)
    daw.wait_for_sound(bpm)
    frame = 24_007
    heard = daw.play(1.5, notes=[(60, frame, 1.0)])
    sent = sent_by(found, found.clicks, bpm=bpm).samples[0]
    assert abs(first_sounding(heard) - (frame + first_sounding(sent))) <= 1
    at = first_sounding(heard) - first_sounding(sent)
    assert np.abs(heard[at : at + RATE_HZ // 2] - sent[: RATE_HZ // 2]).max() < 1e-6  # and it is that sound


@pytest.mark.parametrize("bpm", [60.0, 97.0, 174.0])
def test_with_the_transport_every_beat_of_the_take_falls_on_the_hosts(
    built: Built, found: KnownStudio, bpm: float
) -> None:
    daw = Daw(built.vst3, bpm=bpm)
    daw.wait_for_sound(bpm)
    daw.set(With_the_transport=1.0)
    beat = 60.0 / bpm
    heard = onsets_seconds(daw.play((2 * BARS * 4 - 0.5) * beat))  # once round, and once more
    assert len(heard) == 2 * BARS * 4
    off = heard - np.arange(len(heard)) * beat
    assert np.abs(off).max() < 0.004
    slope = np.polyfit(np.arange(len(heard)), heard, 1)[0]
    assert 60.0 / slope == pytest.approx(bpm, abs=0.02)


def test_pedalboard_hosts_it_too(built: Built, found: KnownStudio) -> None:
    import time

    import pedalboard
    import pedalboard._pedalboard as inner
    from mido import Message

    inner.PARAMETER_NAME_REGEXES_TO_IGNORE.add(re.compile(r"MIDI Ch\. "))
    plugin = pedalboard.load_plugin(str(built.vst3))
    assert plugin.is_instrument and plugin.name == "MusicGen Studio Takes"
    frame = 12_345
    note = [Message("note_on", note=60, velocity=127, time=frame / RATE_HZ), Message("note_off", note=60, time=0.9)]
    for _ in range(100):  # this host always says 120 bpm
        heard = plugin(note, duration=1.0, sample_rate=RATE_HZ, reset=False)[0]
        if np.abs(heard).max() > 0.1:
            break
        time.sleep(0.1)
    heard = plugin(note, duration=1.0, sample_rate=RATE_HZ, reset=False)[0]
    sent = sent_by(found, found.clicks, bpm=120.0).samples[0]
    assert abs(first_sounding(heard) - (frame + first_sounding(sent))) <= 1


def test_looping_across_a_change_of_tempo_makes_no_click(built: Built, found: KnownStudio) -> None:
    """A pure tone has nothing above 6 kHz, a click has: heard is how loud that gets, against the tone."""
    daw = Daw(built.vst3, bpm=120.0)
    daw.wait_for_sound(120.0)
    daw.press("Older take")
    daw.wait(lambda each: np.abs(above_hz(each.play(1.0, notes=[(60, 0, 1.0)]), 6_000)[5_000:40_000]).max() < 1e-3)
    daw.set(Loop=1.0, With_the_transport=0.0)
    seconds, change = 40.0, 13.0
    quarters = 960  # DawDreamer's, for a tempo that changes on the way
    tempo = np.full(int(seconds * 3 * quarters), 120.0)
    tempo[int(change * 2 * quarters) :] = 97.0
    daw.engine.set_bpm(tempo, ppqn=quarters)
    daw.set(With_the_transport=1.0)
    pieces = [daw.play(seconds)]
    tone_level = 0.5
    high = above_hz(pieces[0], 6_000)
    loudest_db = 20 * np.log10(np.abs(high[RATE_HZ // 10 : -RATE_HZ // 10]).max() / tone_level)
    cut = pieces[0][RATE_HZ : 3 * RATE_HZ].copy()
    cut[RATE_HZ + 27 :] *= -1.0  # what a click would be
    click_db = 20 * np.log10(np.abs(above_hz(cut, 6_000)).max() / tone_level)
    assert np.abs(pieces[0]).max() > 0.4
    assert click_db > -20
    assert loudest_db < click_db - 20, (loudest_db, click_db)


def test_a_held_key_loops_while_the_tempo_changes_and_the_new_sound_comes(built: Built, found: KnownStudio) -> None:
    """The change while the studio is asked, the new sound's coming and going round: all in one held note."""
    daw = Daw(built.vst3, bpm=120.0)
    daw.wait_for_sound(120.0)
    daw.press("Older take")
    daw.idle(2.0)
    daw.set(Loop=1.0, With_the_transport=1.0)
    heard = []
    for bpm in (120.0, 97.0):
        daw.engine.set_bpm(bpm)
        daw.wait_for_sound(bpm)
        heard.append(daw.play(10.0))
    for each, bpm in zip(heard, (120.0, 97.0), strict=True):
        spectrum = np.abs(np.fft.rfft(each[RATE_HZ : 3 * RATE_HZ] * np.hanning(2 * RATE_HZ)))
        assert np.argmax(spectrum) / 2 == pytest.approx(TONE_HZ, abs=1.0), bpm  # the studio kept its pitch


def test_a_project_plays_with_the_studio_closed(built: Built, found: KnownStudio, tmp_path, monkeypatch) -> None:
    daw = Daw(built.vst3, bpm=97.0)
    daw.wait_for_sound(97.0)
    before = daw.play(2.0, notes=[(60, 1_000, 1.5)])
    daw.set(Release=0.5)
    daw.idle(0.2)  # this host passes knobs on as it plays
    kept = tmp_path / "project"
    daw.plugin.save_state(str(kept))
    monkeypatch.setenv("MUSICGEN_STUDIO_PLUGIN_FILE", str(tmp_path / "no-studio.txt"))
    again = Daw(built.vst3, bpm=97.0)
    again.restore(kept)
    again.wait(lambda each: each.status == "The studio is not running" and abs(each.sound_tempo - 97.0) < 0.01)
    after = again.play(2.0, notes=[(60, 1_000, 1.5)])
    assert np.abs(before).max() > 0.3
    held = RATE_HZ  # until its release, which is longer now
    assert np.abs(after[:held] - before[:held]).max() < 1e-6
    assert again.sound_tempo == pytest.approx(97.0)
    assert again.get("Release") == pytest.approx(0.5, abs=1e-3)


def test_slices_lie_on_the_keys(built: Built, found: KnownStudio) -> None:
    daw = Daw(built.vst3, bpm=97.0)
    daw.wait_for_sound(97.0)
    daw.set(Keys_play=1.0)
    heard = daw.play(1.2, notes=[(36 + 4, 4_800, 1.0)])
    sent = sent_by(found, found.clicks, bpm=97.0).samples[0]
    start = round(4 * 60 / 97.0 * RATE_HZ)
    beat = round(60 / 97.0 * RATE_HZ)
    wanted = sent[start + 100 : start + beat - 100]
    assert np.abs(heard[4_900 : 4_900 + len(wanted)] - wanted).max() < 1e-4
    assert np.abs(heard[4_800 + beat + 10 :]).max() == 0.0


def test_a_new_take_is_made_by_the_studio_and_played(built: Built, found: KnownStudio) -> None:
    daw = Daw(built.vst3, bpm=140.0)
    daw.wait_for_sound(140.0)
    before = daw.play(4.0, notes=[(60, 0, 3.9)])
    daw.set(Bars_of_a_new_take=1 / 63)  # 2 of 1 to 64
    daw.press("New take")
    daw.wait(lambda each: each.status != "Ready", seconds=30)  # it was: of the take before
    daw.wait_for_sound(140.0)
    after = daw.play(4.0, notes=[(60, 0, 3.9)])
    assert np.abs(after).max() > 0.05
    assert np.abs(after - before).max() > 0.05

"""Faults are heard where they are, and music is not taken for one."""

from __future__ import annotations

import numpy as np
import pytest

from audio.clip import Clip
from audio.faults import clicks, clipped, dc_offset, holes, hum, stereo
from audio.heard import hear
from audio.pitch import pitch_profile
from audio.pulse import onset_strength, pulse_at
from audio.texture import texture

RATE_HZ = 44_100


def tone(*, hertz: float = 220.0, seconds: float = 6.0, level: float = 0.4, channels: int = 2) -> Clip:
    """A tone with four harmonics that swells slowly, each channel a little out of phase with the other."""
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    swell = 0.7 + 0.3 * np.sin(2 * np.pi * 0.3 * time)
    rows = [
        sum(np.sin(2 * np.pi * hertz * k * time + 0.6 * c * k) / k for k in range(1, 5)) * swell
        for c in range(channels)
    ]
    return Clip(level / 2 * np.array(rows), RATE_HZ)


def beats(*, tempo_bpm: float, seconds: float = 20.0) -> Clip:
    """Decaying noise on every beat, a softer one between."""
    rng = np.random.default_rng(3)
    out = np.zeros(round(seconds * RATE_HZ), np.float32)
    stroke = rng.normal(size=4_000) * np.exp(-np.arange(4_000) / 700)
    for number in range(int(seconds * tempo_bpm / 30)):
        at = round(number * 30 / tempo_bpm * RATE_HZ)
        piece = stroke[: len(out) - at]
        out[at : at + len(piece)] += (0.3 if number % 2 == 0 else 0.12) * piece
    return Clip(np.stack([out, out]), RATE_HZ)


def changed(clip: Clip, at: slice, value: object) -> Clip:
    out = clip.samples.copy()
    out[:, at] = value
    return Clip(out, clip.sample_rate_hz)


def test_flat_tops_are_clipping_and_a_full_scale_sine_is_not() -> None:
    time = np.arange(RATE_HZ * 3) / RATE_HZ
    assert clipped(Clip(np.sin(2 * np.pi * 441.7 * time), RATE_HZ)) == []
    hot = tone(level=2.5)
    spans = clipped(Clip(np.clip(hot.samples, -0.9, 0.9), RATE_HZ))
    assert spans and spans[0].strength > 100


def test_clipping_is_found_where_it_is() -> None:
    clip = tone()
    out = clip.samples.copy()
    out[:, 3 * RATE_HZ : 4 * RATE_HZ] = np.clip(out[:, 3 * RATE_HZ : 4 * RATE_HZ] * 4, -0.5, 0.5)
    (span,) = clipped(Clip(out, RATE_HZ))
    assert span.start_seconds == pytest.approx(3.0) and span.end_seconds == pytest.approx(4.0)


def test_a_splice_without_a_fade_clicks_and_a_drum_does_not() -> None:
    clip = tone()
    assert clicks(clip) == []
    assert clicks(beats(tempo_bpm=120.0)) == []
    at = 2 * RATE_HZ + 31
    jumped = Clip(np.concatenate([clip.samples[:, :at], -clip.samples[:, at:]], axis=1), RATE_HZ)
    (click,) = clicks(jumped)
    assert click.start_seconds == pytest.approx(at / RATE_HZ, abs=0.002)


def test_sound_cut_out_is_a_hole_and_a_dying_note_is_not() -> None:
    clip = tone()
    (hole,) = holes(changed(clip, slice(2 * RATE_HZ, 3 * RATE_HZ), 0.0))
    assert hole.seconds == pytest.approx(1.0, abs=0.03) and hole.strength > 20
    dying = clip.samples * np.exp(-(np.arange(clip.frames) % (3 * RATE_HZ)) / RATE_HZ * 9).astype(np.float32)
    assert all(span.strength < 5 for span in holes(Clip(dying, RATE_HZ)))


@pytest.mark.parametrize("mains", [50.0, 60.0])
def test_mains_hum_is_heard_under_a_tone_and_named_by_its_frequency(mains: float) -> None:
    clip = tone(hertz=293.7)
    time = np.arange(clip.frames) / RATE_HZ
    buzz = sum(np.sin(2 * np.pi * mains * k * time) / k**0.5 for k in range(1, 8)) * 0.012
    found = hum(Clip(clip.samples + buzz, RATE_HZ))
    assert found is not None and found.mains_hz == mains
    assert sum(span.seconds for span in found.spans) > 4


def test_a_bass_note_at_the_mains_frequency_is_no_hum() -> None:
    assert hum(tone(hertz=49.0, seconds=8.0)) is None
    assert hum(tone(hertz=61.74, seconds=8.0)) is None


def test_two_equal_channels_are_mono_and_opposite_ones_out_of_phase() -> None:
    clip = tone()
    wide = stereo(clip)
    assert wide.side_db is not None and wide.side_db > -20
    same = stereo(Clip(np.repeat(clip.samples[:1], 2, axis=0), RATE_HZ))
    assert same.side_db is not None and same.side_db < -60
    against = stereo(Clip(np.stack([clip.samples[0], -clip.samples[0]]), RATE_HZ))
    assert against.correlation == pytest.approx(-1.0, abs=1e-3)
    assert stereo(tone(channels=1)).correlation is None


def test_an_offset_is_measured() -> None:
    clip = tone()
    assert dc_offset(clip) < 0.003
    assert dc_offset(Clip(clip.samples + np.float32(0.1), RATE_HZ)) == pytest.approx(0.1, abs=0.003)


def test_onsets_bear_out_their_tempo_and_contradict_another() -> None:
    strength = onset_strength(beats(tempo_bpm=100.0))
    right = pulse_at(strength, tempo_bpm=100.0)
    assert right.support > 0.9 and right.heard_bpm == pytest.approx(100.0, rel=0.01)
    wrong = pulse_at(strength, tempo_bpm=88.0)
    assert wrong.support < 0.5 and wrong.heard_bpm == pytest.approx(100.0, rel=0.01)


@pytest.mark.parametrize("cents", [-40.0, 0.0, 35.0])
def test_tuning_is_heard_in_cents(cents: float) -> None:
    profile = pitch_profile(tone(hertz=220.0 * 2 ** (cents / 1200)), edges_seconds=[0.0, 3.0, 6.0])
    assert profile.cents == pytest.approx(cents, abs=6)
    assert int(np.argmax(profile.classes[0])) == 9  # A


def test_texture_measures_level_band_and_width() -> None:
    sound = texture(tone(hertz=220.0))
    assert int(np.argmax(sound.band_db)) == 2  # 180 to 400 Hz
    clip = tone()
    level = 10 * np.log10((clip.samples**2).mean() * 2)
    assert sound.mean_db == pytest.approx(level, abs=1.0)


@pytest.mark.parametrize("seconds", [0.0, 0.05, 1.0])
def test_silence_and_scraps_are_measured_without_a_word(seconds: float) -> None:
    heard = hear(Clip.silence(seconds=seconds, sample_rate_hz=RATE_HZ), tempo_bpm=120.0, bar_seconds=2.0)
    assert heard.seconds == pytest.approx(seconds, abs=1e-4)
    assert heard.clipped == heard.clicks == heard.holes == ()


def test_five_minutes_are_measured_in_little_more_memory_than_they_take() -> None:
    import tracemalloc

    clip = Clip(np.tile(tone(seconds=5.0).samples, (1, 60)), RATE_HZ)
    tracemalloc.start()
    hear(clip, tempo_bpm=120.0, bar_seconds=2.0)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 3 * clip.samples.nbytes

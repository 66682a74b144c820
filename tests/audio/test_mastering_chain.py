"""A master has the loudness that was asked for, or says why not, and nothing in it goes over, MP3 or not."""

from __future__ import annotations

import numpy as np
import pytest

from audio.clip import Clip
from audio.loudness_report import THIRD_OCTAVES_HZ, loudness_report, third_octaves_db
from audio.loudness_target import after_mp3, peak_after_mp3, to_loudness
from audio.mastering import TooQuiet
from audio.mastering_chain import TARGETS, MasteringSettings, like, master_track, sides_over_middle
from audio.tonal_balance import correction_db, curve_of_clip, curve_of_genre, tonal_curves
from audio.work import SoundUnusable, WorkCancelled
from tests.audio.sounds import BROKEN, ODD, RATE, band, mixed

BAND = mixed(band(8.0))


def pink(seconds: float = 8.0, *, tilt_db: float = 0.0, width: float = 0.0, rate: int = RATE) -> Clip:
    """Noise alike in every third octave, tilted by so many dB an octave; width: the sides' energy over the middle's."""
    noise, frames = np.random.default_rng(9), round(seconds * rate)
    hertz = np.maximum(np.fft.rfftfreq(frames, 1 / rate), 20.0)
    shape = hertz**-0.5 * 10 ** (tilt_db * np.log2(hertz / 1000) / 20)
    mid, side = (np.fft.irfft(np.fft.rfft(noise.standard_normal(frames)) * shape, frames) for _ in range(2))
    side *= np.sqrt(width)
    both = np.stack([mid + side, mid - side])
    return Clip(both / np.abs(both).max() * 0.3, rate)


@pytest.mark.parametrize(("target", "ceiling"), TARGETS.values(), ids=TARGETS)
def test_a_master_reaches_its_loudness_or_says_why_not(target, ceiling):
    made = master_track(BAND, MasteringSettings(target_lufs=target, ceiling_dbtp=ceiling))
    assert abs(made.after.integrated_lufs - target) <= 0.2 or made.reasons
    assert made.after.true_peak_dbtp <= ceiling
    assert made.mp3_peak_dbtp is not None and made.mp3_peak_dbtp <= ceiling
    assert peak_after_mp3(made.clip) == pytest.approx(made.mp3_peak_dbtp, abs=0.01)
    assert made.clip.samples.shape == BAND.samples.shape


def test_what_cannot_be_reached_is_said_in_words():
    noise = np.random.default_rng(1).standard_normal((2, 6 * RATE)) * 0.001
    noise[:, :: RATE // 2] = 0.9  # a click every half second over next to nothing
    made = to_loudness(Clip(noise, RATE), target_lufs=-9)
    assert made.loudness_lufs < -9.2 and made.peak_dbtp <= -1.0
    assert any("LUFS" in reason for reason in made.reasons)


def test_an_mp3_of_an_unguarded_master_does_go_over():
    """What the guard is for: the same sound under the same ceiling overshoots without it."""
    bright = pink(tilt_db=2.0, width=0.5)
    loose = to_loudness(bright, target_lufs=-7, safe_for_mp3=False)
    tight = to_loudness(bright, target_lufs=-7)
    assert peak_after_mp3(loose.clip) > -1.0 >= peak_after_mp3(tight.clip)


def test_mp3_is_what_a_listener_gets():
    clip = Clip(BAND.samples, RATE)
    back = after_mp3(clip)
    assert abs(back.frames - clip.frames) < 2500
    assert after_mp3(Clip(BAND.samples, 96_000)).sample_rate_hz == 48_000


def test_a_dull_sound_is_brought_toward_the_curve():
    dull = pink(tilt_db=-6.0)
    curve = curve_of_genre("pop")
    middle = slice(6, 26)

    def miss(clip: Clip) -> float:
        off = (third_octaves_db(clip) - curve.db)[middle]
        return float(np.abs(off - off.mean()).mean())

    half, whole = (
        master_track(dull, MasteringSettings(curve=curve, tone_amount=amount, dynamics=0.0)).clip
        for amount in (0.5, 1.0)
    )
    assert miss(whole) < miss(half) < miss(dull) - 1.0


def test_the_correction_is_gentle_and_leaves_silence_alone():
    db = correction_db(pink(tilt_db=-9.0), curve_of_genre("techno"), amount=1.0)
    assert np.abs(db).max() <= 6.0
    low = pink(4.0)
    spectrum = np.fft.rfft(low.samples, axis=1)
    spectrum[:, np.fft.rfftfreq(low.frames, 1 / RATE) > 4000] = 0
    lifted = correction_db(Clip(np.fft.irfft(spectrum, low.frames), RATE), curve_of_genre("pop"), amount=1.0)
    assert (lifted[np.array(THIRD_OCTAVES_HZ) > 9000] <= 0.0).all()


def test_without_tone_dynamics_or_width_only_the_level_changes():
    plain = MasteringSettings(target_lufs=-23, dynamics=0.0, mono_bass=False)
    made = master_track(BAND, plain).clip.samples
    gain = float((made * BAND.samples).sum() / (BAND.samples**2).sum())
    assert np.abs(made - gain * BAND.samples).max() < 2e-3 * np.abs(made).max()


def test_dynamics_are_held_in_each_band():
    loud_and_soft = Clip(BAND.samples * np.where(np.arange(BAND.frames) < BAND.frames // 2, 0.1, 1.0), RATE)
    free, held = (
        master_track(loud_and_soft, MasteringSettings(target_lufs=-23, dynamics=amount)).clip.samples
        for amount in (0.0, 1.0)
    )

    def contrast(samples: np.ndarray) -> float:
        half = samples.shape[1] // 2
        return float((samples[:, half:] ** 2).mean() / (samples[:, :half] ** 2).mean())

    assert contrast(held) < 0.6 * contrast(free)


def test_width_and_a_firm_bass():
    wide = pink(width=0.3)
    made = master_track(wide, MasteringSettings(width=0.0)).after
    assert made.width < 1e-4 and made.correlation > 0.999
    kept = master_track(wide, MasteringSettings(width=1.0)).clip.samples
    side = np.abs(np.fft.rfft(kept[0] - kept[1]))
    hertz = np.fft.rfftfreq(kept.shape[1], 1 / RATE)
    assert side[(hertz > 30) & (hertz < 80)].mean() < 0.02 * side[(hertz > 300) & (hertz < 600)].mean()


def test_one_track_is_mastered_like_another():
    reference = to_loudness(pink(tilt_db=-1.5, width=0.25), target_lufs=-15).clip
    settings = like(reference)
    assert settings.target_lufs == pytest.approx(-15, abs=0.1)
    made = master_track(pink(width=0.1), settings)
    assert made.after.integrated_lufs == pytest.approx(-15, abs=0.3)
    assert sides_over_middle(made.clip) == pytest.approx(0.25, abs=0.06)
    off = [curve_of_clip(clip).db[6:26] - settings.curve.db[6:26] for clip in (pink(width=0.1), made.clip)]
    assert np.std(off[1]) < 0.5 * np.std(off[0])


def test_the_report_reads_the_meters():
    report = loudness_report(BAND)
    assert report.momentary_max_lufs >= report.short_term_max_lufs >= report.integrated_lufs - 0.5
    assert report.peak_to_loudness_lu > 5
    opposed = Clip(np.stack([BAND.samples[0], -BAND.samples[0]]), RATE)
    assert loudness_report(opposed).correlation == pytest.approx(-1)
    assert loudness_report(Clip(BAND.samples[:1], RATE)).width == 0
    assert len(report.lines()) == 8 and len(report.spectrum_db) == len(THIRD_OCTAVES_HZ)
    flat = third_octaves_db(pink(20.0))[3:28]
    assert np.ptp(flat) < 2.0


@pytest.mark.parametrize("kind", [kind for kind in ODD if kind != "silence"])
def test_any_sound_can_be_mastered(kind):
    clip = ODD[kind]
    made = master_track(clip, MasteringSettings(curve=curve_of_genre("pop")))
    assert made.clip.samples.shape == (min(2, clip.channels), clip.frames)
    assert made.after.true_peak_dbtp <= -1.0 and (made.mp3_peak_dbtp or -9) <= -1.0
    assert abs(made.after.integrated_lufs + 14) <= 0.2 or made.reasons


def test_silence_and_broken_sound_are_refused():
    with pytest.raises(TooQuiet):
        master_track(ODD["silence"])
    with pytest.raises(TooQuiet):
        like(ODD["silence"])
    for clip in BROKEN.values():
        with pytest.raises(SoundUnusable):
            master_track(clip)
    for wrong in (3.0, -70.0, float("nan")):
        with pytest.raises(ValueError, match=r"LUFS"):
            master_track(BAND, MasteringSettings(target_lufs=wrong))


def test_mastering_tells_how_far_it_is_and_stops_when_asked():
    told: list[float] = []
    master_track(BAND, progress=told.append)
    assert told == sorted(told) and told[-1] == 1.0
    with pytest.raises(WorkCancelled):
        master_track(BAND, cancelled=lambda: True)


def test_every_genre_the_studio_knows_has_a_curve_of_its_family():
    from agents.knowledge import genres

    listed = [genre for curve in tonal_curves().values() for genre in curve.genres]
    assert sorted(listed) == sorted(genres())

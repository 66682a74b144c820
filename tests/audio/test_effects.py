"""Effects do what they are called, in any chain, and leave the music where it was."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from audio import effects as fx
from audio.clip import Clip
from audio.effect_rack import apply_chain, at_matched_loudness
from audio.loudness import integrated_lufs
from audio.plugin_hosting import try_plugin
from audio.work import SoundUnusable, WorkCancelled
from tests.audio.sounds import BROKEN, ODD, RATE, band, mixed, onsets_of_clicks
from tests.audio.vst3 import DPF, build_vst3


def chain(*effects: fx.Effect) -> fx.Chain:
    return fx.Chain(effects=effects)


def tone(hertz: float, seconds: float = 1.0, *, level: float = 0.25) -> Clip:
    wave = level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)
    return Clip(np.stack([wave, wave]), RATE)


def level_db(clip: Clip) -> float:
    """RMS of the second half, where everything has settled."""
    return 10 * float(np.log10((clip.samples[:, clip.frames // 2 :] ** 2).mean() + 1e-20))


def clicks(seconds: float = 3.0) -> Clip:
    samples = np.zeros((2, round(seconds * RATE)), np.float32)
    samples[:, :: RATE // 2] = 0.8
    return Clip(samples, RATE)


EVERY = [kind() for name, kind in fx.KINDS.items() if name not in ("equalizer",)] + [
    fx.Equalizer(bands=tuple(fx.Band(shape=shape, gain_db=3) for shape in fx.BandShape.__args__))
]


@pytest.mark.parametrize("effect", EVERY, ids=lambda effect: effect.kind)
def test_every_effect_plays_any_sound(effect):
    for clip in ODD.values():
        made = apply_chain(clip, chain(effect))
        assert made.samples.shape == (min(2, clip.channels), clip.frames)
        assert np.isfinite(made.samples).all()
    for clip in BROKEN.values():
        with pytest.raises(SoundUnusable):
            apply_chain(clip, chain(effect))


@pytest.mark.parametrize("effect", EVERY, ids=lambda effect: effect.kind)
def test_the_sound_is_the_same_however_it_is_cut(effect, monkeypatch):
    clip = mixed(band(3.0))
    whole = apply_chain(clip, chain(effect)).samples
    monkeypatch.setattr("audio.effect_rack._BLOCK_SECONDS", 0.25)
    np.testing.assert_allclose(apply_chain(clip, chain(effect)).samples, whole, atol=2e-5)


def test_an_effect_that_is_off_changes_nothing():
    clip = tone(440)
    assert np.array_equal(
        apply_chain(clip, chain(fx.Reverb(on=False), fx.Gain(on=False, gain_db=6))).samples, clip.samples
    )
    assert np.array_equal(apply_chain(clip, fx.Chain()).samples, clip.samples)


def test_a_limiter_lets_nothing_over_and_delays_nothing():
    made = apply_chain(clicks(), chain(fx.Gain(gain_db=12), fx.Limiter(ceiling_db=-6)))
    assert np.abs(made.samples).max() <= 10 ** (-6 / 20) * 1.02
    np.testing.assert_allclose(onsets_of_clicks(made), onsets_of_clicks(clicks()), atol=2 / RATE)


@pytest.mark.parametrize(
    ("band_", "hertz", "db"),
    [
        (fx.Band(shape="peak", frequency_hz=1000, gain_db=6, q=1), 1000, 6),
        (fx.Band(shape="peak", frequency_hz=1000, gain_db=6, q=4), 200, 0),
        (fx.Band(shape="low shelf", frequency_hz=200, gain_db=-9), 40, -9),
        (fx.Band(shape="high shelf", frequency_hz=4000, gain_db=4), 14_000, 4),
        (fx.Band(shape="low cut", frequency_hz=400), 100, -24),
        (fx.Band(shape="high cut", frequency_hz=2000), 8000, -26),
    ],
)
def test_a_band_lifts_what_it_says(band_, hertz, db):
    before = tone(hertz)
    after = apply_chain(before, chain(fx.Equalizer(bands=(band_,))))
    assert level_db(after) - level_db(before) == pytest.approx(db, abs=1.2)


def test_a_compressor_brings_loud_and_soft_together():
    squeeze = chain(fx.Compressor(threshold_db=-30, ratio=4, attack_ms=5, release_ms=50))
    loud, soft = (level_db(apply_chain(tone(500, 2.0, level=level), squeeze)) for level in (0.5, 0.05))
    assert loud - soft < 12  # of 20


def test_an_echo_in_beats_follows_the_tempo():
    samples = np.zeros((2, 2 * RATE), np.float32)
    samples[:, 0] = 0.8
    echo = chain(fx.Delay(beats=0.5, feedback=0.0, mix=0.5))
    for tempo in (60, 120, 150):
        heard = onsets_of_clicks(apply_chain(Clip(samples, RATE), echo, tempo_bpm=tempo))
        assert heard[1] == pytest.approx(30 / tempo, abs=0.001)


def test_echoes_ring_out_when_there_is_room():
    made = apply_chain(clicks(1.0), chain(fx.Delay(seconds=0.3, feedback=0.6, mix=0.5)), tail_seconds=2.0)
    assert made.seconds == pytest.approx(3.0) and np.abs(made.samples[:, -RATE:]).max() > 0.001


def test_width_spares_the_middle_and_the_bass():
    clip = mixed(band(2.0))
    narrow = apply_chain(clip, chain(fx.Width(width=0.0))).samples
    np.testing.assert_allclose(narrow[0], narrow[1], atol=1e-6)
    np.testing.assert_allclose(narrow[0], clip.samples.mean(axis=0), atol=1e-6)
    low = Clip(np.stack([tone(60).samples[0], -tone(60).samples[0]]), RATE)
    kept = apply_chain(low, chain(fx.Width(width=1.0, mono_below_hz=200)))
    assert level_db(kept) < level_db(low) - 15


def test_saturation_adds_overtones_not_loudness():
    before, after = tone(200), apply_chain(tone(200), chain(fx.Saturation(drive_db=18)))
    third = np.abs(np.fft.rfft(after.samples[0]))[600]
    assert third > 100 * np.abs(np.fft.rfft(before.samples[0]))[600]
    assert level_db(after) == pytest.approx(level_db(before), abs=3)


def test_before_and_after_are_compared_equally_loud():
    before = mixed(band(3.0))
    after = apply_chain(before, chain(fx.Gain(gain_db=9)))
    matched = at_matched_loudness(after, before)
    assert matched.gain_db == pytest.approx(-9, abs=0.05)
    assert integrated_lufs(matched.clip) == pytest.approx(integrated_lufs(before), abs=0.05)
    assert at_matched_loudness(ODD["silence"], before).gain_db == 0


def test_a_chain_is_a_small_document():
    made = chain(fx.Delay(beats=0.75), fx.Equalizer(bands=(fx.Band(gain_db=2),)))
    assert fx.Chain.read(json.loads(made.model_dump_json())) == made
    assert fx.Chain.read([{"kind": "reverb"}]).effects == (fx.Reverb(),)


@pytest.mark.parametrize(
    "wrong",
    [
        [{"kind": "flux capacitor"}], [{"kind": "gain", "gain_db": 900}], [{"kind": "gain", "gain_db": float("nan")}],
        [{"kind": "delay", "seconds": -1}], [{"kind": "gain", "volume": 1}], "reverb", [{"kind": "gain"}] * 25, 7,
    ],
)  # fmt: skip
def test_a_chain_that_is_none_is_refused_with_a_sentence(wrong):
    with pytest.raises(fx.EffectsError, match=r"cannot be read"):
        fx.Chain.read(wrong)


def test_knobs_know_their_range():
    knobs = fx.describe()
    assert knobs["compressor"]["ratio"] == {"default": 2.5, "least": 1.0, "most": 20.0, "options": None}
    assert "low pass 24" in knobs["filter"]["mode"]["options"]
    assert "plugin" not in knobs


def test_effects_stop_when_asked():
    with pytest.raises(WorkCancelled):
        apply_chain(tone(440, 12.0), chain(fx.Reverb()), cancelled=lambda: True)


# ------------------------------------------------------------------------------------------------- plug-ins


def test_plugins_are_for_this_machines_user_only(tmp_path):
    with pytest.raises(fx.EffectsError, match=r"only for this machine"):
        apply_chain(tone(440), chain(fx.Plugin(path=str(tmp_path / "x.vst3"))))


def test_what_is_no_plugin_is_refused_and_nothing_crashes(tmp_path):
    with pytest.raises(fx.EffectsError, match=r"There is no VST3"):
        try_plugin(tmp_path / "missing.vst3")
    rubbish = tmp_path / "rubbish.vst3"
    rubbish.write_bytes(b"\x7fELF" + bytes(200))
    with pytest.raises(fx.EffectsError, match=r"cannot be loaded|crashed"):
        apply_chain(tone(440), chain(fx.Plugin(path=str(rubbish))), plugins_allowed=True)


@pytest.mark.skipif(DPF is None or shutil.which("g++") is None, reason="needs g++ and Debian's dpf-source")
def test_a_real_plugin_is_tried_outside_then_played(tmp_path):
    halver, crasher = build_vst3(tmp_path, "Halver"), build_vst3(tmp_path, "Crasher", "-DCRASH")
    facts = try_plugin(halver)
    assert (facts.name, facts.is_instrument, facts.values) == ("Halver", False, {"gain": 0.5})
    clip = mixed(band(2.0))
    for gain, values in ((0.5, {}), (0.25, {"gain": 0.25})):
        plugin = fx.Plugin(path=str(halver), values=values)
        made = apply_chain(clip, chain(plugin), plugins_allowed=True)
        np.testing.assert_allclose(made.samples, gain * clip.samples, atol=1e-6)
    assert apply_chain(clip.mono(), chain(plugin), plugins_allowed=True).channels == 1
    with pytest.raises(fx.EffectsError, match=r"It has gain"):
        apply_chain(clip, chain(fx.Plugin(path=str(halver), values={"room": 0.1})), plugins_allowed=True)
    # One that aborts while it loads takes only its trial with it.
    with pytest.raises(fx.EffectsError, match=r"crashed while it was tried"):
        try_plugin(crasher)

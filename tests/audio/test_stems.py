"""Stems sum to their mix, whoever took it apart."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import audio.demucs_stems as by_demucs
import audio.signal_stems as by_signal
from audio.clip import Clip, SampleRateMismatch
from audio.demucs_stems import DemucsSeparator, SeparatorUnusable
from audio.signal_stems import separate_by_signal
from audio.stems import Stems
from audio.work import SoundUnusable, WorkCancelled
from tests.audio.sounds import BROKEN, ODD, RATE, band, mixed, sdr_db
from tests.tiny_demucs import SIX, write_demucs


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_demucs(tmp_path_factory.mktemp("separator"))


def noise(seconds: float, *, rate: int = RATE, channels: int = 2) -> Clip:
    return Clip(np.random.default_rng(0).standard_normal((channels, round(seconds * rate))) * 0.1, rate)


def test_what_no_stem_holds_is_kept_as_the_residual():
    mix = noise(1.0)
    stems = Stems.of(mix, {"drums": Clip(mix.samples * 0.5, RATE)}, tier="true", model="none")
    assert stems.names == ("drums", "residual")
    np.testing.assert_allclose(stems.clips["residual"].samples, mix.samples * 0.5, atol=1e-7)
    assert stems.error_db(mix) < -120
    assert Stems.of(mix, {"all": mix}, tier="true", model="none").audible() == ("all",)
    with pytest.raises(SampleRateMismatch):
        Stems.of(mix, {"drums": noise(1.0, channels=1)}, tier="true", model="none")


# ------------------------------------------------------------------------------------------ the built-in tier


def test_a_band_is_told_apart_without_a_model():
    parts = band(6.0)
    mix = mixed(parts)
    stems = separate_by_signal(mix)
    assert stems.tier == "built-in" and stems.names == ("drums", "bass", "other", "residual")
    assert stems.error_db(mix) < -60
    for name, truth in parts.items():
        # Each stem is far nearer to its part than the mix is.
        assert sdr_db(truth, stems.clips[name]) > sdr_db(truth, mix) + 2, name


def test_a_long_sound_is_separated_in_stretches_that_nobody_hears(monkeypatch):
    parts = band(27.0)
    cut = separate_by_signal(mixed(parts))
    monkeypatch.setattr(by_signal, "_BLOCK_SECONDS", 60)
    whole = separate_by_signal(mixed(parts))
    for name in parts:
        off = whole.clips[name].samples - cut.clips[name].samples
        assert off.std() < 0.25 * whole.clips[name].samples.std(), name


@pytest.mark.parametrize("kind", ODD)
def test_any_sound_can_be_taken_apart(kind):
    clip = ODD[kind]
    stems = separate_by_signal(clip)
    mix = clip if clip.channels <= 2 else clip.stereo()
    assert all(stem.samples.shape == mix.samples.shape for stem in stems.clips.values())
    assert all(np.isfinite(stem.samples).all() for stem in stems.clips.values())
    assert stems.error_db(mix) < -60


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_no_sound_is_refused(kind):
    with pytest.raises(SoundUnusable):
        separate_by_signal(BROKEN[kind])


def test_the_built_in_separation_stops_when_asked():
    told: list[float] = []
    with pytest.raises(WorkCancelled):
        separate_by_signal(noise(30.0, channels=1), progress=told.append, cancelled=lambda: bool(told))
    assert len(told) == 1 and told[0] < 0.6


# --------------------------------------------------------------------------------------------------- Demucs


@pytest.mark.parametrize("name", ["htdemucs", "htdemucs_ft", "htdemucs_6s"])
def test_demucs_own_models_are_loaded_and_applied(name, tmp_path):
    separator = DemucsSeparator(write_demucs(tmp_path, name), name)
    mix, told = noise(5.0), []
    stems = separator.separate(mix, progress=told.append)
    assert stems.names == (*(SIX if name == "htdemucs_6s" else SIX[:4]), "residual")
    assert stems.tier == "full" and stems.model.startswith(f"{name}:")
    assert stems.error_db(mix) < -60
    # Every segment of every member of the bag is told: 2 s windows, 1.5 s apart.
    assert len(told) == (17 if name == "htdemucs_ft" else 5) and told == sorted(told) and told[-1] == 1.0


def test_it_is_demucs_own_separation(tmp_path):
    import torch
    from demucs.api import Separator

    folder, mix = write_demucs(tmp_path, "htdemucs_ft", packed=True), noise(5.0)
    ours = DemucsSeparator(folder, "htdemucs_ft").separate(mix)
    theirs = Separator(model="htdemucs_ft", repo=folder, device="cpu", shifts=0).separate_tensor(
        torch.from_numpy(mix.samples.copy()), RATE
    )[1]
    for name, samples in theirs.items():
        np.testing.assert_allclose(ours.clips[name].samples, samples.numpy(), atol=2e-4)


def test_the_hubs_files_and_the_older_ones_are_the_same_model(tmp_path):
    mix = noise(2.0)
    one = DemucsSeparator(write_demucs(tmp_path / "a"), "htdemucs").separate(mix)
    other = DemucsSeparator(write_demucs(tmp_path / "b", packed=True), "htdemucs").separate(mix)
    np.testing.assert_allclose(one.clips["bass"].samples, other.clips["bass"].samples, atol=1e-5)


def test_the_same_sound_gives_the_same_stems(tiny):
    separator, mix = DemucsSeparator(tiny, "htdemucs"), noise(3.0)
    one, two = separator.separate(mix), separator.separate(mix)
    assert all(np.array_equal(one.clips[name].samples, two.clips[name].samples) for name in one.names)


def test_a_separation_stops_in_the_middle_of_a_bag(tmp_path):
    separator = DemucsSeparator(write_demucs(tmp_path, "htdemucs_ft"), "htdemucs_ft")
    told: list[float] = []
    with pytest.raises(WorkCancelled):
        separator.separate(noise(5.0), progress=told.append, cancelled=lambda: len(told) >= 6)
    assert len(told) == 6 and told[-1] < 0.5
    assert separator.separate(noise(1.0)).names  # and works the next time


def test_a_long_song_goes_through_demucs_in_stretches(tiny, monkeypatch):
    monkeypatch.setattr(by_demucs, "STRETCH_SECONDS", 3)
    monkeypatch.setattr(by_demucs, "_FADE_SECONDS", 1)
    for mix in (noise(10.3), noise(9.0, rate=32_000, channels=1), noise(7.7, rate=48_000)):
        stems = DemucsSeparator(tiny, "htdemucs").separate(mix)
        assert all(stem.samples.shape == mix.samples.shape for stem in stems.clips.values())
        assert stems.error_db(mix) < -60
        assert all(np.abs(stem.samples).max() > 1e-5 for stem in stems.clips.values())


@pytest.mark.parametrize("kind", ODD)
def test_demucs_takes_any_sound(kind, tiny):
    clip = ODD[kind]
    mix = clip if clip.channels <= 2 else clip.stereo()
    stems = DemucsSeparator(tiny, "htdemucs").separate(clip)
    assert all(stem.samples.shape == mix.samples.shape for stem in stems.clips.values())
    assert stems.error_db(mix) < -60


def test_a_folder_without_its_weights_says_so(tmp_path):
    with pytest.raises(SeparatorUnusable, match=r"no list"):
        DemucsSeparator(tmp_path, "htdemucs")
    folder = write_demucs(tmp_path, segment=Fraction(1))
    weights = folder / "955717e8.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(SeparatorUnusable, match=r"download it again"):
        DemucsSeparator(folder, "htdemucs")
    weights.unlink()
    with pytest.raises(SeparatorUnusable, match=r"lacks its weights"):
        DemucsSeparator(folder, "htdemucs")


def test_weights_that_ask_for_another_class_are_refused(tmp_path):
    """Safetensors name the class to build; only Demucs' own are, whatever a file asks for."""
    import torch
    from safetensors.torch import save_file

    folder = write_demucs(tmp_path)
    told = {"klass": "subprocess.Popen", "args": '["true"]', "kwargs": "{}"}
    save_file({"x": torch.zeros(1)}, folder / "955717e8.safetensors", metadata=told)
    with pytest.raises(SeparatorUnusable, match=r"no Demucs model"):
        DemucsSeparator(folder, "htdemucs")

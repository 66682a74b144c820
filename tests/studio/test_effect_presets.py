"""Effect presets: those that ship all play, and the user's own are kept beside them."""

from __future__ import annotations

import numpy as np
import pytest

from audio import effects as fx
from audio.effect_rack import apply_chain
from studio.desk.effect_presets import list_effect_presets, load_effect_preset, save_effect_preset
from studio.presets import SHIPPED_DIR, PresetError, list_presets
from tests.audio.sounds import band, mixed

SHIPPED = list_effect_presets(SHIPPED_DIR / "nowhere").presets


def test_there_are_enough_and_each_says_what_it_is_for():
    assert len(SHIPPED) >= 15
    assert all(preset.description and preset.is_shipped for preset in SHIPPED)
    assert {preset.suits for preset in SHIPPED} >= {"bass", "drums", "mix", "any"}


def test_effect_presets_are_no_briefs(tmp_path):
    assert not list_presets(tmp_path).problems


@pytest.mark.parametrize("preset", SHIPPED, ids=lambda preset: preset.id)
def test_a_shipped_preset_is_heard_and_stays_in_bounds(preset):
    clip = mixed(band(2.0))
    made = apply_chain(clip, preset.chain, tempo_bpm=120)
    assert np.abs(made.samples - clip.samples).max() > 0.01
    assert np.abs(made.samples).max() < 4.0


def test_ones_own_chain_is_kept_and_replaced(tmp_path):
    first = save_effect_preset("My Room", fx.Chain(effects=(fx.Reverb(mix=0.4),)), tmp_path)
    assert first.id == "my-room" and load_effect_preset("my-room", tmp_path).effects == (fx.Reverb(mix=0.4),)
    save_effect_preset("My Room", fx.Chain(effects=(fx.Reverb(mix=0.1),)), tmp_path)
    assert load_effect_preset("my-room", tmp_path).effects == (fx.Reverb(mix=0.1),)
    assert list_effect_presets(tmp_path).presets[0].id == "my-room"
    with pytest.raises(PresetError):
        save_effect_preset("Nothing", fx.Chain(), tmp_path)


def test_a_preset_with_something_wrong_is_named_and_the_others_load(tmp_path):
    (tmp_path / "bad.json").write_text('{"name": "Bad", "effects": [{"kind": "gain", "gain_db": 999}]}')
    (tmp_path / "worse.json").write_text("{")
    listing = list_effect_presets(tmp_path)
    assert len(listing.problems) == 2 and "bad.json" in listing.problems[0]
    assert len(listing.presets) == len(SHIPPED)
    with pytest.raises(PresetError, match=r"choose another"):
        load_effect_preset("bad", tmp_path)

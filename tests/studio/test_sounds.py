"""Sounds that requests name: kept once, the same again to the bit, and sentences for what is not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audio.clip import Clip
from audio.io import encode
from studio.engines.base import EngineError
from studio.sounds import SoundStore


@pytest.fixture
def store(tmp_path: Path) -> SoundStore:
    return SoundStore(tmp_path / "sounds", takes_dir=tmp_path / "takes", bin_dir=tmp_path / "bin")


def test_a_kept_sound_comes_back_to_the_bit(store: SoundStore, tmp_path: Path) -> None:
    clip = Clip(np.random.default_rng(1).standard_normal((6, 960)).astype(np.float32), 96_000)
    name = store.keep(clip)
    again = store.get(name)
    assert isinstance(again, Clip) and again.sample_rate_hz == 96_000
    assert np.array_equal(again.samples, clip.samples)
    assert store.keep(again) == name and len(list((tmp_path / "sounds").iterdir())) == 1


def test_uploads_are_told_apart(store: SoundStore) -> None:
    midi = b"MThd\x00\x00\x00\x06\x00\x00\x00\x01\x00\x60"
    assert store.get(store.keep_file(midi)) == midi
    tone = encode(Clip(np.full((1, 800), 0.25), 8_000), format="flac")
    assert store.keep_file(tone, name="hum.flac").startswith("sound:")
    with pytest.raises(EngineError, match=r"“notes.txt” is not a sound file"):
        store.keep_file(b"la la la", name="notes.txt")


@pytest.mark.parametrize("name", ["", "sound:", "sound:../../etc/passwd", "midi:" + "0" * 64, "hum"])
def test_an_unknown_name_is_a_sentence(store: SoundStore, name: str) -> None:
    with pytest.raises(EngineError, match="not here any more: choose or record it again"):
        store.get(name)


def test_a_take_that_is_gone_is_a_sentence(store: SoundStore) -> None:
    with pytest.raises(EngineError, match="take to follow cannot be read"):
        store.get("take:20260101-000000-abcdef")


def test_an_empty_sound_is_not_kept(store: SoundStore) -> None:
    with pytest.raises(EngineError, match="lasts 0 s"):
        store.keep(Clip(np.zeros((1, 0)), 44_100))

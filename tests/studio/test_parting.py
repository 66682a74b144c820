"""Parts alone, by a tiny Demucs in the hub's own files; without one every sound stays as it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agents.types import Decided
from audio.clip import Clip
from studio.engines.base import Listener, Rendering, Sampling
from studio.engines.musicgen.ears import Ears
from studio.engines.musicgen.layers import render
from studio.engines.musicgen.melody import from_clip
from studio.models.stems import StemModels
from studio.parting import Parting
from studio.separation import Separations
from tests.tiny_demucs import write_demucs
from tests.tiny_plans import make_plan

RATE = 32_000


@pytest.fixture
def nothing_here(data_dir: Path) -> Parting:
    return Parting(Separations(data_dir / "separations", StemModels(data_dir / "models"), device="cpu"))


@pytest.fixture
def parting(data_dir: Path, nothing_here: Parting) -> Parting:
    write_demucs(data_dir / "models" / "separators" / "htdemucs")
    return nothing_here


@pytest.fixture
def band() -> Clip:
    at = np.arange(3 * RATE) / RATE
    noise = np.random.default_rng(0).normal(0, 0.2, at.shape) * (at % 0.5 < 0.05)
    return Clip(np.stack([0.2 * np.sin(2 * np.pi * 330 * at) + noise + 0.2 * np.sin(2 * np.pi * 55 * at)] * 2), RATE)


def test_the_melody_is_the_sound_without_drums_and_bass(parting: Parting, band: Clip) -> None:
    melody, drums, bass = (
        parting.melody_of(band), parting.part_of(band, "drum_kit"), parting.part_of(band, "acoustic_bass"),
    )  # fmt: skip
    assert melody is not None and drums is not None and bass is not None
    assert melody.sample_rate_hz == RATE and melody.samples.shape == band.samples.shape
    total = melody.samples + drums.samples + bass.samples
    assert np.abs(total - band.samples).max() < 1e-4, "together they are the sound again"
    assert not np.allclose(melody.samples, band.samples, atol=1e-3)
    heard = from_clip(band, lone=melody)
    assert heard.heard == "without drums and bass" and heard.sha256 == from_clip(band).sha256


def test_without_a_separator_sounds_stay_as_they_are(nothing_here: Parting, band: Clip) -> None:
    assert nothing_here.melody_of(band) is None and nothing_here.part_of(band, "flute") is None
    assert from_clip(band).heard == "as it is, without separation"
    silent = Clip(np.zeros((1, RATE), np.float32), RATE)
    assert np.array_equal(from_clip(band, lone=silent).samples, from_clip(band).samples), "nothing left to follow"


def test_a_layer_keeps_its_own_part(parting: Parting, band: Clip) -> None:
    plan = make_plan(seconds=3.0)
    plan.instruments = Decided(value=["flute", "acoustic_bass"])

    def play(*_: object) -> Rendering:
        return Rendering(clip=band, complete=True)

    plain = render(plan, Sampling(), Listener(), play)
    parted = render(plan, Sampling(), Listener(), play, alone=parting.part_of)
    assert plain.identity["layers_separated"] == [] and parted.identity["layers_separated"]
    for name in parted.stems:
        assert not np.allclose(plain.stems[name].samples, parted.stems[name].samples, atol=1e-3)


def test_ears_ask_for_the_melody_alone(parting: Parting, band: Clip, tmp_path: Path) -> None:
    from studio.engines.musicgen.checkpoint import inspect
    from studio.engines.musicgen.load import load
    from studio.engines.steering import Steering
    from tests.tiny_models import build_melody

    loaded = load(inspect(build_melody(tmp_path / "melody")), device="cpu")
    sampling = Sampling(steering=Steering(melody="sound:band"))
    ears = Ears(loaded, make_plan(), sampling, lambda name: band, parting)
    assert ears.identity()["melody"]["heard"] == "without drums and bass"

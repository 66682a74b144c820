"""A take steered beside its words: melodies by name, instruments in and out, layers, adapters, all through the engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.types import Decided, SongPlan
from audio.clip import Clip
from studio.engines.base import Cancelled, EngineError, Listener, Rendering, Sampling
from studio.engines.musicgen.blend import Prompt
from studio.engines.musicgen.ears import steered
from studio.engines.musicgen.engine import MusicGenEngine
from studio.engines.musicgen.layers import NOTE, render
from studio.engines.steering import AdapterUse, PromptWeight, Steering
from studio.finishing import on_tempo
from tests.audio.test_analysis import drums
from tests.tiny_plans import make_plan

RATE = 32_000
PLAN = make_plan(seconds=1.0)


def _hummed() -> Clip:
    pitches = np.repeat([440.0, 523.25, 659.26, 587.33], RATE // 4)
    return Clip((0.3 * np.sin(2 * np.pi * np.cumsum(pitches) / RATE))[None], RATE)


def _sounds(name: str) -> Clip | bytes:
    known: dict[str, Clip | bytes] = {"sound:hum": _hummed(), "sound:silence": Clip(np.zeros((6, 96_000)), 96_000)}
    if name not in known:
        raise EngineError(f"There is no sound “{name}”.")
    return known[name]


@pytest.fixture(scope="module")
def engines(checkpoint_folder: Callable[[str], Path]) -> dict[str, MusicGenEngine]:
    return {
        kind: MusicGenEngine(
            name=kind, label=kind, source=checkpoint_folder(kind), device="cpu", dtype="float32", sounds=_sounds
        )
        for kind in ("mono", "melody")
    }


def _take(engine: MusicGenEngine, plan: SongPlan = PLAN, listener: Listener | None = None, **steering: Any) -> Any:
    return engine.generate(plan, Sampling(seed=5, steering=Steering(**steering)), listener or Listener())


def test_steering_that_steers_nowhere_changes_nothing(engines: dict[str, MusicGenEngine]) -> None:
    plain = engines["mono"].generate(PLAN, Sampling(seed=5), Listener())
    assert np.array_equal(_take(engines["mono"]).tokens, plain.tokens)


def test_a_melody_a_chord_bed_and_no_melody_are_three_takes(engines: dict[str, MusicGenEngine]) -> None:
    plan = make_plan(seconds=2.0)
    plan.sections[0].chords = Decided(value=["F", "G"])
    takes = [_take(engines["melody"], plan, **how) for how in ({"melody": "sound:hum"}, {"chords": True}, {})]
    assert len({take.tokens.tobytes() for take in takes}) == 3
    assert [take.identity.get("melody", {}).get("source") for take in takes] == ["clip", "chords", None]
    assert takes[0].identity["melody"]["heard"] == "as it is, without separation"


@pytest.mark.parametrize(
    ("kind", "steering", "sentence"),
    [
        ("melody", {"melody": "sound:silence"}, "melody is silent"),
        ("melody", {"melody": "sound:gone"}, "no sound “sound:gone”"),
        ("melody", {"melody": "sound:hum", "chords": True}, "not both"),
        ("mono", {"melody": "sound:hum"}, "cannot follow a melody or chords: choose MusicGen melody"),
        ("mono", {"chords": True}, "cannot follow a melody or chords"),
        ("mono", {"instruments_in": ("theremin-of-glass",)}, "no instrument “theremin-of-glass”"),
        ("mono", {"words_weight": 0.0}, "all wanted prompts weigh 0"),
        ("mono", {"prompts": tuple(PromptWeight(words=f"prompt {n}") for n in range(49))}, "50 prompts are too many"),
        ("mono", {"layers": True}, "names no instruments"),
    ],
)
def test_what_cannot_be_followed_is_a_sentence(
    engines: dict[str, MusicGenEngine], kind: str, steering: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(EngineError, match=sentence):
        _take(engines[kind], **steering)


def test_instruments_come_in_by_the_words_and_go_out_by_the_negative_prompt() -> None:
    plan = make_plan(prompt="slow blues", negative="vocals")
    prompts = steered([Prompt("slow blues")], plan, Steering(instruments_in=("harmonica",), instruments_out=("banjo",)))
    assert prompts == [Prompt("slow blues, harmonica"), Prompt("vocals, banjo", -1.0)]


def test_a_weight_may_move_through_the_song(engines: dict[str, MusicGenEngine]) -> None:
    late = PromptWeight(words="dark techno", moves=((0.5, 0.0), (0.6, 4.0)))
    plain, moved = _take(engines["mono"]).tokens, _take(engines["mono"], prompts=(late,)).tokens
    # The move begins at frame 25; the later codebooks of the two frames before are drawn after it, and hear it.
    assert np.array_equal(plain[:, :23], moved[:, :23])
    assert not np.array_equal(plain[:, 26:], moved[:, 26:])


class Audience(Listener):
    def __init__(self, *, stop_after: int | None = None) -> None:
        self.shapes: list[tuple[int, int, int]] = []
        self.clips: list[Clip] = []
        self.stages: list[str] = []
        self.questions, self.stop_after = 0, stop_after

    def started(self, *, sample_rate_hz: int, channels: int, frames: int) -> None:
        self.shapes.append((sample_rate_hz, channels, frames))

    def heard(self, clip: Clip) -> None:
        self.clips.append(clip)

    def progress(self, stage: str, fraction: float) -> None:
        if stage not in self.stages:
            self.stages.append(stage)

    def cancelled(self) -> bool:
        self.questions += 1
        return self.stop_after is not None and self.questions > self.stop_after


def _trio() -> SongPlan:
    plan = make_plan(seconds=2.0)
    plan.instruments = Decided(value=["piano", "cello", "flute"])
    plan.sections[0].instruments = Decided(value=["piano", "cello"])
    plan.sections[0].bars = Decided(value=1)
    second = plan.sections[0].model_copy(update={"instruments": Decided(value=["piano", "flute"])})
    plan.sections.append(second)
    return plan


def test_layers_are_stems_that_add_up_to_the_mix(engines: dict[str, MusicGenEngine]) -> None:
    audience = Audience()
    take = _take(engines["melody"], _trio(), audience, layers=True, chords=True)
    assert take.complete and list(take.stems) == ["Piano", "Cello", "Flute"]
    total = np.sum([stem.samples for stem in take.stems.values()], axis=0)
    assert np.abs(total - take.clip.samples).max() < 1e-5
    assert np.abs(take.clip.samples).max() <= 10 ** (-1 / 20) + 1e-6
    assert take.identity["layers_note"] == NOTE == "layers generated separately"
    assert audience.shapes == [(RATE, 1, 2 * RATE)]
    assert Clip.joined(audience.clips).frames == 2 * RATE
    assert "Cello, 2 of 3" in audience.stages


def test_a_layer_is_silent_where_the_plan_has_it_rest(engines: dict[str, MusicGenEngine]) -> None:
    stems = _take(engines["mono"], _trio(), layers=True).stems
    first, second = slice(2_000, RATE - 2_000), slice(RATE + 2_000, 2 * RATE - 2_000)
    assert np.abs(stems["Cello"].samples[:, second]).max() == 0 < np.abs(stems["Cello"].samples[:, first]).max()
    assert np.abs(stems["Flute"].samples[:, first]).max() == 0 < np.abs(stems["Flute"].samples[:, second]).max()
    assert np.abs(stems["Piano"].samples[:, first]).max() > 0 < np.abs(stems["Piano"].samples[:, second]).max()


def test_layers_of_nearly_the_tempo_beat_together() -> None:
    """Two parts, one a little slow and one a little fast, neither beginning on the beat."""
    plan = make_plan(seconds=16.0)
    plan.tempo_bpm = Decided(value=120.0, by="asked")
    plan.instruments = Decided(value=["piano", "cello"])
    played = iter([(118.2, 0.11), (121.7, 0.05)])

    def play(plan: SongPlan, sampling: Sampling, listener: Listener) -> Rendering:
        tempo_bpm, late = next(played)
        clip = drums(tempo_bpm, 16.0)
        samples = np.roll(clip.samples, round(late * clip.sample_rate_hz), axis=1)
        return Rendering(clip=Clip(samples, clip.sample_rate_hz), complete=True)

    made = render(plan, Sampling(), Listener(), play, make_true=lambda one, plan: on_tempo(one, plan, correct=True))
    for stem in made.stems.values():
        rate = stem.sample_rate_hz
        loud = np.abs(stem.samples[0]) > 0.3 * np.abs(stem.samples).max()
        starts = np.flatnonzero(loud[1:] & ~loud[:-1]) / rate
        beats = starts[(starts > 1) & (starts < 14)] / 0.5
        assert len(beats) > 20 and np.abs(beats - beats.round()).max() < 0.06, "within 30 ms of the plan's beats"
    assert [round(grid["stretched_by"], 2) for grid in made.identity["layers_grids"].values()] == [1.02, 0.99]


def test_stopping_keeps_the_layers_made(engines: dict[str, MusicGenEngine]) -> None:
    whole = _take(engines["mono"], _trio(), layers=True)
    half = _take(engines["mono"], _trio(), Audience(stop_after=170), layers=True)
    assert not half.complete and list(half.stems) == ["Piano", "Cello"]
    assert half.clip.frames == whole.clip.frames
    with pytest.raises(Cancelled):
        _take(engines["mono"], _trio(), Audience(stop_after=0), layers=True)


def test_an_adapter_that_is_not_there_is_a_sentence(engines: dict[str, MusicGenEngine]) -> None:
    with pytest.raises(EngineError, match="no adapter “brass” on the shelf"):
        engines["mono"].generate(PLAN, Sampling(adapters=(AdapterUse(name="brass"),)), Listener())


def test_steering_survives_being_written_down() -> None:
    sampling = Sampling(
        steering=Steering(melody="take:1", prompts=(PromptWeight(words="rain", weight=-0.5, moves=((0, -1), (9, 0))),)),
        adapters=(AdapterUse(name="brass", strength=0.3),),
    )
    assert Sampling.model_validate_json(sampling.model_dump_json()) == sampling
    assert Sampling.model_validate_json('{"seed": 3}').steering is None, "takes of before steering can be read"

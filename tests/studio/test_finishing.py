"""The plan's tempo in the take: measured, stretched to, written down; and candidates in order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agents.types import Decided, SongPlan
from audio.analysis import estimate_tempo
from audio.clip import Clip
from audio.stretch import TempoOutOfRange, stretch
from studio.engines.base import Capabilities, Listener, Rendering, Sampling
from studio.finishing import by_verdict, finished, on_tempo
from studio.models.catalogue import Catalogue
from studio.pipeline import Pipeline
from studio.settings import Settings
from tests.audio.test_analysis import drums
from tests.engines_for_tests import ToneEngine
from tests.tiny_plans import make_plan


def _asked(tempo_bpm: float, *, by: str = "asked") -> SongPlan:
    plan = make_plan(seconds=20.0)
    return plan.model_copy(update={"tempo_bpm": Decided(value=tempo_bpm, by=by)})


def _played(tempo_bpm: float, *, seconds: float = 20.0) -> Rendering:
    return Rendering(clip=drums(tempo_bpm, seconds), complete=True, tokens=np.zeros((4, 10), np.int16))


@pytest.mark.parametrize(("played", "asked"), [(117.0, 120.0), (123.5, 120.0), (92.0, 90.0)])
def test_a_take_a_little_off_is_stretched_to_the_tempo_one_hears(played: float, asked: float) -> None:
    take = on_tempo(_played(played), _asked(asked), correct=True)
    heard = estimate_tempo(take.clip)
    assert min(abs(each - asked) for each in heard.candidates_bpm) < 0.15
    grid = take.identity["grid"]
    assert grid["tempo_bpm"] == asked and grid["stretched_by"] == pytest.approx(asked / played, abs=0.002)
    assert abs(take.clip.seconds - 20.0) < 20.0 * 0.045 and take.clip.seconds <= 20.0
    beat = 60.0 / asked
    apart = (grid["first_beat_seconds"] - estimate_tempo(take.clip).first_beat_seconds) % (beat / 2)
    assert min(apart, beat / 2 - apart) < 0.04, "the grid's first beat lies on a beat (or between two, at double time)"


def test_far_off_unsure_undecided_and_unwanted_are_left_as_they_are() -> None:
    for rendering, plan, correct in (
        (_played(100.0), _asked(120.0), True),
        (_played(117.0), _asked(120.0, by="default"), True),
        (_played(117.0), _asked(120.0), False),
        (
            Rendering(clip=Clip(np.random.default_rng(0).normal(0, 0.1, 400_000), 32_000), complete=True),
            _asked(120.0),
            True,
        ),
        (_played(117.0, seconds=2.0), _asked(120.0), True),
        (_played(117.0, seconds=4.0), _asked(120.0), True),
    ):
        assert on_tempo(rendering, plan, correct=correct).clip is rendering.clip
    assert on_tempo(_played(100.0), _asked(120.0), correct=True).identity["grid"]["is_off_tempo"]


def test_half_and_double_time_are_the_same_tempo() -> None:
    grid = on_tempo(_played(160.0), _asked(80.0), correct=True).identity["grid"]
    assert grid["tempo_bpm"] == pytest.approx(80.0, abs=0.1) and not grid["is_off_tempo"]


def test_a_candidate_on_the_tempo_comes_before_one_that_is_not_and_then_the_judge_decides() -> None:
    off, plain, loud = _played(100.0), _played(120.0), _played(120.0)
    loud = Rendering(clip=Clip(loud.clip.samples * 0.5, loud.clip.sample_rate_hz), complete=True)
    made = finished(
        Rendering(clip=off.clip, complete=True, others=(plain, loud)),
        _asked(120.0),
        true_tempo=True,
        judge=lambda clip, plan: -float(np.abs(clip.samples).max()),
    )
    peaks = [float(np.abs(each.clip.samples).max()) for each in (made, *made.others)]
    assert made.clip.frames and peaks[0] < peaks[1]
    assert [each.identity["grid"]["is_off_tempo"] for each in (made, *made.others)] == [False, False, True]


def test_a_candidate_says_what_the_judge_made_of_it() -> None:
    """By the quality agent itself: a clipped take comes after the same one unharmed, drawn first though it was."""
    whole = _played(120.0)
    harmed = Clip((whole.clip.samples * 30).clip(-1, 1), whole.clip.sample_rate_hz)
    made = finished(
        Rendering(clip=harmed, complete=True, others=(whole,)), _asked(120.0), true_tempo=True, judge=by_verdict
    )
    best, other = made.identity["judged"], made.others[0].identity["judged"]
    assert best > other + 5 and np.array_equal(made.clip.samples, whole.clip.samples)


class _Drummer(ToneEngine):
    """Plays drums, the first time at a tempo far off, then at the one asked for."""

    def __init__(self, *tempi_bpm: float) -> None:
        super().__init__()
        self.tempi_bpm = list(tempi_bpm)

    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, tier="full")

    def generate(self, plan: SongPlan, sampling: Sampling, listener: Listener) -> Rendering:
        take = _played(self.tempi_bpm.pop(0))
        listener.heard(take.clip)
        return replace(take, identity={"seed": sampling.seed})


@pytest.mark.parametrize(
    ("tempi_bpm", "seeds"),
    [((100.0, 120.0), [8, 7]), ((100.0, 141.0), [7, 8]), ((120.0,), [7]), ((117.5,), [7])],
)
def test_a_take_far_off_the_tempo_is_drawn_once_more(
    data_dir: Path, tempi_bpm: tuple[float, ...], seeds: list[int]
) -> None:
    pipeline, drummer, heard = Pipeline(Settings(), Catalogue(data_dir)), _Drummer(*tempi_bpm), []
    pipeline.judge = None
    pipeline.engine = lambda name: drummer  # type: ignore[method-assign,assignment]

    class Hears(Listener):
        def heard(self, clip: Clip) -> None:
            heard.append(clip)

    made = pipeline.generate("drums", _asked(120.0), Sampling(seed=7), Hears())
    assert [each.identity["seed"] for each in (made, *made.others)] == seeds and not drummer.tempi_bpm
    assert len(heard) == 1, "the second is not heard over the first"


def test_stretching_keeps_onsets_and_pitch() -> None:
    rate = 44_100
    at = np.arange(rate * 10) / rate
    tone = 0.2 * np.sin(2 * np.pi * 220 * at)
    clicks = np.zeros_like(tone)
    onsets = np.arange(0.5, 9.5, 0.5)
    burst = np.random.default_rng(0).normal(0, 1, rate // 20) * np.exp(-np.arange(rate // 20) / rate * 60)
    for onset in onsets:
        start = round(onset * rate)
        clicks[start : start + len(burst)] += 0.7 * burst
    for factor in (0.96, 1.04):
        made = stretch(Clip(np.stack([tone + clicks] * 2), rate), factor=factor)
        assert made.samples.shape == (2, round(rate * 10 / factor))
        steep = np.convolve(np.diff(made.samples[0]) ** 2, np.ones(88) / 88, "same")
        for onset in onsets / factor:
            near = steep[round((onset - 0.05) * rate) : round((onset + 0.05) * rate)]
            assert abs(np.argmax(near > 0.25 * near.max()) / rate - 0.05) < 0.003
        middle = made.samples[0][rate : rate * 9] * np.hanning(rate * 8)
        peak = np.argmax(np.abs(np.fft.rfft(middle))[: 300 * 8]) / 8
        assert abs(peak - 220) < 0.2
    with pytest.raises(TempoOutOfRange):
        stretch(Clip(tone, rate), factor=2.5)

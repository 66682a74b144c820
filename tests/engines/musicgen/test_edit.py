"""Sound that exists, gone on from, made anew in places and varied: what is kept is kept to the bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from agents.types import SongPlan
from audio.clip import Clip
from studio.engines.base import Cancelled, Continue, Edit, EngineError, Rendering, Repaint, Sampling, Source, Vary
from studio.engines.edits import Grid
from studio.engines.musicgen import joins
from studio.engines.musicgen.engine import MusicGenEngine
from studio.engines.musicgen.variation import runs_to_draw
from tests.engines.musicgen.test_engine import Audience, _engine
from tests.tiny_plans import make_plan

RATE, HOP = 32_000, 640


@pytest.fixture(scope="module")
def mono(checkpoint_folder: Callable[[str], Path]) -> MusicGenEngine:
    return _engine(checkpoint_folder("mono"))


@pytest.fixture(scope="module")
def take(mono: MusicGenEngine) -> Rendering:
    return mono.generate(make_plan(seconds=3.0), Sampling(seed=11), Audience())


def _source(take: Rendering) -> Source:
    return Source(clip=take.clip, tokens=take.tokens, identity=take.identity)


def _upload(*, seconds: float = 2.0, rate_hz: int = 96_000, channels: int = 6) -> Source:
    at = np.arange(round(seconds * rate_hz)) / rate_hz
    rows = [
        0.2 * np.sin(2 * np.pi * 110 * (row + 2) * at) * (1 + np.sin(2 * np.pi * 4 * at)) for row in range(channels)
    ]
    return Source(clip=Clip(np.stack(rows), rate_hz), name="the upload")


def _edit(
    engine: MusicGenEngine,
    edit: Edit,
    source: Source,
    *,
    seconds: float = 3.0,
    audience: Audience | None = None,
    plan: SongPlan | None = None,
    **sampling: float,
) -> Rendering:
    chosen = Sampling.model_validate({"seed": 5} | sampling)
    return engine.edit(edit, source, plan or make_plan(seconds=seconds), chosen, audience or Audience())


# ------------------------------------------------------------------------------------------------------ going on


def test_going_on_keeps_codes_and_samples_and_adds_to_them(mono: MusicGenEngine, take: Rendering) -> None:
    audience = Audience()
    longer = _edit(
        mono, Continue(source="t", from_seconds=2.01, seconds=2.0), _source(take), seconds=4.0, audience=audience
    )
    assert longer.complete and longer.clip.samples.shape == (1, 4 * RATE)
    assert take.tokens is not None and longer.tokens is not None and longer.tokens.shape == (4, 200)
    assert np.array_equal(longer.tokens[:, :100], take.tokens[:, :100])
    kept = 100 * HOP - 8 * HOP
    assert np.array_equal(longer.clip.samples[:, :kept], take.clip.samples[:, :kept])
    sure = 100 * HOP - 4 * HOP
    assert np.abs(longer.clip.samples[:, :sure] - take.clip.samples[:, :sure]).max() < 1e-4, (
        "the take's own sound goes on"
    )
    assert np.array_equal(Clip.joined(audience.clips).samples, longer.clip.samples)
    assert longer.identity["continued_from_seconds"] == 2.0
    assert joins.flux_at(longer.clip, 2.0) < 1.3, "the join does not stand out of the music"


def test_going_on_is_as_if_the_codes_were_decoded_at_once(
    mono: MusicGenEngine, take: Rendering, load_tiny: Callable[[str], object]
) -> None:
    from studio.engines.musicgen import codec

    longer = _edit(mono, Continue(source="t", seconds=1.0), _source(take), seconds=4.0)
    whole = codec.decode(load_tiny("mono").model.audio_encoder, longer.tokens, channels=1)  # type: ignore[attr-defined]
    assert np.abs(longer.clip.samples[:, 150 * HOP :] - whole[:, 150 * HOP :]).max() < 1e-5


def test_any_sound_can_be_gone_on_from(mono: MusicGenEngine) -> None:
    source = _upload()
    longer = _edit(mono, Continue(source="u", from_seconds=1.0, seconds=1.0), source, seconds=2.0)
    assert longer.clip.samples.shape == (1, 2 * RATE) and longer.tokens is not None
    again = _edit(mono, Continue(source="u", seconds=1.0), Source(longer.clip, longer.tokens, longer.identity))
    assert again.tokens is not None
    assert np.array_equal(again.tokens[:, :100], longer.tokens), "kept codes are not encoded again"


def test_several_ways_on_share_their_beginning_only(mono: MusicGenEngine, take: Rendering) -> None:
    made = _edit(mono, Continue(source="t", from_seconds=1.0, seconds=1.0), _source(take), seconds=2.0, candidates=3)
    every = [made, *made.others]
    assert len({each.tokens.tobytes() for each in every if each.tokens is not None}) == 3
    assert len({each.clip.samples[:, : 42 * HOP].tobytes() for each in every}) == 1


@pytest.mark.parametrize(
    ("edit", "source", "sentence"),
    [
        (Continue(source="u", from_seconds=5.0), _upload(), "lies at 5.0 s, but the upload ends at 2.0 s"),
        (Continue(source="u", from_seconds=0.0), _upload(), "nothing before that point"),
        (Continue(source="u"), Source(Clip(np.zeros((2, 44_100)), 44_100)), "silent"),
        (Repaint(source="u", start_seconds=1, end_seconds=1, snap="off"), _upload(), "region is empty"),
        (Repaint(source="u", start_seconds=1.5, end_seconds=1), _upload(), "region is empty"),
        (Repaint(source="u", start_seconds=1, end_seconds=3), _upload(), "from 1.0 to 3.0 s, but the upload ends at 2.0"),
        (Repaint(source="u", start_seconds=2.5, end_seconds=2.6), _upload(), "mark one within it"),
        (Repaint(source="u", start_seconds=1, end_seconds=1.0001, snap="off"), _upload(), "longer one"),
        (Repaint(source="u", start_seconds=0, end_seconds=1), Source(Clip(np.zeros((1, RATE * 2)), RATE)), "silent"),
        (Vary(source="u"), Source(Clip(np.zeros((1, RATE * 2)), RATE)), "silent"),
        (Vary(source="u"), Source(Clip(np.zeros((2, 0)), RATE)), "no readable sound"),
    ],
)  # fmt: skip
def test_what_cannot_be_edited_is_a_sentence(mono: MusicGenEngine, edit: Edit, source: Source, sentence: str) -> None:
    with pytest.raises(EngineError, match=sentence):
        _edit(mono, edit, source)


def test_versions_without_chance_are_refused(mono: MusicGenEngine, take: Rendering) -> None:
    for edit in (Repaint(source="t", start_seconds=1, end_seconds=2), Vary(source="t", count=1)):
        with pytest.raises(EngineError, match="raise top-k"):
            _edit(mono, edit, _source(take), top_k=1)


# ------------------------------------------------------------------------------------------------- a region anew


def test_outside_the_region_all_is_bit_identical_over_a_hundred_regions(mono: MusicGenEngine, take: Rendering) -> None:
    chance = np.random.default_rng(7)
    resampled = Clip(np.repeat(chance.normal(0, 0.1, (1, 66_150)), 2, axis=0), 44_100)
    sources = [_source(take), Source(resampled)]
    for number in range(100):
        source = sources[number % 10 == 9]
        lasts, rate = source.clip.seconds, source.clip.sample_rate_hz
        start = chance.uniform(0, lasts - 0.05)
        end = min(lasts, start + chance.uniform(0.03, 0.25))
        edit = Repaint(source="t", start_seconds=start, end_seconds=end, candidates=1, snap="off")
        made = _edit(mono, edit, source, seed=number)
        low, high = round(start * rate), round(end * rate)
        assert made.complete and made.clip.samples.shape == source.clip.samples.shape
        assert np.array_equal(made.clip.samples[:, :low], source.clip.samples[:, :low])
        assert np.array_equal(made.clip.samples[:, high:], source.clip.samples[:, high:])
        assert not np.array_equal(made.clip.samples[:, low:high], source.clip.samples[:, low:high])
        if source is sources[0]:
            assert made.tokens is not None and take.tokens is not None
            outside = np.ones(150, bool)
            outside[int(start * 50) : int(np.ceil(end * 50))] = False
            assert np.array_equal(made.tokens[:, outside], take.tokens[:, outside])


def test_candidates_come_best_first_and_all_are_there(mono: MusicGenEngine, take: Rendering) -> None:
    audience = Audience()
    made = _edit(
        mono, Repaint(source="t", start_seconds=1.1, end_seconds=1.9, candidates=4), _source(take), audience=audience
    )
    every = [made, *made.others]
    notes = [each.identity["repainted"] for each in every]
    assert [note["score"] for note in notes] == sorted(note["score"] for note in notes)
    assert sorted(note["candidate"] for note in notes) == [0, 1, 2, 3]
    assert {(note["start_seconds"], note["end_seconds"]) for note in notes} == {(1.0, 2.0)}, "snapped to the bar"
    assert len({each.tokens.tobytes() for each in every if each.tokens is not None}) == 4
    assert all(note["nats_a_code_after"] > 0 and len(note["joins_flux"]) == 2 for note in notes)
    assert np.array_equal(Clip.joined(audience.clips).samples, made.clip.samples), "the best is what is heard"
    assert audience.clips[0].frames == RATE, "what comes before the region is heard at once"


def test_the_region_that_continues_best_is_the_one_that_was_there(mono: MusicGenEngine, take: Rendering) -> None:
    """The original bar, put among the candidates, explains what follows better than most bars drawn anew."""
    import torch

    from studio.engines.musicgen.blend import Prompt
    from studio.engines.musicgen.perform import Performer

    performer: Performer = mono._performer(make_plan(seconds=3.0), Sampling(seed=1), Audience())
    assert take.tokens is not None
    codes = np.repeat(take.tokens[None].astype(np.int64), 9, axis=0)
    codes[1:, :, 70:90] = np.random.default_rng(1).integers(0, 512, (8, 4, 20))
    heard = performer.listen_plainly([Prompt("sad solo piano waltz")], 0)
    nats = performer.voice.surprise(heard, torch.from_numpy(codes), first_frame=90).numpy()
    assert nats[0] < np.median(nats[1:])


def test_a_stereo_take_keeps_both_its_channels_outside(checkpoint_folder: Callable[[str], Path]) -> None:
    engine = _engine(checkpoint_folder("stereo"), channels=2)
    base = engine.generate(make_plan(seconds=2.0), Sampling(seed=1), Audience())
    made = _edit(
        engine, Repaint(source="t", start_seconds=0.5, end_seconds=1.0, snap="off", candidates=2), _source(base)
    )
    assert made.clip.channels == 2 and made.tokens is not None and made.tokens.shape == (8, 100)
    changed = (made.clip.samples != base.clip.samples).any(axis=0)
    assert not changed[:16_000].any() and not changed[32_000:].any() and changed[16_000:32_000].mean() > 0.9
    longer = _edit(engine, Continue(source="t", seconds=1.0), _source(base), seconds=3.0)
    assert np.array_equal(longer.clip.samples[:, : 92 * HOP], base.clip.samples[:, : 92 * HOP])


def test_a_region_may_reach_to_either_end(mono: MusicGenEngine, take: Rendering) -> None:
    for start, end in ((0.0, 1.0), (2.0, 3.0), (0.0, 3.0)):
        made = _edit(mono, Repaint(source="t", start_seconds=start, end_seconds=end, candidates=2), _source(take))
        assert made.complete and made.clip.frames == take.clip.frames
        low, high = round(start * RATE), round(end * RATE)
        assert np.array_equal(made.clip.samples[:, :low], take.clip.samples[:, :low])
        assert np.array_equal(made.clip.samples[:, high:], take.clip.samples[:, high:])


def test_six_channels_become_two(mono: MusicGenEngine) -> None:
    source = _upload()
    made = _edit(mono, Repaint(source="u", start_seconds=0.5, end_seconds=1.0, snap="off", candidates=1), source)
    mixed = source.clip.stereo().samples
    assert made.clip.samples.shape == mixed.shape and made.clip.sample_rate_hz == 96_000
    assert np.array_equal(made.clip.samples[:, :48_000], mixed[:, :48_000])
    assert np.array_equal(made.clip.samples[:, 96_000:], mixed[:, 96_000:])


def test_regions_snap_to_bars_and_beats() -> None:
    grid = Grid(beat_seconds=0.5, beats_a_bar=4, first_beat_seconds=0.1)
    assert grid.snapped(1.7, 4.4, to="bars", length_seconds=10) == pytest.approx((2.1, 4.1))
    assert grid.snapped(1.7, 4.4, to="beats", length_seconds=10) == pytest.approx((1.6, 4.6))
    assert grid.snapped(2.3, 2.4, to="bars", length_seconds=10) == pytest.approx((2.1, 4.1)), (
        "at least the bar it is in"
    )
    assert grid.snapped(9.0, 9.9, to="bars", length_seconds=10) == pytest.approx((8.1, 10.0))
    assert grid.snapped(1.7, 4.4, to="off", length_seconds=10) == (1.7, 4.4)


# ---------------------------------------------------------------------------------------------------- variations


@pytest.mark.parametrize("closeness", [0.0, 0.3, 0.7, 1.0])
def test_variations_keep_about_what_the_dial_says_and_are_never_alike(mono: MusicGenEngine, closeness: float) -> None:
    long = mono.generate(make_plan(seconds=6.0), Sampling(seed=2), Audience())
    made = _edit(mono, Vary(source="t", closeness=closeness, count=3), _source(long), seconds=6.0, seed=2)
    every = [made, *made.others]
    assert len(every) == 3 and long.tokens is not None
    assert len({long.tokens.tobytes(), *(each.tokens.tobytes() for each in every if each.tokens is not None)}) == 4
    for each in every:
        assert each.complete and each.clip.frames == long.clip.frames and each.tokens is not None
        kept = (each.tokens == long.tokens).all(axis=0).mean()
        assert kept == pytest.approx(min(closeness, 5 / 6), abs=0.1)


def test_a_second_go_at_the_same_dial_varies_otherwise(mono: MusicGenEngine, take: Rendering) -> None:
    first, second = (_edit(mono, Vary(source="t", closeness=0.6, count=1), _source(take), seed=seed) for seed in (1, 2))
    assert not np.array_equal(first.tokens, second.tokens)


def test_the_dial_keeps_more_the_closer_it_is() -> None:
    lines = [50 * bar for bar in range(17)]
    shares = []
    for closeness in np.linspace(0, 1, 21):
        runs = runs_to_draw(float(closeness), lines=lines, chance=np.random.default_rng(0))
        assert all(start < end for start, end in runs) and runs == sorted(runs)
        shares.append(1 - sum(end - start for start, end in runs) / 800)
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 15 / 16


def test_a_melody_model_hears_the_take_again_when_it_goes_far(checkpoint_folder: Callable[[str], Path]) -> None:
    engine = _engine(checkpoint_folder("melody"))
    base = engine.generate(make_plan(seconds=2.0), Sampling(seed=3), Audience())
    far = _edit(engine, Vary(source="t", closeness=0.0, count=1), _source(base), seconds=2.0)
    near = _edit(engine, Vary(source="t", closeness=0.8, count=1), _source(base), seconds=2.0)
    assert far.identity["melody"]["source"] == "clip" and "melody" not in near.identity


# -------------------------------------------------------------------------------------------- batches and stopping


def test_candidates_of_one_pass_are_takes_of_their_own(mono: MusicGenEngine) -> None:
    made = mono.generate(make_plan(seconds=1.0), Sampling(seed=8, candidates=3), Audience())
    alone = mono.generate(make_plan(seconds=1.0), Sampling(seed=8), Audience())
    assert np.array_equal(made.tokens, alone.tokens), "the first is what the seed alone draws"
    every = [made, *made.others]
    assert len({each.tokens.tobytes() for each in every if each.tokens is not None}) == 3
    assert [each.clip.frames for each in every] == [RATE] * 3 and all(not each.others for each in made.others)


@pytest.mark.parametrize("edit", [
    Continue(source="t", from_seconds=1.0, seconds=1.0),
    Repaint(source="t", start_seconds=1.0, end_seconds=2.0, candidates=2),
    Vary(source="t", closeness=0.4, count=2),
], ids=lambda edit: edit.kind)  # fmt: skip
def test_stopping_at_any_frame_keeps_the_sound_so_far(mono: MusicGenEngine, take: Rendering, edit: Edit) -> None:
    whole = _edit(mono, edit, _source(take), seconds=2.0)
    lengths = []
    for question in (1, 3, 5, 6, 17, 40, 52):
        audience = Audience(stop_at_question=question)
        try:
            part = _edit(mono, edit, _source(take), seconds=2.0, audience=audience)
        except Cancelled:
            assert question <= 5
            continue
        assert not part.complete and part.tokens is not None and part.clip.frames == part.tokens.shape[1] * HOP
        assert part.clip.frames > RATE or edit.kind == "vary"
        assert np.array_equal(Clip.joined(audience.clips).samples, part.clip.samples), "what was heard is what is kept"
        if edit.kind != "repaint":  # whose best candidate, when whole, may be another than the first
            assert whole.tokens is not None
            assert np.array_equal(part.tokens, whole.tokens[:, : part.tokens.shape[1]])
        lengths.append(part.clip.frames)
    assert lengths == sorted(set(lengths)) and len(lengths) >= 3

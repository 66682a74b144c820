"""Songs of many windows: one stream of sound, memory that does not grow, stopped anywhere."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.types import Decided, SongPlan
from audio.clip import Clip
from studio.engines.base import Continue, Rendering, Repaint, Sampling, Source
from studio.engines.musicgen import joins, longform
from studio.engines.musicgen.engine import MusicGenEngine
from tests.engines.musicgen.test_engine import Audience, _engine
from tests.tiny_plans import make_plan

HOP = 640


@pytest.fixture(scope="module")
def mono(checkpoint_folder: Callable[[str], Path]) -> MusicGenEngine:
    return _engine(checkpoint_folder("mono"), precision="fp32")


def _song(*, seconds: int, morph_bars: int = 0) -> SongPlan:
    """Two sections of the same length, each under words of its own."""
    plan = make_plan(seconds=seconds / 2)
    first = plan.sections[0].model_copy(update={"prompt": Decided(value="solo piano")})
    loud = {"prompt": Decided(value="techno with a driving kick"), "morph_bars": morph_bars}
    sections = [first, first.model_copy(update=loud)]
    return plan.model_copy(update={"sections": sections, "seconds": Decided(value=float(seconds))})


def test_a_song_of_several_windows_is_one_stream_of_sound(
    mono: MusicGenEngine, load_tiny: Callable[[str], Any]
) -> None:
    from studio.engines.musicgen import codec

    audience = Audience()
    song = mono.generate(_song(seconds=64, morph_bars=1), Sampling(seed=2), audience)
    assert song.complete and song.clip.samples.shape == (1, 64 * 32_000)
    assert song.tokens is not None and song.tokens.shape == (4, 3_200)
    assert np.array_equal(Clip.joined(audience.clips).samples, song.clip.samples)
    at_once = codec.decode(load_tiny("mono").model.audio_encoder, song.tokens, channels=1)
    assert np.abs(song.clip.samples - at_once).max() < 1e-5, "windows leave no trace in the sound"
    assert len({song.tokens[:, start : start + 100].tobytes() for start in range(0, 3_200, 100)}) == 32


def test_until_the_words_change_a_song_is_the_one_without_the_change(mono: MusicGenEngine) -> None:
    songs = [mono.generate(_song(seconds=36, morph_bars=bars), Sampling(seed=2), Audience()).tokens for bars in (0, 2)]
    plain = make_plan(seconds=36.0, prompt="solo piano")
    one = mono.generate(plain, Sampling(seed=2), Audience()).tokens
    assert songs[0] is not None and songs[1] is not None and one is not None
    assert np.array_equal(songs[0][:, :900], one[:, :900]) and not np.array_equal(songs[0][:, 900:950], one[:, 900:950])
    assert np.array_equal(songs[1][:, :800], one[:, :800]) and not np.array_equal(songs[1][:, 800:900], one[:, 800:900])


def test_a_stereo_song_and_a_melody_models_song_play_on(checkpoint_folder: Callable[[str], Path]) -> None:
    for kind, channels in (("stereo", 2), ("melody", 1)):
        song = _engine(checkpoint_folder(kind), channels=channels).generate(
            _song(seconds=34), Sampling(seed=1), Audience()
        )
        assert song.complete and song.clip.samples.shape == (channels, 34 * 32_000)


@pytest.fixture(scope="module")
def long_take(mono: MusicGenEngine) -> Rendering:
    """The words change, and a window ends, at frame 1,000; the one after ends at 1,897."""
    return mono.generate(_song(seconds=40), Sampling(seed=6), Audience())


@pytest.mark.parametrize("frame", [995, 1_000, 1_895])
def test_a_song_stopped_round_a_windows_join_keeps_its_part(
    mono: MusicGenEngine, long_take: Rendering, frame: int
) -> None:
    whole = long_take

    class Stops(Audience):
        drawn = 0

        def progress(self, stage: str, fraction: float) -> None:
            self.drawn = round(fraction * 2_000)

        def cancelled(self) -> bool:
            return self.drawn >= frame - frame % 5

    audience = Stops()
    part = mono.generate(_song(seconds=40), Sampling(seed=6), audience)
    assert part.tokens is not None and whole.tokens is not None
    frames = part.tokens.shape[1]
    assert frames >= frame - frame % 5 and frames < 2_000 and not part.complete
    assert np.array_equal(part.tokens, whole.tokens[:, :frames])
    assert part.clip.frames == frames * HOP
    sure = frames * HOP - 4 * HOP
    assert np.abs(part.clip.samples[:, :sure] - whole.clip.samples[:, :sure]).max() < 1e-5


def test_joins_are_within_the_musics_own_spectral_flux(mono: MusicGenEngine, long_take: Rendering) -> None:
    """Windows, points gone on from and both edges of repainted parts, against places where nothing was joined."""
    chance = np.random.default_rng(4)
    source = Source(clip=long_take.clip, tokens=long_take.tokens, identity=long_take.identity)
    own = [joins.flux_at(long_take.clip, at) for at in chance.uniform(3, 37, 200)]
    joined = [joins.flux_at(long_take.clip, frame / 50) for frame in (1_000, 1_897)]
    for number, at in enumerate(chance.uniform(4, 30, 12)):
        longer = mono.edit(
            Continue(source="t", from_seconds=at, seconds=2.0), source, make_plan(seconds=at + 2), Sampling(seed=number),
            Audience(),
        )  # fmt: skip
        joined.append(joins.flux_at(longer.clip, longer.identity["continued_from_seconds"], around_seconds=2.0))
        edit = Repaint(source="t", start_seconds=at, end_seconds=at + 1.0, candidates=2, snap="beats")
        painted = mono.edit(edit, source, make_plan(seconds=40), Sampling(seed=number), Audience())
        joined += painted.identity["repainted"]["joins_flux"]
    assert len(joined) == 38
    assert np.percentile(joined, 90) <= np.percentile(own, 97.5) and np.median(joined) <= np.percentile(own, 75)
    holed = long_take.clip.samples.copy()
    holed[:, round(19.95 * 32_000) : 20 * 32_000] = 0.0
    assert joins.flux_at(Clip(holed, 32_000), 20.0) > np.percentile(own, 99), "a bad join would be seen"


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads this process's memory from /proc")
def test_ten_minutes_take_no_more_memory_than_two_but_for_the_sound_itself(
    checkpoint_folder: Callable[[str], Path],
) -> None:
    """Room for all codes and all sound is there from the start; what is needed to make them does not grow."""

    class Weighs(Audience):
        def __init__(self) -> None:
            super().__init__()
            self.seconds, self.grown = 0.0, []

        def heard(self, clip: Clip) -> None:
            self.seconds += clip.seconds
            if self.seconds % 20 < 0.5:
                gc.collect()
                own = self.seconds * (32_000 * 4 + 50 * 4 * 2)
                self.grown.append(_resident_bytes() - own)

    mono, audience = _engine(checkpoint_folder("mono")), Weighs()
    song = mono.generate(_song(seconds=600, morph_bars=2), Sampling(seed=3), audience)
    assert song.complete and song.clip.seconds == 600.0 and mono.capabilities.max_seconds == 600.0
    settled = audience.grown[len(audience.grown) // 5 :]
    assert len(settled) > 20
    assert max(settled) - settled[0] < 8e6, "a window's worth of slack, over eight minutes of song"
    assert len(longform.spans_of(_song(seconds=600), frames=30_000)) == 2


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

"""What the sketch engine plays: the length asked for, clean, loud enough, the same again, and stopped without a click."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pretty_midi
import pytest

from audio.clip import Clip
from audio.loudness import integrated_lufs, true_peak_dbtp
from studio.engines.base import Cancelled, EngineError, Listener, Sampling
from studio.engines.sketch.engine import SketchEngine

ROOT = Path(__file__).resolve().parents[3]
SHORT = (("verse", 2, 0.5), ("chorus", 2, 0.9))


class Ears(Listener):
    """Remembers what it heard; stops after so many chunks when asked to."""

    def __init__(self, *, stop_after: int | None = None) -> None:
        self.chunks: list[Clip] = []
        self.shape: dict[str, int] = {}
        self.stop_after = stop_after

    def started(self, *, sample_rate_hz: int, channels: int, frames: int) -> None:
        self.shape = {"sample_rate_hz": sample_rate_hz, "channels": channels, "frames": frames}

    def heard(self, clip: Clip) -> None:
        assert self.shape, "sound before its shape was announced"
        self.chunks.append(clip)

    def cancelled(self) -> bool:
        return self.stop_after is not None and len(self.chunks) >= self.stop_after


@pytest.fixture(scope="module")
def engine() -> SketchEngine:
    return SketchEngine()


def read_midi(data: bytes) -> pretty_midi.PrettyMIDI:
    return pretty_midi.PrettyMIDI(io.BytesIO(data))


def play(engine, plan, *, seed=1, ears=None):
    return engine.generate(plan, Sampling(seed=seed), ears or Listener())


def test_the_take_is_as_long_as_planned_to_the_sample(engine, make_plan):
    for tempo in (97.3, 140.0):
        plan = make_plan(tempo_bpm=tempo, form=SHORT, ring_seconds=0.777)
        ears = Ears()
        made = play(engine, plan, ears=ears)
        frames = round(plan.seconds.value * 44_100)
        assert made.complete and made.clip.frames == frames == ears.shape["frames"]
        assert Clip.joined(ears.chunks).frames == frames
        assert all(stem.samples.shape == made.clip.samples.shape for stem in made.stems.values())


@pytest.mark.parametrize("groove", ["four_on_floor", "jazz_swing", "metal_double_kick", "ambient_free", "trap"])
def test_a_take_is_loud_enough_and_never_clips(engine, make_plan, groove):
    clip = play(engine, make_plan(groove=groove, form=SHORT)).clip
    assert integrated_lufs(clip) == pytest.approx(-14, abs=0.5)
    assert true_peak_dbtp(clip) < -1.0
    assert np.isfinite(clip.samples).all()


def test_the_end_is_silent_and_comes_without_a_click(engine, make_plan):
    samples = play(engine, make_plan(groove="rock_straight", form=SHORT, ring_seconds=1.5)).clip.samples
    assert np.abs(samples[:, -1]).max() == 0.0
    assert np.abs(samples[:, -441:]).max() < 0.003
    assert np.abs(samples[:, -44_100:-22_050]).max() > 0.01, "the last chord rings"


def test_stems_sum_to_the_mix(engine, make_plan):
    made = play(engine, make_plan(groove="disco", form=SHORT))
    total = sum(stem.samples.astype(np.float64) for stem in made.stems.values())
    error = np.sqrt(((total - made.clip.samples) ** 2).mean() / (made.clip.samples.astype(np.float64) ** 2).mean())
    assert 20 * np.log10(error) < -60
    assert len(made.stems) == 5


def test_what_is_heard_live_is_nearly_the_take(engine, make_plan):
    for groove in ("four_on_floor", "orchestral", "punk"):
        ears = Ears()
        made = play(engine, make_plan(groove=groove), ears=ears)
        live = Clip.joined(ears.chunks)
        assert np.abs(live.samples).max() <= 1.0
        assert integrated_lufs(live) == pytest.approx(integrated_lufs(made.clip), abs=1.5)


def test_the_first_sound_comes_before_the_rest_is_made(engine, make_plan):
    plan = make_plan(groove="rock_straight", form=(("verse", 120, 0.5), ("chorus", 120, 0.9)))

    class Impatient(Ears):
        def heard(self, clip: Clip) -> None:
            super().heard(clip)
            self.first = time.perf_counter() - began

    ears = Impatient(stop_after=1)
    began = time.perf_counter()
    made = play(engine, plan, ears=ears)
    assert not made.complete and made.clip.seconds < 5 < plan.seconds.value
    assert ears.first < 60, "even on a busy machine, not the minutes a whole song takes"


def test_stopping_keeps_the_seconds_already_made(engine, make_plan):
    plan = make_plan(groove="rock_straight", form=(("verse", 16, 0.6),))
    whole, ears = play(engine, plan), Ears(stop_after=2)
    made = play(engine, plan, ears=ears)
    assert not made.complete
    assert 3 < made.clip.seconds < 8
    assert made.clip.frames >= Clip.joined(ears.chunks).frames
    assert all(stem.frames == made.clip.frames for stem in made.stems.values())
    assert np.abs(made.clip.samples[:, -1]).max() < 1e-4, "cut without a click"
    # The same music, at whatever loudness the shorter piece needs.
    n = made.clip.frames // 2
    one, two = made.clip.samples[0, :n], whole.clip.samples[0, :n]
    assert np.corrcoef(one, two)[0, 1] > 0.98
    assert max(note.start for part in read_midi(made.midi).instruments for note in part.notes) < made.clip.seconds


def test_stopping_before_any_sound_is_said(engine, make_plan):
    with pytest.raises(Cancelled, match="before there was any sound"):
        play(engine, make_plan(form=SHORT), ears=Ears(stop_after=0))


def test_the_same_plan_and_seed_give_the_same_bytes_in_another_process(make_plan, tmp_path):
    plan = make_plan(groove="funk_16ths", form=SHORT)
    (tmp_path / "plan.pickle").write_bytes(pickle.dumps(plan.model_dump_json()))
    script = (
        "import pickle, sys, hashlib\n"
        "from agents.types import SongPlan\n"
        "from studio.engines.base import Listener, Sampling\n"
        "from studio.engines.sketch.engine import SketchEngine\n"
        "plan = SongPlan.model_validate_json(pickle.loads(open(sys.argv[1], 'rb').read()))\n"
        "made = SketchEngine().generate(plan, Sampling(seed=11), Listener())\n"
        "parts = [made.clip.samples.tobytes(), made.midi, *(s.samples.tobytes() for s in made.stems.values())]\n"
        "print(hashlib.sha256(b''.join(parts)).hexdigest())\n"
    )
    prints = [
        subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / "plan.pickle")],
            cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": salt}, capture_output=True, text=True, check=True,
        ).stdout.strip()
        for salt in ("1", "2")
    ]  # fmt: skip
    assert prints[0] == prints[1] and len(prints[0]) == 64


def test_no_two_seeds_sound_alike(engine, make_plan):
    plan = make_plan(groove="lofi_swing", form=SHORT)
    sounds = {hashlib.sha256(play(engine, plan, seed=seed).clip.samples.tobytes()).hexdigest() for seed in range(4)}
    assert len(sounds) == 4


@pytest.mark.parametrize(
    ("meter", "tempo_bpm", "quarters"),
    [("4/4", 93.0, 93.0), ("6/8", 60.0, 90.0), ("7/8", 120.0, 120.0), ("2/2", 80.0, 160.0)],
)
def test_the_midi_file_counts_the_tempo_in_quarters(make_plan, meter, tempo_bpm, quarters):
    import mido

    from studio.engines.sketch.compose import compose
    from studio.engines.sketch.engine import midi_of

    plan = make_plan(meter=meter, tempo_bpm=tempo_bpm, groove="rock_straight", key="C minor")
    score = compose(plan, seed=1)
    file = mido.MidiFile(file=io.BytesIO(midi_of(score, seconds=plan.seconds.value)))
    head = {message.type: message for message in file.tracks[0] if message.is_meta}
    assert mido.tempo2bpm(head["set_tempo"].tempo) == pytest.approx(quarters, rel=1e-4)
    assert f"{head['time_signature'].numerator}/{head['time_signature'].denominator}" == meter
    assert head["key_signature"].key == "Cm"
    ticks, markers = 0, []
    for message in file.tracks[0]:
        ticks += message.time
        if message.type == "marker":
            markers.append((message.text, ticks * 60 / quarters / 960))
    assert [name for name, _ in markers] == ["intro", "verse", "chorus"]
    assert [at for _, at in markers] == pytest.approx(plan.section_starts_seconds(), abs=0.002)


def test_the_midi_file_holds_the_notes_that_were_played(make_plan):
    from studio.engines.sketch.compose import compose
    from studio.engines.sketch.engine import midi_of

    plan = make_plan(groove="salsa_tumbao")
    score = compose(plan, seed=5)
    read = read_midi(midi_of(score, seconds=plan.seconds.value))
    written = {
        part.name: sorted((read.time_to_tick(note.start), note.pitch, note.velocity) for note in part.notes)
        for part in read.instruments
    }
    for part in score.parts:
        assert written[part.instrument.label] == sorted((n.start_tick, n.pitch, n.velocity) for n in part.notes)


def test_a_file_that_is_no_soundfont_is_refused_in_words(tmp_path, make_plan):
    for name, data, words in (
        ("song.sf2", b"not a soundfont", "is not a SoundFont"),
        ("cut.sf2", b"RIFF\0\0\0\0sfbk", "damaged"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(EngineError, match=words):
            play(SketchEngine(soundfont=tmp_path / name), make_plan(form=SHORT))
    with pytest.raises(EngineError, match="cannot be read"):
        play(SketchEngine(soundfont=tmp_path / "absent.sf2"), make_plan(form=SHORT))


def test_the_identity_says_what_made_the_sound(engine, make_plan):
    identity = play(engine, make_plan(form=(("all", 1, 0.5),)), seed=9).identity
    assert identity["seed"] == 9 and identity["soundfont"] == "TimGM6mb.sf2"
    assert len(identity["soundfont_sha256"]) == 64 and identity["engine_version"]


@pytest.mark.parametrize("meter", ["3/4", "6/8", "5/4", "7/8", "12/8"])
def test_every_meter_sounds(engine, make_plan, meter):
    made = play(engine, make_plan(meter=meter, groove="rock_straight", form=(("verse", 2, 0.6),)))
    assert integrated_lufs(made.clip) == pytest.approx(-14, abs=0.5)


def test_a_drummer_alone_and_a_violin_alone_can_be_heard(engine, make_plan):
    for band in (["drum_kit"], ["violin"]):
        made = play(engine, make_plan(groove="rock_straight", instruments=band, form=SHORT))
        assert list(made.stems) == band
        assert integrated_lufs(made.clip) == pytest.approx(-14, abs=0.5)

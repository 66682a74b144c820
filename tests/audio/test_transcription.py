"""Notes that were played are the notes that are heard, where and as long as the network can tell."""

from __future__ import annotations

import mir_eval
import numpy as np
import pytest

from audio.beats import steady_beats
from audio.clip import Clip
from audio.drum_hits import KEYS, transcribe_drums
from audio.transcription import CannotTranscribe, Note, quantised, transcribe
from tests.audio.rhythms import RATE_HZ, band, tone


def played(notes: list[tuple[float, float, int]], *, seconds: float) -> Clip:
    samples = np.zeros(round(seconds * RATE_HZ), np.float32)
    for start, end, pitch in notes:
        sound = 0.3 * tone(pitch, end - start)
        at = round(start * RATE_HZ)
        samples[at : at + len(sound)] += sound[: len(samples) - at]
    return Clip(samples, RATE_HZ)


def onset_f1(notes: list[tuple[float, float, int]], heard: tuple[Note, ...]) -> float:
    def hertz(pitches: list[int]) -> np.ndarray:
        return 440 * 2 ** ((np.array(pitches) - 69) / 12)

    return float(
        mir_eval.transcription.precision_recall_f1_overlap(
            np.array([[a, b] for a, b, _ in notes]), hertz([pitch for *_, pitch in notes]),
            np.array([[n.start_seconds, n.end_seconds] for n in heard]), hertz([n.pitch for n in heard]), offset_ratio=None,
        )[2]
    )  # fmt: skip


@pytest.fixture(scope="module")
def melody() -> list[tuple[float, float, int]]:
    """Forty notes over twelve seconds: across six of the network's windows."""
    dice = np.random.default_rng(4)
    return [(0.2 + 0.3 * k, 0.2 + 0.3 * k + 0.27, int(dice.integers(52, 82))) for k in range(40)]


def test_a_melody_is_heard_note_by_note(melody: list[tuple[float, float, int]]) -> None:
    heard = transcribe(played(melody, seconds=12.6))
    assert onset_f1(melody, heard) > 0.9
    late = [
        min((n.start_seconds - start for n in heard if n.pitch == pitch), key=abs, default=1.0)
        for start, _, pitch in melody
    ]
    assert abs(np.median(late)) < 0.02
    assert np.median([n.end_seconds - n.start_seconds for n in heard]) == pytest.approx(0.27, abs=0.08)


def test_chords_are_heard_as_their_notes() -> None:
    chords = [
        (1.0 * k, 1.0 * k + 0.9, pitch)
        for k, root in enumerate((57, 53, 60, 55))
        for pitch in (root, root + 4, root + 7)
    ]
    assert onset_f1(chords, transcribe(played(chords, seconds=4.5))) > 0.85


def test_the_channels_and_the_level_change_no_note(melody: list[tuple[float, float, int]]) -> None:
    clip = played(melody[:12], seconds=4.5)
    expected = [(n.pitch, n.start_seconds) for n in transcribe(clip)]
    many = Clip(np.repeat(clip.samples * 0.01, 8, axis=0), RATE_HZ)
    assert [(n.pitch, n.start_seconds) for n in transcribe(many)] == expected


def test_a_louder_note_has_a_higher_velocity() -> None:
    clip = played([(0.2, 0.7, 60), (1.0, 1.5, 64)], seconds=2.0)
    clip.samples[:, RATE_HZ * 9 // 10 :] *= 0.2
    first, second = transcribe(clip)
    assert first.velocity > second.velocity + 15


def test_silence_has_no_notes_and_a_tenth_of_a_second_does_no_harm() -> None:
    assert transcribe(Clip.silence(seconds=3, sample_rate_hz=RATE_HZ)) == ()
    assert transcribe(Clip.silence(seconds=0, sample_rate_hz=RATE_HZ)) == ()
    assert len(transcribe(played([(0.0, 0.1, 60)], seconds=0.1))) <= 1
    assert transcribe_drums(Clip.silence(seconds=3, sample_rate_hz=RATE_HZ)) == ()
    assert len(transcribe_drums(band(bars=1)[0].between(0, 0.1))) <= 3


def test_samples_that_are_no_numbers_are_refused() -> None:
    broken = Clip(np.full((2, 44_100), np.nan), RATE_HZ)
    for listen in (transcribe, transcribe_drums):
        with pytest.raises(CannotTranscribe, match="damaged"):
            listen(broken)


def test_listening_tells_how_far_it_is_and_can_be_ended(melody: list[tuple[float, float, int]]) -> None:
    class Stopped(Exception):
        pass

    clip = played(melody, seconds=40.0)
    told: list[float] = []
    transcribe(clip, progress=told.append)
    assert len(told) >= 3 and told == sorted(told) and told[-1] == 1.0

    def stop(share: float) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        transcribe(clip, progress=stop)


def test_quantised_notes_lie_on_the_grid_of_the_beats() -> None:
    beats = steady_beats(seconds=10, tempo_bpm=120, first_downbeat_seconds=0.3)
    notes = [Note(0.3 + 0.125 * k + 0.02 * (-1) ** k, 0.3 + 0.125 * k + 0.1, 60, 90) for k in range(20)]
    moved = quantised(notes, beats, steps_a_beat=4)
    assert [n.start_seconds for n in moved] == pytest.approx([0.3 + 0.125 * k for k in range(20)])
    assert all(n.end_seconds > n.start_seconds for n in moved)
    half = quantised(notes, beats, steps_a_beat=4, strength=0.5)
    assert [n.start_seconds for n in half] == pytest.approx([0.3 + 0.125 * k + 0.01 * (-1) ** k for k in range(20)])


def test_strokes_are_heard_by_kind() -> None:
    """On synthesised drums the classifier never heard in its training."""
    clip, beats = band(tempo_bpm=100, bars=6, chords=[(-100,)])  # a bass too low to hear
    heard = transcribe_drums(clip)
    kicks = [n.start_seconds for n in heard if n.pitch == KEYS["kick"]]
    snares = [n.start_seconds for n in heard if n.pitch == KEYS["snare"]]
    assert mir_eval.onset.f_measure(beats[::2], np.array(kicks), window=0.03)[0] > 0.85
    assert mir_eval.onset.f_measure(beats[1::2], np.array(snares), window=0.03)[0] > 0.85

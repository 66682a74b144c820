"""What a melody model hears: the figures of transformers, and the notes that were hummed, written or planned."""

from __future__ import annotations

import io
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import mido
import numpy as np
import pytest
import torch

from agents.harmony import Chord
from agents.types import Decided
from audio.clip import Clip
from studio.engines.base import EngineError
from studio.engines.musicgen import decode, melody
from studio.engines.musicgen.chroma import chroma
from tests.tiny_plans import make_plan

RATE = 32_000
C_MAJOR = [0, 2, 4, 5, 7, 9, 11, 0]


def _tone(pitch: int, *, seconds: float, rate_hz: int = RATE) -> np.ndarray:
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    return 0.3 * np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * times)


def _scale(*, rate_hz: int = RATE) -> np.ndarray:
    return np.concatenate([_tone(p, seconds=1.0, rate_hz=rate_hz) for p in (60, 62, 64, 65, 67, 69, 71, 72)])


def _heard_in_middles(heard: np.ndarray, *, seconds: float = 1.0) -> list[int]:
    """The note heard in the middle of every stretch of so many seconds."""
    middles = np.round((np.arange(8) + 0.5) * seconds * RATE / 4096).astype(int)
    return heard[middles].argmax(1).tolist()


def _power_by_numpy(sound: np.ndarray) -> np.ndarray:
    """The power spectrogram from its formula: reflected ends, a periodic Hann window of unit energy, no torch."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(16_384) / 16_384)
    padded = np.pad(sound.astype(np.float64), 8_192, mode="reflect")
    frames = [padded[start : start + 16_384] for start in range(0, len(padded) - 16_384 + 1, 4_096)]
    return np.abs(np.fft.rfft(np.stack(frames) * window / np.sqrt((window**2).sum()))).T ** 2


def _noise_and_notes(seconds: float) -> np.ndarray:
    dice = np.random.default_rng(4)
    notes = [_tone(int(pitch), seconds=0.31) for pitch in dice.integers(40, 90, round(seconds / 0.31) + 1)]
    sound = np.concatenate(notes)[: round(seconds * RATE)]
    return (sound + 0.02 * dice.standard_normal(len(sound))).astype(np.float32)


@pytest.mark.parametrize("seconds", [0.2, 0.5001, 7.3, 30.0])
def test_the_chroma_is_that_of_transformers_own_extractor(seconds: float) -> None:
    """Their code as it stands, over a spectrogram written from the formula, since torchaudio is not here."""
    from transformers.audio_utils import chroma_filter_bank
    from transformers.models.musicgen_melody.feature_extraction_musicgen_melody import MusicgenMelodyFeatureExtractor

    def spectrogram(waves: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(np.stack([_power_by_numpy(wave.numpy()) for wave in waves])).float()

    bank = chroma_filter_bank(sampling_rate=RATE, num_frequency_bins=16_384, tuning=0, num_chroma=12)
    extractor = SimpleNamespace(n_fft=16_384, chroma_filters=torch.from_numpy(bank).float(), spectrogram=spectrogram)
    sound = _noise_and_notes(seconds)
    extract = MusicgenMelodyFeatureExtractor._torch_extract_fbank_features
    theirs = extract(extractor, torch.from_numpy(sound)[None])[0].numpy()
    assert np.array_equal(chroma(sound), theirs)
    assert seconds < 1 or len(set(theirs.argmax(1).tolist())) > 6, "a chroma of one note would prove nothing"


def test_the_folding_onto_notes_is_librosas() -> None:
    """An independent bank: librosa's, of which transformers' is a port."""
    import librosa

    from studio.engines.musicgen.chroma import _filters

    theirs = librosa.filters.chroma(sr=RATE, n_fft=16_384, tuning=0, n_chroma=12)
    assert np.allclose(_filters().numpy(), theirs, atol=1e-6)


@pytest.mark.parametrize(("rate_hz", "channels"), [(32_000, 1), (44_100, 2), (96_000, 6), (8_000, 1)])
def test_a_hummed_scale_is_heard_note_by_note(rate_hz: int, channels: int) -> None:
    clip = Clip(np.repeat(_scale(rate_hz=rate_hz)[None], channels, axis=0), rate_hz)
    assert _heard_in_middles(melody.from_clip(clip).chroma()) == C_MAJOR


def test_channels_that_cancel_are_still_heard() -> None:
    sound = _scale()
    assert _heard_in_middles(melody.from_clip(Clip(np.stack([sound, -sound]), RATE)).chroma()) == C_MAJOR


@pytest.mark.parametrize(
    ("clip", "sentence"),
    [
        (Clip(np.zeros((1, RATE)), RATE), "melody is silent: hum or play it again"),
        (Clip(np.zeros((2, 0)), RATE), "melody is silent"),
        (Clip(1e-4 * _scale()[None], RATE), "melody is silent"),
        (Clip(np.full((1, RATE), np.nan), RATE), "damaged"),
        (Clip(np.ones((1, 601 * 100)), 100), "lasts 601 s: cut it"),
    ],
)
def test_a_sound_without_a_melody_is_a_sentence(clip: Clip, sentence: str) -> None:
    with pytest.raises(EngineError, match=sentence):
        melody.from_clip(clip)


def _midi(*tracks: list[tuple[int, float, float]], channel: int = 0) -> bytes:
    """A MIDI file at 120 quarters a minute of tracks of (pitch, start, end) in seconds."""
    file = mido.MidiFile(ticks_per_beat=480)
    for notes in tracks:
        track = mido.MidiTrack()
        file.tracks.append(track)
        events = sorted([(start, 1, pitch) for pitch, start, _ in notes] + [(end, 0, pitch) for pitch, _, end in notes])
        now = 0
        for seconds, velocity, pitch in events:
            ticks = round(seconds * 960)
            kind = "note_on" if velocity else "note_off"
            track.append(mido.Message(kind, note=pitch, velocity=90 * velocity, time=ticks - now, channel=channel))
            now = ticks
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


def test_the_top_line_of_a_midi_file_is_the_melody() -> None:
    tune = [(pitch, start, start + 1.0) for start, pitch in enumerate((60, 62, 64, 65, 67, 69, 71, 72))]
    below = [(43, float(start), start + 2.0) for start in (0, 2, 4, 6)]
    assert _heard_in_middles(melody.from_midi(_midi(below, tune)).chroma()) == C_MAJOR


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "cannot be read"),
        (b"RIFF....WAVE", "cannot be read"),
        (_midi([(60, 0.0, 1.0)])[:30], "cannot be read"),
        (_midi([(36, 0.0, 1.0)], channel=9), "no notes but drums"),
        (_midi([]), "no notes"),
        (_midi([(60, 0.0, 700.0)]), "lasts 700 s"),
    ],
)
def test_a_midi_file_without_a_melody_is_a_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(EngineError, match=sentence):
        melody.from_midi(data)


def test_a_chord_bed_sounds_each_bars_chord_from_its_root() -> None:
    plan = make_plan(seconds=17.0)
    plan.tempo_bpm = Decided(value=120.0)  # bars of two seconds
    symbols = ["Am", "F", "Cmaj7", "G7", "Dm", "E", "Bdim", "Am"]
    plan.sections[0].chords, plan.sections[0].bars = Decided(value=symbols), Decided(value=8)
    notes = melody.from_chords(plan).chroma().argmax(1)
    for bar, symbol in enumerate(symbols):
        chord = Chord.parse(symbol)
        inside = notes[int(bar * 2 * 7.8125) + 3 : int((bar + 1) * 2 * 7.8125) - 2]
        assert set(inside.tolist()) <= set(chord.pitch_classes), symbol
        assert inside[0] == chord.root
        assert len(set(inside.tolist())) >= 3, "the chord, not its root alone"
    assert notes[-3] == 9, "the last chord rings out"


def test_a_later_window_hears_the_melody_from_there_and_round_again() -> None:
    tune = melody.from_clip(Clip(_scale()[None], RATE))
    assert _heard_in_middles(tune.chroma(start_seconds=3.0)) == C_MAJOR[3:] + C_MAJOR[:3]


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_codes_under_a_melody_are_those_of_transformers(load_tiny: Callable[[str], Any], guidance: float) -> None:
    loaded = load_tiny("melody")
    heard = torch.from_numpy(melody.from_clip(Clip(_scale()[None], RATE)).chroma(start_seconds=3.0, seconds=1.0))
    tokens = loaded.tokenizer(["sad piano waltz"], return_tensors="pt")
    theirs: list[torch.Tensor] = []
    stock = loaded.model.audio_encoder.decode
    loaded.model.audio_encoder.decode = lambda codes, **kwargs: (theirs.append(codes), stock(codes, **kwargs))[1]
    try:
        loaded.model.generate(
            **tokens, input_features=heard[None], do_sample=False, guidance_scale=guidance, max_new_tokens=43
        )
    finally:
        del loaded.model.audio_encoder.decode

    def ours(tune: torch.Tensor | None) -> torch.Tensor:
        rows = [(tokens["input_ids"], tokens["attention_mask"]), None]
        conditioning = decode.condition_rows(loaded.model, rows[: 2 if guidance > 1 else 1], melody=tune)
        choice = decode.Choice(top_k=1, guidance=guidance)
        return torch.stack(list(decode.codes(loaded.model, conditioning, frames=40, choice=choice)), dim=1)

    assert torch.equal(ours(heard), theirs[0][0, 0])
    assert not torch.equal(ours(heard), ours(None)), "the melody is heard"


def test_a_model_without_ears_for_melodies_says_so(load_tiny: Callable[[str], Any]) -> None:
    loaded = load_tiny("mono")
    tokens = loaded.tokenizer(["sad piano waltz"], return_tensors="pt")
    with pytest.raises(EngineError, match="cannot follow a melody: choose MusicGen melody"):
        decode.condition_rows(
            loaded.model, [(tokens["input_ids"], tokens["attention_mask"])], melody=torch.zeros(5, 12)
        )

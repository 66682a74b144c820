"""A loop comes round where the music does, without a seam, and other programs read where it lies."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio.beats import steady_beats, track_beats
from audio.clip import Clip
from audio.io import encode
from audio.loop_points import NoWav, read_loop_points, with_loop_points
from audio.loops import Loop, NoLoop, find_loops, looped, tile
from tests.audio.rhythms import CHORDS, RATE_HZ, band

PROGRESSIONS = {
    1: (CHORDS[0],),
    2: (CHORDS[0], CHORDS[1]),
    3: (CHORDS[0], CHORDS[1], CHORDS[3]),
    4: CHORDS,
}


@pytest.mark.parametrize("length", list(PROGRESSIONS))
def test_the_best_loop_is_as_long_as_the_progression(length: int) -> None:
    clip, beats = band(tempo_bpm=118, bars=12, chords=PROGRESSIONS[length])
    known = steady_beats(seconds=clip.seconds, tempo_bpm=118)
    best = find_loops(clip, known)[0]
    assert best.bars == length
    assert best.frames == pytest.approx(length * 4 * 60 / 118 * RATE_HZ, abs=1)
    assert min(abs(best.start_frame / RATE_HZ - beat) for beat in beats[::4]) <= 0.0051


def test_loops_are_found_on_beats_that_were_heard_not_told() -> None:
    clip, _ = band(tempo_bpm=101.7, bars=12, chords=PROGRESSIONS[2], lead_seconds=0.5)
    best = find_loops(clip, track_beats(clip))[0]
    assert best.bars == 2
    assert best.frames == pytest.approx(8 * 60 / 101.7 * RATE_HZ, rel=0.001)


def flux(samples: np.ndarray) -> np.ndarray:
    """How much louder each 3 ms get, over the sound's own highs: what makes a click."""
    steep = np.abs(np.diff(samples))
    return np.array([part.max() for part in np.array_split(steep, max(1, len(steep) // 132))])


def test_a_seam_is_no_louder_than_the_musics_own_onsets() -> None:
    clip, _ = band(tempo_bpm=95, bars=9, chords=CHORDS)
    loops = find_loops(clip, steady_beats(seconds=clip.seconds, tempo_bpm=95))
    for loop in loops:
        round_and_round = tile(clip, loop, seconds=2 * loop.frames / RATE_HZ)
        seam = flux(round_and_round.samples[0, loop.frames - 400 : loop.frames + 400]).max()
        assert seam <= 1.05 * flux(clip.samples[0]).max()


def test_a_held_tone_cut_anywhere_goes_round_smoothly() -> None:
    time = np.arange(RATE_HZ * 9) / RATE_HZ
    tone = Clip(0.4 * np.sin(2 * np.pi * 97.3 * time), RATE_HZ)
    loop = find_loops(tone, steady_beats(seconds=9, tempo_bpm=111, first_downbeat_seconds=0.1))[0]
    round_and_round = tile(tone, loop, seconds=2 * loop.frames / RATE_HZ).samples[0]
    assert np.abs(np.diff(round_and_round)).max() < 3 * np.abs(np.diff(tone.samples[0])).max()


def test_a_loop_is_tiled_to_the_frame() -> None:
    clip, _ = band(tempo_bpm=120, bars=6)
    loop = Loop(88_200, 176_400, 1, 1.0, "")
    tiled = tile(clip, loop, seconds=7.3)
    assert tiled.frames == round(7.3 * RATE_HZ)
    assert np.array_equal(tiled.samples[:, :88_200], looped(clip, loop).samples)
    assert np.array_equal(tiled.samples[:, 88_200:176_400], tiled.samples[:, :88_200])


@pytest.mark.parametrize(
    "clip", [Clip.silence(seconds=20, sample_rate_hz=RATE_HZ), Clip.silence(seconds=0.1, sample_rate_hz=8_000)]
)
def test_silence_and_a_tenth_of_a_second_have_no_loop(clip: Clip) -> None:
    with pytest.raises(NoLoop):
        find_loops(clip, steady_beats(seconds=clip.seconds, tempo_bpm=120))


def test_loop_points_are_read_back_by_libsndfile(tmp_path: Path) -> None:
    clip, _ = band(tempo_bpm=120, bars=4)
    path = tmp_path / "loop.wav"
    path.write_bytes(
        with_loop_points(encode(clip, format="wav24"), [(88_200, 176_400), (0, 352_800)], sample_rate_hz=RATE_HZ)
    )
    assert _loops_by_libsndfile(path) == [(88_200, 176_400), (0, 352_800)]
    assert read_loop_points(path.read_bytes()) == ((88_200, 176_400), (0, 352_800))
    with soundfile.SoundFile(path) as file:
        assert file.frames == clip.frames


def test_loop_points_replace_earlier_ones_and_want_a_wav() -> None:
    wav = encode(Clip.silence(seconds=0.5, sample_rate_hz=8_000), format="wav16")
    twice = with_loop_points(with_loop_points(wav, [(0, 100)], sample_rate_hz=8_000), [(7, 99)], sample_rate_hz=8_000)
    assert read_loop_points(twice) == ((7, 99),)
    assert read_loop_points(wav) == ()
    with pytest.raises(NoWav):
        read_loop_points(b"fLaC")


class _Loop(ctypes.Structure):
    _fields_ = [
        ("mode", ctypes.c_int),
        ("start", ctypes.c_uint32),
        ("end", ctypes.c_uint32),
        ("count", ctypes.c_uint32),
    ]


class _Instrument(ctypes.Structure):
    _fields_ = [
        ("gain", ctypes.c_int),
        ("notes", ctypes.c_char * 6),
        ("loop_count", ctypes.c_int),
        ("loops", _Loop * 16),
    ]


def _loops_by_libsndfile(path: Path) -> list[tuple[int, int]]:
    """SFC_GET_INSTRUMENT of the C library, which Python's soundfile does not hand on."""
    found = next(Path(soundfile.__file__).parent.glob("_soundfile_data/libsndfile*"), "libsndfile.so.1")
    library = ctypes.CDLL(str(found))
    library.sf_open.restype = ctypes.c_void_p
    info = ctypes.create_string_buffer(64)
    handle = library.sf_open(str(path).encode(), 0x10, info)
    instrument = _Instrument()
    assert library.sf_command(ctypes.c_void_p(handle), 0x10D0, ctypes.byref(instrument), ctypes.sizeof(instrument))
    library.sf_close(ctypes.c_void_p(handle))
    return [(loop.start, loop.end) for loop in instrument.loops[: instrument.loop_count]]

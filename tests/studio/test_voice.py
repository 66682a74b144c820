"""A spoken wish: what Whisper is handed, what is refused beforehand, and what comes back."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from audio.clip import Clip
from studio.models.files import FileModels
from studio.models.hub import ModelError
from studio.voice import RATE_HZ, Heard, VoiceError, VoiceStopped, hear, spoken_part, transcribe
from tests.tiny_whisper import write_whisper

WISH = "slow lo-fi hip hop, rainy, 80 bpm"


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that hears one sentence in anything."""
    return write_whisper(tmp_path_factory.mktemp("whisper") / "base.pt", says=WISH)


def babble(seconds: float = 2.0, *, rate_hz: int = 44_100, channels: int = 1) -> Clip:
    """Something that comes and goes as speech does: a buzz in syllables."""
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    syllables = np.clip(np.sin(2 * np.pi * 3 * times), 0, None) ** 2
    voice = sum(np.sin(2 * np.pi * 140 * n * times) / n for n in range(1, 12))
    return Clip(np.tile((0.1 * voice * syllables).astype(np.float32), (channels, 1)), rate_hz)


def test_spoken_words_become_text_and_the_language_is_found(whisper: Path) -> None:
    heard = transcribe(babble(), model_path=whisper)
    assert (heard.text, heard.language, heard.model) == (WISH, "en", "base")


def test_another_language_is_found_too(tmp_path: Path) -> None:
    german = write_whisper(tmp_path / "german.pt", says="ein langsamer Walzer mit Klavier", language="de")
    heard = transcribe(babble(), model_path=german)
    assert (heard.text, heard.language) == ("ein langsamer Walzer mit Klavier", "de")


def test_a_model_that_makes_nothing_of_it_says_so_and_invents_no_words(tmp_path: Path) -> None:
    with pytest.raises(VoiceError, match="No words"):
        transcribe(babble(), model_path=write_whisper(tmp_path / "random.pt"))


@pytest.mark.parametrize(("rate_hz", "channels"), [(48_000, 2), (44_100, 1), (16_000, 1), (8_000, 2)])
def test_any_recording_reaches_whisper_as_mono_at_16_khz(rate_hz: int, channels: int) -> None:
    samples = spoken_part(babble(3.0, rate_hz=rate_hz, channels=channels))
    assert samples.dtype == np.float32 and samples.ndim == 1
    assert abs(len(samples) / RATE_HZ - 3.0) < 0.4


def test_the_silence_round_the_words_is_cut_off() -> None:
    speech = babble(2.0)
    padded = Clip.joined([Clip.silence(seconds=6, sample_rate_hz=44_100, channels=1), speech, Clip.silence(seconds=9, sample_rate_hz=44_100, channels=1)])  # fmt: skip
    assert 1.5 < len(spoken_part(padded)) / RATE_HZ < 2.8


@pytest.mark.parametrize(
    ("clip", "sentence"),
    [
        (Clip.silence(seconds=4, sample_rate_hz=16_000), "silent"),
        (Clip.silence(seconds=0, sample_rate_hz=16_000), "too short"),
        (Clip(np.full((1, 32_000), 0.4, np.float32), 16_000), "silent"),
        (Clip(np.full((1, 32_000), np.nan, np.float32), 16_000), "silent"),
        (Clip(np.random.default_rng(0).normal(0, 0.1, (1, 64_000)).astype(np.float32), 16_000), "steady noise"),
        (babble(150.0, rate_hz=8_000), "150 seconds of sound"),
    ],
    ids=["silence", "nothing", "a constant", "not numbers", "noise", "a speech"],
)
def test_what_is_no_spoken_wish_is_refused_before_the_model_is_troubled(clip: Clip, sentence: str) -> None:
    with pytest.raises(VoiceError, match=sentence):
        transcribe(clip, model_path=Path("no-model-needed.pt"))


def test_two_hours_are_refused_at_once() -> None:
    hours = Clip(np.broadcast_to(np.float32(0.1), (1, 2 * 3600 * 16_000)), 16_000)
    began = time.thread_time()
    with pytest.raises(VoiceError, match="2 h 0 min"):
        spoken_part(hours)
    assert time.thread_time() - began < 0.5, "of work: not one of their samples is looked at"


def test_listening_can_be_stopped_in_its_middle(whisper: Path) -> None:
    transcribe(babble(), model_path=whisper)
    looks = iter([False] * 6)
    with pytest.raises(VoiceStopped):
        transcribe(babble(), model_path=whisper, cancelled=lambda: next(looks, True))
    assert transcribe(babble(), model_path=whisper).text == WISH


def test_listening_keeps_to_its_time(whisper: Path) -> None:
    with pytest.raises(VoiceError, match="too long"):
        transcribe(babble(), model_path=whisper, budget_seconds=0.0)


def test_two_visitors_are_heard_one_after_the_other(whisper: Path) -> None:
    heard: list[Heard] = []
    threads = [
        threading.Thread(target=lambda: heard.append(transcribe(babble(), model_path=whisper))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [one.text for one in heard] == [WISH, WISH]


@pytest.mark.parametrize("content", [b"", b"not a model", b"PK\x03\x04broken"], ids=["empty", "text", "cut"])
def test_a_file_that_is_no_whisper_gives_a_sentence(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.pt"
    path.write_bytes(content)
    with pytest.raises(VoiceError, match="not a Whisper model"):
        transcribe(babble(), model_path=path)


def test_a_checkpoint_that_would_run_a_program_is_opened_as_data_only(tmp_path: Path) -> None:
    import torch

    class Program:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (Path(tmp_path / "it ran"),))  # type: ignore[return-value]

    torch.save({"dims": Program(), "model_state_dict": {}}, tmp_path / "evil.pt")
    with pytest.raises(VoiceError, match="not a Whisper model"):
        transcribe(babble(), model_path=tmp_path / "evil.pt")
    assert not (tmp_path / "it ran").exists()


def test_without_a_model_the_microphone_says_so_and_offers_the_download(data_dir: Path, whisper: Path) -> None:
    files = FileModels(data_dir / "models")
    with pytest.raises(ModelError, match=r"Whisper base is not on this machine yet: download it \(0.1 GB\)"):
        hear(babble(), files, model_id="whisper-base")
    home = data_dir / "models" / "speech" / "base.pt"
    home.parent.mkdir(parents=True)
    home.write_bytes(whisper.read_bytes())
    assert hear(babble(), files, model_id="whisper-base").text == WISH


@pytest.mark.weights
def test_a_real_whisper_hears_a_synthesised_voice(tmp_path: Path) -> None:
    """Needs network, and espeak-ng for the voice."""
    import shutil
    import subprocess

    import soundfile

    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed")
    files = FileModels(tmp_path / "models")
    files.download("whisper-tiny")
    subprocess.run(["espeak-ng", "-w", str(tmp_path / "wish.wav"), "a slow piano ballad with strings"], check=True)
    samples, rate = soundfile.read(tmp_path / "wish.wav", dtype="float32")
    heard = hear(Clip(samples, rate), files, model_id="whisper-tiny")
    assert heard.language == "en" and {"piano", "strings"} <= set(heard.text.lower().strip(".").split())

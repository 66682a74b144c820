"""A real worker process at the other end of a real pipe, its model swapped for a tone: also killed, hung and babbling."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.engines.audiocraft import protocol
from studio.engines.audiocraft.client import Patience, WorkerClient
from studio.engines.audiocraft.engine import MODELS, AudioCraftEngine, diffuse
from studio.engines.base import Cancelled, EngineError, Listener, ModelMissing, Sampling
from studio.engines.steering import Steering
from tests.tiny_plans import make_plan

WORKER = Path(protocol.__file__).with_name("worker.py")
PLUGIN = Path(__file__).with_name("tiny_synth.py")
# A busy machine's worker may be silent for seconds; only who tests that patience ends has little of it.
CALM = Patience(start_seconds=120.0, silence_seconds=60.0, stall_seconds=60.0, stop_seconds=0.5)
HASTE = Patience(start_seconds=120.0, silence_seconds=2.5, stall_seconds=4.0, stop_seconds=0.5)


class Audience(Listener):
    def __init__(self, *, stop_after_seconds: float | None = None) -> None:
        self.stages: list[str] = []
        self.heard_frames = 0
        self.stop_at = None if stop_after_seconds is None else time.monotonic() + stop_after_seconds

    def heard(self, clip: object) -> None:
        self.heard_frames += clip.frames  # type: ignore[attr-defined]

    def progress(self, stage: str, fraction: float) -> None:
        self.stages.append(stage)

    def cancelled(self) -> bool:
        return self.stop_at is not None and time.monotonic() > self.stop_at


@pytest.fixture
def client(tmp_path: Path) -> Iterator[WorkerClient]:
    command = [sys.executable, WORKER, "--plugin", f"{PLUGIN}:TinySynth"]
    client = WorkerClient(command, log=tmp_path / "audiocraft" / "worker.log", patience=CALM)
    yield client
    client.close()


@pytest.fixture
def magnet(client: WorkerClient) -> AudioCraftEngine:
    return AudioCraftEngine(MODELS[0], client)


def test_a_take_of_the_plans_length_comes_through_the_pipe(magnet: AudioCraftEngine, tmp_path: Path) -> None:
    audience = Audience()
    take = magnet.generate(make_plan(seconds=2.5), Sampling(seed=1), audience)
    assert take.complete and take.clip.samples.shape == (1, 80_000) and take.clip.sample_rate_hz == 32_000
    assert 0.39 < np.abs(take.clip.samples).max() < 0.41
    assert audience.heard_frames == 80_000
    assert {"starting AudioCraft", "composing"} <= set(audience.stages)
    assert take.identity == {
        "engine": "audiocraft", "model": "facebook/magnet-small-30secs", "audiocraft": "tiny synth", "temperature": 3.0,
    }  # fmt: skip
    assert "a library prints" in (tmp_path / "audiocraft" / "worker.log").read_text()


def test_one_worker_serves_take_after_take(magnet: AudioCraftEngine, client: WorkerClient) -> None:
    first = magnet.generate(make_plan(), Sampling(seed=1), Listener())
    process = client._process
    again, other = (magnet.generate(make_plan(), Sampling(seed=seed), Listener()) for seed in (1, 2))
    assert client._process is process
    assert first.clip.samples.tobytes() == again.clip.samples.tobytes() != other.clip.samples.tobytes()


def test_changed_figures_are_the_users_own(magnet: AudioCraftEngine) -> None:
    take = magnet.generate(make_plan(), Sampling(temperature=1.2), Listener())
    assert take.identity["temperature"] == 1.2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("die", r"ended by itself \(it was killed, often for want of memory\).*starts again with the next take"),
        ("leave", r"ended by itself \(status 3\)"),
        ("break", "ran out of memory: choose a smaller model"),
        ("odd", r"could not make this \(ValueError: something odd\). The details are in"),
    ],
)
def test_a_worker_that_fails_is_a_sentence_and_the_next_take_plays(
    magnet: AudioCraftEngine, words: str, sentence: str
) -> None:
    with pytest.raises(EngineError, match=sentence):
        magnet.generate(make_plan(prompt=words), Sampling(), Listener())
    assert magnet.generate(make_plan(), Sampling(), Listener()).complete


@pytest.mark.parametrize("words", ["freeze", "stall"])
def test_a_worker_that_no_longer_moves_is_ended_and_the_next_take_plays(
    magnet: AudioCraftEngine, client: WorkerClient, words: str
) -> None:
    client._patience = HASTE
    with pytest.raises(EngineError, match=r"has not moved for \d+ s and was ended.*starts again"):
        magnet.generate(make_plan(prompt=words), Sampling(), Listener())
    client._patience = CALM
    assert magnet.generate(make_plan(), Sampling(), Listener()).complete


def test_a_worker_killed_from_outside_is_a_sentence(magnet: AudioCraftEngine, client: WorkerClient) -> None:
    magnet.generate(make_plan(), Sampling(), Listener())
    process = client._process
    assert process is not None
    killer = threading.Timer(0.5, os.kill, (process.pid, signal.SIGKILL))
    killer.start()
    with pytest.raises(EngineError, match="it was killed"):
        magnet.generate(make_plan(prompt="endless"), Sampling(), Listener())
    killer.join()
    assert magnet.generate(make_plan(), Sampling(), Listener()).complete


def test_stopping_is_obeyed_and_the_worker_lives(magnet: AudioCraftEngine, client: WorkerClient) -> None:
    magnet.generate(make_plan(), Sampling(), Listener())
    process = client._process
    with pytest.raises(Cancelled):
        magnet.generate(make_plan(prompt="endless"), Sampling(), Audience(stop_after_seconds=0.3))
    assert client._process is process and client.is_running
    assert magnet.generate(make_plan(), Sampling(), Listener()).complete


def test_a_worker_that_does_not_hear_stop_is_ended(magnet: AudioCraftEngine, client: WorkerClient) -> None:
    magnet.generate(make_plan(), Sampling(), Listener())
    began = time.monotonic()
    with pytest.raises(Cancelled):
        magnet.generate(make_plan(prompt="deaf"), Sampling(), Audience(stop_after_seconds=0.2))
    assert time.monotonic() - began < 30, "it would not have heard for a minute"
    assert not client.is_running


def test_unloading_ends_the_worker(magnet: AudioCraftEngine, client: WorkerClient) -> None:
    magnet.generate(make_plan(), Sampling(), Listener())
    process = client._process
    magnet.unload()
    assert process is not None and process.poll() is not None and not client.is_running


def test_a_worker_ends_with_the_studio(client: WorkerClient, magnet: AudioCraftEngine) -> None:
    """Its input ends when the studio is gone, however the studio went."""
    magnet.generate(make_plan(), Sampling(), Listener())
    process = client._process
    assert process is not None
    client._posted.put(None)  # closes the pipe, as the system does for a killed studio
    assert process.wait(timeout=30) == 0


BABBLE = {
    "words": "import sys; sys.stdout.write('Traceback: hello' * 20)",
    "a cut frame": "import sys; sys.stdout.buffer.write(b'MGS1' + bytes([5, 0, 0, 0]))",
    "an endless frame": "import sys; sys.stdout.buffer.write(b'MGS1' + b'\\xff' * 40)",
    "no JSON": "import sys; sys.stdout.buffer.write(b'MGS1' + (3).to_bytes(4, 'little') + bytes(8) + b'{{{')",
}


@pytest.mark.parametrize("program", BABBLE.values(), ids=BABBLE.keys())
def test_a_worker_that_babbles_is_ended_in_a_sentence(tmp_path: Path, program: str) -> None:
    client = WorkerClient([sys.executable, "-c", program], log=tmp_path / "worker.log", patience=CALM)
    with pytest.raises(EngineError, match="answered with something unreadable"):
        client.ask({"task": "magnet"}, listener=Listener())
    assert not client.is_running


def test_sound_that_is_not_what_it_says_is_refused(tmp_path: Path) -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(WORKER.parent)!r}); import protocol as p; out = sys.stdout.buffer;"
        "p.write(out, {'kind': 'ready'}); p.read(sys.stdin.buffer);"
        "p.write(out, {'kind': 'sound', 'id': 1, 'channels': 2, 'frames': 9, 'sample_rate_hz': 32000}, b'1234')"
    )
    client = WorkerClient([sys.executable, "-c", program], log=tmp_path / "worker.log", patience=CALM)
    with pytest.raises(EngineError, match="not as long as it says"):
        client.ask({"task": "magnet"}, listener=Listener())


def test_a_missing_environment_says_to_install(tmp_path: Path) -> None:
    client = WorkerClient([tmp_path / "env/bin/python", WORKER], log=tmp_path / "log", patience=CALM)
    with pytest.raises(ModelMissing, match=r"cannot be started .* install it again"):
        client.ask({"task": "magnet"}, listener=Listener())


def test_audiocrafts_own_plugin_without_audiocraft_says_to_install(tmp_path: Path) -> None:
    """This environment has no audiocraft, so the real plug-in starts, and says what it lacks when it is asked."""
    client = WorkerClient([sys.executable, WORKER], log=tmp_path / "log", patience=CALM)
    with pytest.raises(ModelMissing, match=r"AudioCraft is not whole .*audiocraft.*: install it again"):
        AudioCraftEngine(MODELS[3], client).generate(make_plan(), Sampling(), Listener())
    client.close()


def test_codes_are_decoded_by_diffusion(client: WorkerClient) -> None:
    codes = np.arange(4 * 50, dtype=np.int16).reshape(4, 50) % 2048
    take = diffuse(client, codes, seed=1, listener=Listener())
    assert take.clip.frames == 32_000
    assert np.allclose(take.clip.samples[0, ::640], codes.mean(0) / 4096)
    with pytest.raises(EngineError, match="mono MusicGen takes only"):
        diffuse(client, np.zeros((8, 50), np.int16), seed=1, listener=Listener())


def test_what_audiocraft_cannot_do_is_said_before_it_starts(magnet: AudioCraftEngine, client: WorkerClient) -> None:
    with pytest.raises(EngineError, match="up to 30 s and the plan lasts 31"):
        magnet.generate(make_plan(seconds=31.0), Sampling(), Listener())
    with pytest.raises(EngineError, match="cannot be steered"):
        magnet.generate(make_plan(), Sampling(steering=Steering(chords=True)), Listener())
    assert not client.is_running


@given(st.dictionaries(st.text(), st.integers() | st.text(), max_size=4), st.binary(max_size=200))
def test_what_is_written_is_what_is_read(message: dict[str, object], payload: bytes) -> None:
    message = {**message, "kind": "make"}
    pipe = io.BytesIO()
    protocol.write(pipe, message, payload)
    pipe.seek(0)
    assert protocol.read(pipe) == (message, payload)
    assert protocol.read(pipe) is None


@given(st.binary(min_size=1, max_size=300))
def test_garbage_is_never_a_frame_and_never_another_error(data: bytes) -> None:
    with pytest.raises(protocol.ProtocolError):
        protocol.read(io.BytesIO(data))

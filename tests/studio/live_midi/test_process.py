"""The MIDI process itself: messages leave on time, through a real port where there is one, and a lost port is a sentence."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec

import pytest

from studio.live_midi import messages
from studio.live_midi.client import WorkerClient
from studio.live_midi.live import now
from tests.studio.live_midi.test_player import PARTS, song

P = ParamSpec("P")
LISTENER = Path(__file__).with_name("listener.py")


class Told:
    """What the process says, in order."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def __call__(self, line: dict[str, Any]) -> None:
        self.lines.append(line)

    def last(self, kind: str) -> dict[str, Any]:
        return next(line for line in reversed(self.lines) if line["kind"] == kind)

    def wait(self, kind: str, *, seconds: float = 30.0) -> dict[str, Any]:
        until(lambda: any(line["kind"] == kind for line in self.lines), seconds=seconds)
        return self.last(kind)


def jack_may_drop(test: Callable[P, None]) -> Callable[P, None]:
    """Three tries: JACK without real time drops a period now and then on a busy machine, and what was in it."""

    @functools.wraps(test)
    def tried(*args: P.args, **named: P.kwargs) -> None:
        for _ in range(2):
            with contextlib.suppress(AssertionError):
                return test(*args, **named)
        return test(*args, **named)

    return tried


def until(holds: Callable[[], Any], *, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def client(told: Told) -> Iterator[WorkerClient]:
    client = WorkerClient(told)
    yield client
    client.close()


class Heard:
    """A listening program and what it has heard: (moment, bytes)."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.messages: list[tuple[float, bytes]] = []

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            moment, data = json.loads(line)
            self.messages.append((moment, bytes(data)))

    def of(self, kind: int) -> list[tuple[float, bytes]]:
        return [(moment, data) for moment, data in self.messages if data[0] & 0xF0 == kind]

    @property
    def held(self) -> set[tuple[int, int]]:
        """The keys, (channel, pitch), whose last word was no end."""
        last = {(data[0] & 15, data[1]): data[0] & 0xF0 for _, data in self.messages if data[0] & 0xF0 in (0x80, 0x90)}
        return {key for key, word in last.items() if word == 0x90}


@contextmanager
def listening(port: str) -> Iterator[Heard]:
    import threading

    process = subprocess.Popen(
        [sys.executable, str(LISTENER), port], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == '"ready"\n'
    heard = Heard(process)
    threading.Thread(target=heard.read, daemon=True).start()
    try:
        yield heard
    finally:
        assert process.stdin is not None
        process.stdin.close()  # it takes itself out of the MIDI system then
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def rows(seconds: float = 2.0) -> dict[str, Any]:
    timeline = song(seconds)
    return {
        "presses": [[p.start, p.end, p.part, p.pitch, p.velocity] for p in timeline.presses],
        "pulses": list(timeline.pulses), "first_pulse": 0, "end": timeline.end, "programs": [0, 4, 0],
    }  # fmt: skip


def play(client: WorkerClient, *, seconds: float = 2.0, clock: bool = False, **more: Any) -> float:
    """Load and start in a moment; returns when the first bar is."""
    client.ask("set", clock=clock, programs=False)
    client.ask("score", timeline=rows(seconds), channels=PARTS)
    begins = now() + 0.5
    client.tell(
        "follow", **{"playing": True, "place": 0.0, "when": begins, "rate": 1.0, "exact": True, "began": 0.0, **more}
    )
    return begins


def open_virtual(client: WorkerClient, told: Told) -> None:
    """JACK may not answer at once on a busy machine."""
    for _ in range(5):
        client.ask("open", port="virtual")
        if told.lines[-1]["kind"] == "opened":
            return
        time.sleep(0.5)
    pytest.fail("JACK gave no port")


def test_everything_leaves_the_queue_and_on_time(client: WorkerClient, told: Told) -> None:
    """Without a port the queue's exit is what can be measured; half the messages are within a generous 5 ms."""
    play(client, clock=True)
    told.wait("ended")
    client.ask("timing", all=True)
    timing = told.last("timing")
    presses = rows()["presses"]
    assert timing["sent"] == 2 * len(presses) + 96 + 2  # notes, four quarters a second's pulses, start and stop
    assert timing["median_ms"] < 5.0


def test_a_command_is_obeyed_while_it_waits_for_the_next_note(client: WorkerClient, told: Told) -> None:
    client.ask(
        "score",
        timeline={
            **rows(),
            "presses": [[0.0, 0.1, 0, 60, 90], [3_000.0, 3_001.0, 0, 60, 90]],
            "pulses": [],
            "end": 4_000.0,
        },
        channels={0: 0},
    )
    client.tell("follow", playing=True, place=0.2, when=now(), rate=1.0, exact=True)
    client.ask("panic")  # waits for its answer and not for ever; the next note is due in fifty minutes


def test_nonsense_is_refused_in_a_sentence_and_the_music_goes_on(client: WorkerClient, told: Told) -> None:
    play(client, seconds=2.0)
    client.ask("dance")
    client.ask("follow")
    assert len([line for line in told.lines if line["kind"] == "refused"]) == 2
    told.wait("ended")


@pytest.mark.skipif(Path("/dev/snd/seq").exists(), reason="this machine has an ALSA sequencer")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux can be without a MIDI system")
def test_a_machine_without_a_midi_system_says_what_to_do(
    client: WorkerClient, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MIDO_BACKEND", raising=False)
    client.ask("ports")
    assert not told.last("ports")["virtual"]
    client.ask("open", port="virtual")
    sentence = told.last("refused")["sentence"]
    assert "snd-seq" in sentence and "JACK" in sentence and "browser" in sentence


def test_a_dead_process_is_told_of_and_a_new_one_starts(client: WorkerClient, told: Told) -> None:
    client.ask("ports")
    os.kill(told.last("ready")["pid"], signal.SIGKILL)
    told.wait("died")
    client.ask("ports")
    assert len([line for line in told.lines if line["kind"] == "ready"]) == 2


def test_another_program_hears_the_virtual_port(jack: dict[str, str], client: WorkerClient, told: Told) -> None:
    open_virtual(client, told)
    assert told.last("opened")["port"] == "virtual"
    asked = sorted((PARTS[press[2]], press[3], press[4]) for press in rows()["presses"])
    with listening("MusicGen Studio") as synth:
        for _ in range(3):  # JACK without real time drops a period now and then on a busy machine
            synth.messages.clear()
            told.lines.clear()
            begins = play(client, clock=True)
            told.wait("ended")
            time.sleep(0.3)
            if len(synth.messages) == 2 * len(asked) + 96 + 2:
                break
        ons = [(data[0] & 15, data[1], data[2]) for _, data in synth.of(0x90)]
        assert sorted(ons) == asked
        assert len(synth.of(0x80)) == len(asked)
        pulses = [moment for moment, data in synth.messages if data == messages.CLOCK]
        assert len(pulses) == 96
        late = sorted(moment - begins - n / 48 for n, moment in enumerate(pulses))
        assert abs(late[len(late) // 2]) < 0.2  # JACK's own period is 43 ms; the bound is for a busy machine


@jack_may_drop
def test_a_stop_ends_every_note_in_the_other_program(jack: dict[str, str], client: WorkerClient, told: Told) -> None:
    open_virtual(client, told)
    with listening("MusicGen Studio") as synth:
        play(client, seconds=8.0)
        until(lambda: len(synth.of(0x90)) > 8)
        client.ask("follow", playing=False, place=0.0, when=now(), rate=1.0, exact=True)
        until(lambda: not synth.held)  # the last word on every key is its end
        assert len({(data[0] & 15, data[1]) for _, data in synth.of(0x90)}) > 3
        quiet = len(synth.messages)
        time.sleep(0.3)
        assert len(synth.messages) == quiet


def test_an_unplugged_device_is_a_sentence_and_time_goes_on(
    jack: dict[str, str], client: WorkerClient, told: Told
) -> None:
    with listening("virtual") as synth:
        client.ask("ports")
        device = next(name for name in told.last("ports")["outputs"] if "Test synth" in name)
        client.ask("open", port=device)
        play(client, seconds=8.0)
        until(lambda: len(synth.of(0x90)) > 2)
        synth.process.kill()
        lost = told.wait("lost")
    assert device in lost["sentence"] and "goes on" in lost["sentence"]
    assert not any(line["kind"] in ("ended", "died") for line in told.lines)
    open_virtual(client, told)  # and another port takes over, in the middle of the song
    with listening("MusicGen Studio") as other:
        until(lambda: other.of(0x90))


@jack_may_drop
def test_a_keyboard_is_heard_with_its_moments(jack: dict[str, str], client: WorkerClient, told: Told) -> None:
    told.lines.clear()
    client.ask("listen", port="virtual")
    keyboard = (
        "import mido, time, sys\n"
        "name = next(n for n in mido.get_output_names() if 'MusicGen Studio' in n)\n"
        "port = mido.open_output(name)\ntime.sleep(0.2)\n"
        "for pitch in (60, 64, 67):\n"
        "    port.send(mido.Message('note_on', note=pitch, velocity=80)); time.sleep(0.1)\n"
        "    port.send(mido.Message('note_on', note=pitch, velocity=0)); time.sleep(0.1)\n"
        "import os; os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", keyboard], check=True, timeout=20, capture_output=True)
    until(lambda: sum(line["kind"] == "key" for line in told.lines) == 6)
    keys = [(line["pitch"], line["velocity"]) for line in told.lines if line["kind"] == "key"]
    assert keys == [(60, 80), (60, 0), (64, 80), (64, 0), (67, 80), (67, 0)]
    moments = [line["when"] for line in told.lines if line["kind"] == "key"]
    assert moments == sorted(moments) and moments[-1] - moments[0] == pytest.approx(0.5, abs=0.25)

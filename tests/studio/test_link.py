"""Ableton Link with the other binding of Link as the other program: one tempo, one transport, one bar line."""

from __future__ import annotations

import ast
import contextlib
import signal
import stat
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from studio.clock import BeatClock, ClockError
from studio.link import LinkChoices, LinkError, LinkMissing, LinkSession, NotJoined
from tests.link_room import Peer, Room, until

ROOT = Path(__file__).parents[2]


@pytest.fixture
def session(room: Room, tmp_path: Path) -> Iterator[LinkSession]:
    session = LinkSession(tmp_path / "link", python=lambda: room.python)
    yield session
    session.close()


def clock_of(session: LinkSession) -> BeatClock:
    clock = session.clock
    assert clock is not None
    return clock


def meet(session: LinkSession, peer: Peer) -> None:
    until(lambda: session.state().peers == 1 and peer.told["peers"] == 1, "the two did not meet")


def open_files() -> int:
    """How many this process has open; 0 where that cannot be known."""
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def phase_error_seconds(session: LinkSession, peer: Peer, *, beats_a_bar: float = 4.0) -> float:
    """By how much the two place the bar line apart."""
    clock, now = clock_of(session), time.monotonic()
    apart = (clock.beat_at(now) - peer.beat_at(now)) % beats_a_bar
    return min(apart, beats_a_bar - apart) * 60.0 / clock.tempo_bpm


def test_two_programs_meet_and_part(session: LinkSession, room: Room) -> None:
    assert session.clock is None and not session.state().joined
    assert session.join(tempo_bpm=97.0).joined
    assert clock_of(session).tempo_bpm == pytest.approx(97.0, abs=0.001)
    with room.peer() as peer:
        meet(session, peer)
        session.leave()
        until(lambda: peer.told["peers"] == 0, "the other did not see us leave")
    assert session.clock is None and session.state().peers == 0 and session.state().error == ""


def test_who_comes_to_a_session_takes_its_tempo(session: LinkSession, room: Room) -> None:
    with room.peer(88.0) as peer:
        time.sleep(1.5)  # a session that stands for a while is not moved by who comes
        session.join(tempo_bpm=140.0)
        meet(session, peer)
        until(lambda: abs(clock_of(session).tempo_bpm - 88.0) < 0.01, "the session's tempo did not come")
        assert peer.told["tempo_bpm"] == pytest.approx(88.0, abs=0.001)


def test_tempo_goes_both_ways(session: LinkSession, room: Room) -> None:
    session.join()
    with room.peer() as peer:
        meet(session, peer)
        session.set_tempo(137.5)
        until(lambda: abs(peer.told["tempo_bpm"] - 137.5) < 0.001, "our tempo did not reach the other")
        peer.do(tempo_bpm=61.0)
        until(lambda: abs(clock_of(session).tempo_bpm - 61.0) < 0.001, "the other's tempo did not reach us")


def test_start_and_stop_go_both_ways(session: LinkSession, room: Room) -> None:
    session.join()
    with room.peer() as peer:
        meet(session, peer)
        session.play()
        until(lambda: peer.told["playing"], "our start did not reach the other")
        peer.do(playing=False)
        until(lambda: not clock_of(session).playing, "the other's stop did not reach us")
        peer.do(playing=True)
        until(lambda: clock_of(session).playing, "the other's start did not reach us")
        session.stop()
        until(lambda: not peer.told["playing"], "our stop did not reach the other")


def test_without_sharing_start_and_stop_stay_ours(session: LinkSession, room: Room) -> None:
    session.choose(start_stop=False)
    session.join()
    with room.peer() as peer:
        meet(session, peer)
        peer.do(playing=True)
        session.set_tempo(99.0)  # goes the same way, later: what would have come has come
        until(lambda: abs(peer.told["tempo_bpm"] - 99.0) < 0.001, "our tempo did not reach the other")
        peer.do(tempo_bpm=98.0)
        until(lambda: abs(clock_of(session).tempo_bpm - 98.0) < 0.001, "the other's tempo did not reach us")
        assert not clock_of(session).playing
        session.choose(start_stop=True)
        peer.do(playing=False)
        peer.do(playing=True)
        until(lambda: clock_of(session).playing, "sharing again changed nothing")


@pytest.mark.parametrize("tempo", [60.0, 97.0, 174.0])
def test_the_bar_line_is_the_same_within_3_ms(session: LinkSession, room: Room, tempo: float) -> None:
    session.join(tempo_bpm=tempo)
    with room.peer(tempo) as peer:
        meet(session, peer)
        time.sleep(1.0)  # two clocks agree upon each other over some exchanges
        errors = []
        for _ in range(60):
            time.sleep(0.05)
            errors.append(phase_error_seconds(session, peer))
        assert sorted(errors)[len(errors) // 2] < 0.001
        assert max(errors) < 0.003, f"in {room.where}"


def test_a_start_leaves_the_bar_line_where_the_other_program_has_it(session: LinkSession, room: Room) -> None:
    """Link counts its beats anew at a start; who follows the clock must not be thrown about by that."""
    session.join()
    with room.peer() as peer:
        meet(session, peer)
        time.sleep(1.3)
        before = clock_of(session)
        session.play()
        until(lambda: clock_of(session).playing, "it did not start")
        now = time.monotonic()
        assert clock_of(session).beat_at(now) == pytest.approx(before.beat_at(now), abs=0.01)
        first = session.next_bar_seconds()
        assert 0.0 <= first - now <= 2.0
        there = peer.beat_at(first) / 4.0
        assert abs(there - round(there)) * 2.0 < 0.003


def test_alone_a_start_is_the_start_of_a_bar(session: LinkSession) -> None:
    session.join(tempo_bpm=60.0)
    time.sleep(1.3)
    asked = time.monotonic()
    session.play()
    until(lambda: clock_of(session).playing, "it did not start")
    bar = clock_of(session).beat_at(asked) / 4.0
    assert abs(bar - round(bar)) * 4.0 < 0.1


def test_the_next_bar_is_where_the_other_program_has_one(session: LinkSession, room: Room) -> None:
    session.choose(beats_a_bar=3)
    session.join()
    with room.peer() as peer:
        meet(session, peer)
        time.sleep(1.0)
        ahead = session.next_bar_seconds()
        assert 0.0 <= ahead - time.monotonic() <= 1.5
        bar = clock_of(session).beat_at(ahead) / 3.0
        assert bar == pytest.approx(round(bar), abs=1e-6)


def test_coming_and_going_ten_times_leaves_nothing_behind(session: LinkSession, room: Room) -> None:
    with room.peer() as peer:
        threads, files = threading.active_count(), open_files()
        for _ in range(10):
            session.join()
            meet(session, peer)
            session.leave()
            until(lambda: peer.told["peers"] == 0, "the other still sees us")
        until(lambda: threading.active_count() <= threads, "threads were left behind")
        assert open_files() <= files


def test_a_killed_worker_is_a_sentence_and_one_may_join_again(session: LinkSession, room: Room) -> None:
    session.join()
    version = session.state().version
    assert session._process is not None
    session._process.kill()
    until(lambda: not session.state().joined, "its end was not noticed")
    state = session.changed_since(version, timeout_seconds=1.0)
    assert (
        state.error == "Ableton Link stopped unexpectedly, and the studio is out of the session. Join again to go on."
    )
    with pytest.raises(NotJoined, match="join first"):
        session.set_tempo(100.0)
    assert session.join().error == ""
    with room.peer() as peer:
        meet(session, peer)


@pytest.mark.skipif(sys.platform == "win32", reason="stops a process by a signal")
def test_a_hung_worker_is_let_go(session: LinkSession) -> None:
    session.join()
    process = session._process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    until(lambda: not session.state().joined, "it was waited for without end")
    assert "did not answer" in session.state().error
    assert process.poll() is not None


@pytest.mark.parametrize(
    "says", ["print('not json')", "print('[1]')", "print('{}')", "raise SystemExit(3)", "import aalink_is_not_here"]
)
def test_a_worker_that_talks_nonsense_is_a_sentence(tmp_path: Path, says: str) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{says}"\n')
    python.chmod(python.stat().st_mode | stat.S_IEXEC)
    session = LinkSession(tmp_path / "link", python=lambda: python)
    with pytest.raises(LinkError, match="stopped unexpectedly"):
        session.join()
    assert not session.state().joined


def test_without_link_the_studio_says_how_to_get_it(tmp_path: Path) -> None:
    session = LinkSession(tmp_path / "link", python=lambda: None)
    assert not session.is_available
    with pytest.raises(LinkMissing, match=r"python app\.py install link"):
        session.join()
    assert not session.state().joined
    assert session.leave().error == ""


def test_a_tempo_link_cannot_keep_is_refused_before_it_is_sent(session: LinkSession) -> None:
    session.join(tempo_bpm=120.0)
    for tempo in (19.0, 1_000.0, float("nan")):
        with pytest.raises(ClockError):
            session.set_tempo(tempo)
    assert clock_of(session).tempo_bpm == pytest.approx(120.0, abs=0.001)


def test_choices_are_kept_and_checked(tmp_path: Path) -> None:
    session = LinkSession(tmp_path / "link", python=lambda: None)
    session.choose(follow=False, beats_a_bar=3, latency_ms=12.5)
    with pytest.raises(ValidationError):
        session.choose(latency_ms=9_000.0)
    again = LinkSession(tmp_path / "link", python=lambda: None)
    assert again.state().choices == LinkChoices(follow=False, beats_a_bar=3, latency_ms=12.5)
    (tmp_path / "link" / "choices.json").write_text("{")
    assert LinkSession(tmp_path / "link", python=lambda: None).state().choices == LinkChoices()


def test_the_worker_ends_with_the_studio(session: LinkSession, room: Room, tmp_path: Path) -> None:
    """A studio that is killed leaves no program in the session."""
    import subprocess

    script = (
        "import sys, time; from pathlib import Path; from studio.link import LinkSession\n"
        f"s = LinkSession(Path({str(tmp_path)!r}) / 'other', python=lambda: Path({str(room.python)!r}))\n"
        "s.join(); print('joined', flush=True); time.sleep(60)"
    )
    studio = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with room.peer() as peer, contextlib.ExitStack() as after:
        after.callback(studio.kill)
        assert studio.stdout is not None and studio.stdout.readline().strip() == "joined"
        until(lambda: peer.told["peers"] == 1, "it did not join")
        studio.kill()
        studio.wait()
        until(lambda: peer.told["peers"] == 0, "it is still in the session")


def test_only_the_worker_loads_link_itself() -> None:
    """aalink is GPL: the studio's own process must never import it."""
    loaders = []
    for path in [ROOT / "app.py", *(ROOT / "studio").rglob("*.py"), *(ROOT / "audio").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            loaders += [path.name for name in names if name.split(".")[0] in ("aalink", "link")]
            named_worker = isinstance(node, ast.ImportFrom) and node.module == "studio.link_worker"
            assert not named_worker, path.name
    assert loaders == ["link_worker.py"]

"""`kill -9` in the middle of a take, at random moments: nothing half-made is ever seen, and the next take works."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agents.types import Brief
from audio.io import read_clip
from studio.engines.base import Sampling
from studio.jobs import GenerateRequest
from studio.settings import Settings
from studio.studio import Studio
from tests.engines_for_tests import leftovers

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9 on Windows")

# Makes one take after another for as long as it lives, telling when each begins and when it is kept.
MAKES_TAKES = """
import json, sys
from agents.types import Brief
from studio.engines.base import Sampling
from studio.jobs import GenerateRequest
from studio.settings import Settings
from studio.studio import Studio
studio = Studio(Settings())
for number in range(1000):
    brief = Brief(words=f"slow lo-fi hip hop, rainy, number {number}", seconds=4)
    request = GenerateRequest(brief=brief, sampling=Sampling(seed=number))
    waiting = studio.generate(request), studio.generate(request)
    print(json.dumps({"began": waiting[0].id}), flush=True)
    for view in waiting:
        done = studio.jobs.wait(view.id)
        print(json.dumps({"kept": done.take_id, "error": done.error}), flush=True)
"""


def test_killed_twenty_times_at_random_moments_nothing_half_made_is_seen(data_dir: Path) -> None:
    chance = random.Random(20_261_124)
    promised: set[str] = set()
    caught = {"interrupted": 0, "part folders": 0}
    for _ in range(20):
        promised |= _make_takes_until_killed(
            data_dir, kept_before=chance.choice([0, 0, 1, 2]), wait_seconds=chance.uniform(0.0, 0.8)
        )
        caught["part folders"] += bool(list((data_dir / "takes").glob(".part-*")))
        with Studio(Settings()) as studio:
            assert studio.notices == [], "the history opens as it was"
            assert leftovers(data_dir) == []
            listed = {entry.take.id for entry in studio.takes(limit=10_000).entries}
            assert listed == set(studio.store.list_ids())
            assert promised <= listed, "what was said to be kept is kept"
            for take_id in listed - promised:
                _is_whole(studio, take_id)
            promised |= listed
            interrupted = [view for view in studio.jobs.list() if view.state == "interrupted"]
            caught["interrupted"] += bool(interrupted)
            for view in interrupted:
                assert view.can_run_again and view.words.startswith("slow lo-fi")
                studio.jobs.dismiss(view.id)
    assert caught["interrupted"] >= 15, "the kills did fall into takes"
    assert len(promised) >= 5, "and some takes were kept before them"
    with Studio(Settings()) as studio:
        request = GenerateRequest(brief=Brief(words="slow lo-fi hip hop", seconds=8), sampling=Sampling(seed=1))
        done = studio.jobs.wait(studio.generate(request).id, timeout_seconds=120)
        assert done.state == "done", done.error
        _is_whole(studio, done.take_id or "")


def test_a_take_cut_off_is_run_again_with_one_click(data_dir: Path) -> None:
    _make_takes_until_killed(data_dir, wait_seconds=0.1)
    with Studio(Settings()) as studio:
        cut_off = [view for view in studio.jobs.list() if view.state == "interrupted"]
        assert cut_off
        again = studio.jobs.run_again(cut_off[0].id)
        done = studio.jobs.wait(again.id, timeout_seconds=120)
        assert done.state == "done", done.error
        assert studio.entry(done.take_id or "").take.plan.brief.words == cut_off[0].words


def test_killed_while_a_take_is_being_written_it_is_not_listed(data_dir: Path) -> None:
    process = _maker_of_takes(data_dir)
    deadline = time.monotonic() + 60
    while not (parts := list((data_dir / "takes").glob(".part-*-*[0-9a-f]"))) and time.monotonic() < deadline:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    assert parts and parts[0].exists(), "killed in the middle of writing"
    with Studio(Settings()) as studio:
        assert leftovers(data_dir) == []
        assert studio.takes().total == 0
        assert {view.state for view in studio.jobs.list()} == {"interrupted"}


def _maker_of_takes(data_dir: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", MAKES_TAKES], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
        env={**os.environ, "MUSICGEN_STUDIO_DATA_DIR": str(data_dir)},
    )  # fmt: skip


def _make_takes_until_killed(data_dir: Path, *, wait_seconds: float, kept_before: int = 0) -> set[str]:
    """Start a studio making takes, kill it that long after some were kept; the takes it said it had kept."""
    process = _maker_of_takes(data_dir)
    assert process.stdout is not None
    told = []
    while sum("kept" in line for line in told) < kept_before or not told:
        told.append(process.stdout.readline())
        assert told[-1], "it ended by itself"
    time.sleep(wait_seconds)
    process.send_signal(signal.SIGKILL)
    told += process.communicate(timeout=30)[0].splitlines()
    events = [json.loads(line) for line in told if line.strip().endswith("}")]
    assert not [event for event in events if event.get("error")]
    return {event["kept"] for event in events if "kept" in event}


def _is_whole(studio: Studio, take_id: str) -> None:
    take = studio.store.read(take_id)
    clip = read_clip(studio.store.audio_path(take_id))
    assert take.complete and clip.seconds == take.seconds
    assert take.stems
    for stem in take.stems:
        assert read_clip(studio.store.stem_path(take_id, stem.name)).frames == clip.frames
    assert len(studio.store.peaks(take_id)) == 2_000
    assert studio.store.midi_path(take_id).stat().st_size > 100

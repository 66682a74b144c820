"""What the studio tells a plug-in of its takes, and makes for it."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from audio.beats import steady_beats
from audio.io import read_clip
from studio.daw.facts import music_of, tempo_used
from studio.daw.instances import GONE_AFTER_SECONDS, Instance, Instances, NoSuchInstance, instance_of
from studio.daw.lines import free, freed, read, written
from studio.daw.place import Place
from studio.daw.plug_ins import AskedWrongly
from studio.daw.sounds import PATIENCE_SECONDS, SoundTrouble, TempoSounds, Wanted
from studio.exports import Exports
from studio.settings import Settings
from studio.studio import Studio
from studio.takes import TakeStore
from tests.plugin.known_takes import BARS, RATE_HZ, clicks, keep, plan_of


def wait_for(sounds: TempoSounds, wanted: Wanted, *, asker: str = "me") -> Path:
    for _ in range(300):
        found = sounds.ask(wanted, asker=asker)
        if isinstance(found, Path):
            return found
        time.sleep(0.05)
    raise AssertionError("it was never made")


@pytest.fixture
def kept(tmp_path: Path) -> tuple[TempoSounds, str]:
    take_id = keep(tmp_path, "Clicks", clicks())
    store = TakeStore(tmp_path / "takes", tmp_path / "bin")
    return TempoSounds(Exports(store, tmp_path / "exports"), store.audio_path), take_id


def test_a_sketch_is_known_by_its_plan_and_rings_behind_its_bars(tmp_path: Path) -> None:
    take = TakeStore(tmp_path / "takes", tmp_path / "bin").read(keep(tmp_path, "Clicks", clicks()))
    music = music_of(take, steady_beats(seconds=take.seconds, tempo_bpm=120.0))
    assert music.tempo_bpm == 120.0
    assert music.bars_seconds == pytest.approx((0.0, 2.0, 4.0, 6.0))
    assert music.beats_seconds == pytest.approx(tuple(0.5 * n for n in range(BARS * 4)))
    assert music.end_seconds == pytest.approx(8.0)
    assert music.rings


def test_a_dotted_beat_counts_one_and_a_half_quarters_in_a_daw(tmp_path: Path) -> None:
    from agents.harmony import Meter
    from agents.types import Decided

    take = TakeStore(tmp_path / "takes", tmp_path / "bin").read(keep(tmp_path, "Clicks", clicks()))
    plan = plan_of("A jig", ring_seconds=1.0).model_copy(
        update={"meter": Decided(value=Meter.parse("6/8")), "tempo_bpm": Decided(value=80.0)}
    )
    assert music_of(take.model_copy(update={"plan": plan}), None).tempo_bpm == pytest.approx(120.0)


def test_a_tempo_too_far_away_is_met_in_half_or_double_time() -> None:
    assert tempo_used(120.0, 60.0) == 60.0
    assert tempo_used(120.0, 174.0) == 174.0
    assert tempo_used(80.0, 174.0) == 87.0
    assert tempo_used(170.0, 70.0) == 140.0


def test_a_take_comes_at_the_tempo_and_rate_asked_for_and_is_made_once(kept: tuple[TempoSounds, str]) -> None:
    sounds, take_id = kept
    wanted = Wanted(take_id, 97.0 / 120.0, 44_100)
    path = wait_for(sounds, wanted)
    clip = read_clip(path)
    assert clip.sample_rate_hz == 44_100 and clip.channels == 2
    assert clip.seconds == pytest.approx(9.0 * 120 / 97, abs=0.001)
    beat = 60 / 97.0
    at = int((4 * beat - 0.01) * 44_100)
    onset = at + int(np.flatnonzero(np.abs(clip.samples[0, at : at + 2_000]) > 0.2)[0])
    assert onset / 44_100 == pytest.approx(4 * beat, abs=0.003)
    before = path.stat().st_mtime_ns
    assert sounds.ask(wanted, asker="another") == path
    assert path.read_bytes()[:4] == b"RIFF" and path.stat().st_mtime_ns >= before
    sounds.close()


def test_a_take_at_its_own_tempo_and_rate_is_the_same_sound(kept: tuple[TempoSounds, str]) -> None:
    sounds, take_id = kept
    clip = read_clip(wait_for(sounds, Wanted(take_id, 1.0, RATE_HZ)))
    assert np.abs(clip.samples - clicks().samples).max() < 2e-4  # 16 bits
    sounds.close()


def test_what_nobody_waits_for_any_more_is_not_made(tmp_path: Path) -> None:
    take_id = keep(tmp_path, "Clicks", clicks())
    store = TakeStore(tmp_path / "takes", tmp_path / "bin")
    exports = Exports(store, tmp_path / "exports")
    now = [0.0]
    may_open, opened = threading.Event(), []

    def slow(take: str) -> Path:
        opened.append(take)
        may_open.wait(10)
        return store.audio_path(take)

    sounds = TempoSounds(exports, slow, clock=lambda: now[0])
    first, second, third = (Wanted(take_id, factor, RATE_HZ) for factor in (0.8, 0.9, 1.1))
    sounds.ask(first, asker="a")
    sounds.ask(second, asker="b")
    sounds.ask(third, asker="b")  # b has turned the tempo on: its 0.9 is not wanted any more
    now[0] = PATIENCE_SECONDS + 1
    sounds.ask(third, asker="b")
    may_open.set()  # a has asked for too long ago
    wait_for(sounds, third, asker="b")
    assert exports.kept(take_id, first.name) is None
    assert exports.kept(take_id, second.name) is None
    sounds.close()


def test_a_take_that_cannot_be_read_is_said_and_may_be_asked_for_again(kept: tuple[TempoSounds, str]) -> None:
    sounds, _ = kept
    gone = Wanted("20200101-000000-000000", 1.0, RATE_HZ)
    with pytest.raises(SoundTrouble):
        for _ in range(200):
            sounds.ask(gone, asker="me")
            time.sleep(0.02)
    assert isinstance(sounds.ask(gone, asker="me"), float)
    sounds.close()


def test_a_plug_in_hears_a_wish_until_it_has_obeyed_and_is_gone_when_silent() -> None:
    now = [0.0]
    instances = Instances(clock=lambda: now[0])
    me = Instance("me", program="a host")
    assert instances.greet(me, obeyed="0") is None
    instances.wish("me", take_id="some-take")
    wish = instances.greet(me, obeyed="0")
    assert wish is not None and wish.take_id == "some-take"
    assert instances.greet(me, obeyed="0") == wish
    assert instances.greet(me, obeyed=str(wish.number)) is None
    assert instances.greet(me, obeyed="0") is None
    now[0] = GONE_AFTER_SECONDS + 1
    assert instances.listing() == []
    with pytest.raises(NoSuchInstance):
        instances.wish("me", words="anything")


def test_a_greeting_that_says_nonsense_is_taken_as_it_is() -> None:
    odd = instance_of("x", {"tempo": "nan", "rate": "-7", "program": "p" * 500})
    assert (odd.tempo_bpm, odd.rate_hz, len(odd.program)) == (0.0, 0.0, 80)


def test_lines_carry_any_text() -> None:
    lines = {"title": free("Größe 100 %\nzwei"), "tempo": 97.0, "beats": (0.0, 0.5)}
    back = read(written(lines))
    assert freed(back["title"]) == "Größe 100 %\nzwei"
    assert back["beats"] == "0.000000 0.500000"
    assert read("no-value\n\n lonely\nname value with spaces") == {"name": "value with spaces"}


def test_the_place_is_for_this_users_eyes_only_and_is_withdrawn_by_its_own_studio(tmp_path: Path) -> None:
    first, second = Place(tmp_path / "a" / "plugin.txt"), Place(tmp_path / "a" / "plugin.txt")
    first.announce(address="127.0.0.1", port=7860)
    assert first.path.stat().st_mode & 0o777 == 0o600
    assert first.opens(read(first.path.read_text())["token"])
    assert not first.opens("") and not first.opens(second.token) and not first.opens("ü")
    second.announce(address="127.0.0.1", port=7861)
    first.withdraw()
    assert read(second.path.read_text())["port"] == "7861"
    second.withdraw()
    assert not second.path.exists()
    second.withdraw()


def test_a_new_take_is_so_many_bars_in_the_hosts_tempo_and_key(data_dir: Path) -> None:
    with Studio(Settings()) as studio:
        job = studio.plug_ins.make({"words": free("techno"), "bars": "4", "key": "F# minor", "tempo": "133.000000"})
        for _ in range(400):
            state = studio.plug_ins.job(job.id)
            if state["state"] != "making":
                break
            time.sleep(0.05)
        assert state["state"] == "made"
        take, music = studio.plug_ins.music(state["take"])
        assert (take.plan.bars, take.plan.tempo_bpm.value, str(take.plan.key.value)) == (4, 133.0, "F# minor")
        assert music.end_seconds == pytest.approx(16 * 60 / 133.0, abs=0.001)
        assert studio.plug_ins.takes()[0].id == take.id
        with pytest.raises(AskedWrongly):
            studio.plug_ins.make({"words": "x", "key": "H minor"})
        with pytest.raises(AskedWrongly):
            studio.plug_ins.sound(take.id, tempo_bpm=120.0, rate_hz=7, asker="me")

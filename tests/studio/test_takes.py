"""A take is kept whole or not at all, and never lost."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from audio.io import read_clip
from studio.engines.base import Listener, Rendering, Sampling
from studio.takes import DiskFull, EngineFacts, Take, TakeDamaged, TakeError, TakeMissing, TakeStore, new_take_id
from tests.engines_for_tests import ToneEngine, leftovers, plan_of


@pytest.fixture
def store(tmp_path: Path) -> TakeStore:
    return TakeStore(tmp_path / "takes", tmp_path / "bin")


def rendered(*, seed: int = 0, seconds: float = 4.0, plain: bool = False) -> Rendering:
    return ToneEngine(plain=plain).generate(plan_of(seconds=seconds), Sampling(seed=seed), Listener())


def keep(store: TakeStore, rendering: Rendering | None = None, **more: object) -> Take:
    facts = EngineFacts.of(ToneEngine().capabilities)
    return store.write(rendering or rendered(), plan=plan_of(), sampling=Sampling(seed=7), engine=facts, **more)


def test_everything_of_a_take_comes_back(store: TakeStore) -> None:
    rendering = rendered()
    take = keep(store, rendering, owner="ada", parent="20260101-000000-abcdef", job="j1", request={"engine": "tones"})
    again = TakeStore(store.takes_dir, store.bin_dir)
    assert again.read(take.id) == take
    assert again.list_ids() == [take.id]
    sound = read_clip(again.audio_path(take.id))
    assert np.abs(sound.samples - rendering.clip.samples).max() < 2.0**-22
    assert [stem.name for stem in take.stems] == ["Bass", "Electric piano"]
    parts = sum(read_clip(again.stem_path(take.id, stem.name)).samples for stem in take.stems)
    assert 20 * np.log10(np.abs(parts - sound.samples).max()) < -60, "the parts sum to the mix"
    assert again.midi_path(take.id).read_bytes() == rendering.midi
    with np.load(again.tokens_path(take.id)) as kept:
        assert np.array_equal(kept["tokens"], rendering.tokens)
    peaks = again.peaks(take.id)
    assert len(peaks) == 2_000
    assert max(peaks) == round(float(np.abs(rendering.clip.samples).max()) * 100)
    assert (take.owner, take.engine.licence, take.complete) == ("ada", "CC-BY-NC 4.0", True)
    assert leftovers(store.takes_dir) == []


def test_the_same_sound_is_kept_as_the_same_bytes(store: TakeStore) -> None:
    first, second = keep(store, rendered(seed=3)), keep(store, rendered(seed=3))
    assert store.audio_path(first.id).read_bytes() == store.audio_path(second.id).read_bytes()
    other = keep(store, rendered(seed=4))
    assert store.audio_path(first.id).read_bytes() != store.audio_path(other.id).read_bytes()


def test_a_plain_take_has_no_more_than_its_sound(store: TakeStore) -> None:
    take = keep(store, rendered(plain=True))
    assert (take.stems, take.has_midi, take.has_tokens) == ((), False, False)
    with pytest.raises(TakeMissing):
        store.midi_path(take.id)


def test_identifiers_sort_by_time() -> None:
    moments = [datetime(2026, 11, 24, 15, 30, second, tzinfo=UTC) for second in range(5)]
    ids = [new_take_id(moment) for moment in moments]
    assert ids == sorted(ids)
    assert ids[0].startswith("20261124-153000-")


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../bin",
        "/etc",
        "20261124-153012-ab12cd/..",
        "20261124-153012-AB12CD",
        "20261124-153012-ab12cd\n",
    ],
)
def test_a_name_that_is_no_identifier_finds_nothing(store: TakeStore, name: str) -> None:
    for look in (store.read, store.folder, store.to_bin, store.restore, store.peaks, store.delete_binned):
        with pytest.raises(TakeMissing):
            look(name)


def test_a_link_out_of_the_folder_is_not_followed(store: TakeStore, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (store.takes_dir / "20261124-153012-ab12cd").symlink_to(tmp_path / "secret")
    assert store.list_ids() == []
    with pytest.raises(TakeMissing):
        store.folder("20261124-153012-ab12cd")


def test_the_bin_gives_back_what_it_was_given(store: TakeStore) -> None:
    take = keep(store)
    before = store.audio_path(take.id).read_bytes()
    store.to_bin(take.id)
    assert (store.list_ids(), store.binned_ids()) == ([], [take.id])
    assert store.read(take.id, binned=True) == take
    store.restore(take.id)
    assert store.audio_path(take.id).read_bytes() == before
    store.to_bin(take.id)
    assert store.empty_bin() == [take.id]
    assert list(store.bin_dir.iterdir()) == []


def test_what_a_dead_process_left_is_swept_and_what_a_living_one_writes_is_not(store: TakeStore) -> None:
    dead = store.takes_dir / ".part-20261124-153012-ab12cd"
    dead.mkdir()
    (dead / "audio.flac").write_bytes(b"half")
    with store._part_folder("20261124-153013-ab12cd") as living:
        assert store.list_ids() == []
        assert store.sweep() == [dead.name]
        assert living.is_dir()
    assert leftovers(store.takes_dir) == []


def test_no_room_is_said_before_anything_is_written(store: TakeStore) -> None:
    with pytest.raises(DiskFull, match=r"MB left and this take may need"):
        store.check_room(seconds=600, sample_rate_hz=44_100, channels=2, parts=10**9)


FILLS_THE_DISK = """
import resource, sys
from pathlib import Path
from studio.takes import DiskFull, TakeStore
from tests.studio.test_takes import keep, rendered
store = TakeStore(Path(sys.argv[1]), Path(sys.argv[2]))
first = keep(store)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    keep(store)
except DiskFull as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(sorted(path.name for path in store.takes_dir.iterdir()) == [first.id])
print(keep(store).id in store.list_ids())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no file size limit to set")
@pytest.mark.parametrize("bytes_allowed", [0, 1_000, 20_000])
def test_when_the_disk_refuses_nothing_half_written_stays(tmp_path: Path, bytes_allowed: int) -> None:
    """A real refusal by the system, wherever it strikes: at the first byte, in the middle of the sound."""
    run = subprocess.run(
        [sys.executable, "-c", FILLS_THE_DISK, str(tmp_path / "takes"), str(tmp_path / "bin"), str(bytes_allowed)],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    sentence, clean, works_again = run.stdout.splitlines()
    assert "the disk is full" in sentence
    assert (clean, works_again) == ("True", "True")


def test_a_folder_that_cannot_be_read_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TakeError, match="could not be made"):
        TakeStore(tmp_path / "file" / "takes", tmp_path / "bin")


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b'{"version": 99}', b"\xff\xfe\x00"])
def test_a_damaged_manifest_is_said_and_left_alone(store: TakeStore, content: bytes) -> None:
    take = keep(store)
    path = store.folder(take.id) / "take.json"
    path.write_bytes(content)
    with pytest.raises(TakeDamaged, match=take.id):
        store.read(take.id)
    assert path.read_bytes() == content


def test_a_manifest_of_another_take_is_refused(store: TakeStore) -> None:
    take, other = keep(store), keep(store)
    manifest = json.loads((store.folder(other.id) / "take.json").read_text())
    (store.folder(take.id) / "take.json").write_text(json.dumps(manifest))
    with pytest.raises(TakeDamaged, match="another take"):
        store.read(take.id)

"""The history finds every take again, and builds itself anew from the folders when it is lost."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from studio.engines.base import Listener, Sampling
from studio.history.history import History, HistoryError
from studio.history.schema import MIGRATIONS
from studio.takes import EngineFacts, Take, TakeStore
from tests.engines_for_tests import ToneEngine, plan_of

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> TakeStore:
    return TakeStore(tmp_path / "takes", tmp_path / "bin")


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    history = History(tmp_path / "history.sqlite3")
    yield history
    history.close()


def keep(store: TakeStore, *, minute: int = 0, owner: str = "", job: str = "", **plan: object) -> Take:
    rendering = ToneEngine(plain=True).generate(plan_of(seconds=2.0), Sampling(), Listener())
    return store.write(
        rendering, plan=plan_of(seconds=2.0, **plan), sampling=Sampling(), owner=owner, job=job,
        engine=EngineFacts.of(ToneEngine().capabilities), created_at=NOON + timedelta(minutes=minute),
    )  # fmt: skip


def titles(history: History, words: str = "", **more: object) -> list[str]:
    return [entry.take.title for entry in history.search(words, **more).entries]


def test_takes_are_listed_newest_first_a_page_at_a_time(store: TakeStore, history: History) -> None:
    for minute in (3, 1, 2, 0, 4):
        history.add(keep(store, minute=minute, title=f"Take {minute}"))
    assert titles(history, limit=2) == ["Take 4", "Take 3"]
    assert titles(history, limit=2, offset=4) == ["Take 0"]
    assert history.search(limit=2).total == 5


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("rain", ["Rainy Window"]), ("RAINY wind", ["Rainy Window"]), ("café", ["Café Noir"]), ("cafe noir", ["Café Noir"]),
        ("bossa nova", ["Café Noir"]), ("lofi", ["Rainy Window"]), ("dreamy", ["Café Noir"]), ("vinyl", ["Café Noir", "Rainy Window"]),
        ("tones", ["Café Noir", "Rainy Window"]), ("rainy bossa", []), ("d minor", ["Café Noir"]), ("", ["Café Noir", "Rainy Window"]),
        ("  ", ["Café Noir", "Rainy Window"]), ('" OR 1=1 --', []), ("*", []), ("NEAR(a b)", []), ("title:rain", []),
    ],
)  # fmt: skip
def test_words_find_takes(store: TakeStore, history: History, words: str, found: list[str]) -> None:
    history.add(keep(store, minute=0, title="Rainy Window", words="slow beats for studying"))
    history.add(
        keep(
            store, minute=1, title="Café Noir", words="late night", genre="bossa_nova", moods=("dreamy",), key="D minor"
        )
    )
    assert titles(history, words) == found


def test_an_owner_sees_only_what_that_owner_made(store: TakeStore, history: History) -> None:
    mine, theirs = keep(store, owner="ada", title="Mine"), keep(store, owner="bob", title="Theirs")
    for take in (mine, theirs):
        history.add(take)
    history.note_job("j1", state="interrupted", owner="bob")
    assert titles(history, owner="ada") == ["Mine"]
    assert titles(history, "lofi", owner="ada") == ["Mine"]
    assert history.get(theirs.id, owner="ada") is None
    assert titles(history, owner="") == []
    assert len(titles(history)) == 2
    assert history.jobs(owner="ada") == []


def test_a_binned_take_is_out_of_sight_until_restored(store: TakeStore, history: History) -> None:
    take = keep(store)
    history.add(take)
    history.set_state(take.id, "binned")
    assert titles(history) == []
    assert titles(history, state="binned") == titles(history, "rainy", state=None) == ["Rainy Window"]
    history.forget([take.id])
    assert history.search(state=None).total == history.search("rainy", state=None).total == 0


def test_reconciling_brings_rows_in_step_with_the_folders(store: TakeStore, history: History) -> None:
    known, new, binned, gone, damaged = (
        keep(store, title=name) for name in ("known", "new", "binned", "gone", "damaged")
    )
    history.add(known)
    history.add(gone)
    history.add(binned)
    store.to_bin(binned.id)
    shutil.rmtree(store.folder(gone.id))
    (store.folder(damaged.id) / "take.json").write_text("{")
    found = history.reconcile(store)
    assert (found.added, found.missing, found.unreadable) == ((new.id,), (gone.id,), (damaged.id,))
    states = {entry.take.title: entry.state for entry in history.search(state=None).entries}
    assert states == {"known": "kept", "new": "kept", "binned": "binned", "gone": "missing"}
    assert (store.folder(damaged.id) / "take.json").read_text() == "{", "left as it is"
    again = history.reconcile(store)
    assert (again.added, again.missing) == ((), ())


def test_a_job_cut_off_after_its_take_was_kept_counts_as_done(store: TakeStore, history: History) -> None:
    take = keep(store, job="j1")
    history.note_job("j1", state="writing", request={"engine": "tones"}, title="One", owner="ada")
    history.note_job("j2", state="rendering", request={"engine": "tones"}, title="Two")
    history.note_job("j3", state="failed", error="no")
    assert history.reconcile(store).interrupted == ("j2",)
    jobs = {row.id: row for row in history.jobs()}
    assert (jobs["j1"].state, jobs["j1"].take_id, jobs["j1"].owner) == ("done", take.id, "ada")
    assert (jobs["j2"].state, jobs["j2"].request, jobs["j2"].title) == ("interrupted", {"engine": "tones"}, "Two")
    assert jobs["j3"].state == "failed"


def test_a_history_of_the_first_version_is_brought_up_with_all_it_holds(tmp_path: Path, store: TakeStore) -> None:
    take = keep(store, title="From the First Version", genre="bossa_nova", job="j1")
    path = tmp_path / "old.sqlite3"
    with sqlite3.connect(path) as old:
        for statement in MIGRATIONS[0]:
            old.execute(statement)
        old.execute("PRAGMA user_version = 1")
        old.execute(
            "INSERT INTO takes VALUES (?, '', ?, ?, 'kept', 2.0, 'tones', 1, ?)",
            (take.id, take.created_at.isoformat(), take.title, take.model_dump_json()),
        )
        old.execute("INSERT INTO jobs VALUES ('j1', '', 't', 'writing', '{}', NULL, '', ?, ?)", (NOON.isoformat(),) * 2)
    old.close()
    history = History(path)
    assert titles(history, "first bossa") == ["From the First Version"]
    assert history.reconcile(store).interrupted == ()
    assert history.jobs()[0].take_id == take.id
    assert history.notice == ""
    history.close()
    with sqlite3.connect(path) as now:
        assert now.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)
    now.close()


def test_every_version_leads_to_the_same_tables(tmp_path: Path) -> None:
    def tables(path: Path) -> set[str]:
        with sqlite3.connect(path) as connection:
            found = {row[0] for row in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
        connection.close()
        return found

    History(tmp_path / "fresh.sqlite3").close()
    for version in range(1, len(MIGRATIONS)):
        path = tmp_path / f"from{version}.sqlite3"
        with sqlite3.connect(path) as old:
            for statements in MIGRATIONS[:version]:
                for statement in statements:
                    old.execute(statement)
            old.execute(f"PRAGMA user_version = {version}")
        old.close()
        History(path).close()
        assert tables(path) == tables(tmp_path / "fresh.sqlite3")


def test_a_history_of_a_newer_studio_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite3"
    History(path).close()
    with sqlite3.connect(path) as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    before = path.read_bytes()
    with pytest.raises(HistoryError, match="newer"):
        History(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("damage", ["not a database", "middle", "empty header"])
def test_a_damaged_history_is_set_aside_and_built_again(tmp_path: Path, store: TakeStore, damage: str) -> None:
    path = tmp_path / "history.sqlite3"
    history = History(path)
    takes = [keep(store, minute=minute, title=f"Take {minute}") for minute in range(3)]
    for take in takes:
        history.add(take)
    history.close()
    data = bytearray(path.read_bytes())
    if damage == "not a database":
        data = bytearray(b"this is no database at all" * 100)
    elif damage == "middle":
        data[4_096 : len(data) - 4_096] = b"\xa5" * (len(data) - 8_192)
    else:
        data[:100] = b"\0" * 100
    path.write_bytes(data)
    again = History(path)
    assert "no take is lost" in again.notice
    aside = [each for each in tmp_path.iterdir() if ".damaged-" in each.name]
    assert [each.read_bytes() for each in aside] == [bytes(data)], "renamed, never deleted"
    assert len(again.reconcile(store).added) == 3
    assert titles(again) == ["Take 2", "Take 1", "Take 0"]
    again.close()


def test_many_threads_and_a_second_process_write_side_by_side(tmp_path: Path, store: TakeStore) -> None:
    """Two History objects on one file stand for the page and the command line."""
    take = keep(store)
    two = [History(tmp_path / "history.sqlite3") for _ in range(2)]
    troubles: list[Exception] = []

    def write(number: int) -> None:
        try:
            for each in range(10):
                two[number % 2].add(take.model_copy(update={"id": f"20261124-1200{number:02}-{each:06x}"}))
                two[(number + 1) % 2].search("rainy")
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            troubles.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert troubles == []
    assert two[0].search().total == two[1].search("rainy").total == 60
    for history in two:
        history.close()

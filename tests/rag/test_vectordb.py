"""What a store of vectors promises, on Qdrant Edge and through qdrant-client."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rag.filters import Filters
from rag.vector_server import ServerStore
from rag.vectordb import EdgeStore, Point, Schema, StoreBusy, VectorSpec, VectorStore, VectorStoreError

SCHEMA = Schema({"sound": VectorSpec(8), "windows": VectorSpec(8, many=True)}, {"sound": "signal-test"})


def points(count: int = 40) -> list[Point]:
    noise = np.random.default_rng(3)
    return [
        Point(
            number,
            {
                "sound": noise.normal(size=8).astype(np.float32),
                "windows": noise.normal(size=(3, 8)).astype(np.float32),
            },
            {
                "tempo_bpm": 60.0 + number,
                "key": number % 24,
                "energy": number / count,
                "genre": "jazz" if number % 2 else "rock",
                "moods": ["calm", "warm"] if number % 3 == 0 else [],
                "own": number % 4 == 0,
                "owner": "",
            },
        )
        for number in range(1, count + 1)
    ]


SERVER = os.environ.get("MUSICGEN_STUDIO_TEST_QDRANT_URL", "")


@pytest.fixture(params=["edge", "client", *(["server"] if SERVER else [])])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[VectorStore]:
    """The contract, kept by the embedded engine, by qdrant-client's own (in memory), and by a server when one is named.

    MUSICGEN_STUDIO_TEST_QDRANT_URL names a running Qdrant server.
    """
    from qdrant_client import QdrantClient

    made: VectorStore
    if request.param == "edge":
        made = EdgeStore(tmp_path / "vectors", SCHEMA)
    elif request.param == "client":
        made = ServerStore(":memory:", SCHEMA, client=QdrantClient(":memory:"))
    else:
        made = ServerStore(SERVER, SCHEMA)
        made.clear()
    yield made
    if request.param == "server":
        made.clear()
    made.close()


def test_a_point_is_its_own_nearest_neighbour(store: VectorStore) -> None:
    kept = points()
    store.upsert(kept)
    for point in kept[:10]:
        hit = store.nearest(point.vectors["sound"], using="sound", limit=1)[0]
        assert hit.id == point.id and hit.score == pytest.approx(1.0, abs=2e-3)


def test_one_window_finds_the_piece_it_is_from(store: VectorStore) -> None:
    kept = points()
    store.upsert(kept)
    hit = store.nearest(kept[7].vectors["windows"][1:2], using="windows", limit=1)[0]
    assert hit.id == kept[7].id and hit.score == pytest.approx(1.0, abs=2e-3)


def test_a_search_is_narrowed_by_every_filter(store: VectorStore) -> None:
    kept = points()
    store.upsert(kept)
    query = kept[0].vectors["sound"]

    def found(filters: Filters) -> set[int]:
        hits = {hit.id for hit in store.nearest(query, using="sound", limit=100, filters=filters)}
        assert store.count(filters) == len(hits)
        return hits

    assert found(Filters(tempo_bpm=(70, 75))) == {10, 11, 12, 13, 14, 15}
    assert found(Filters(keys=(3, 5))) == {3, 5, 27, 29}
    assert found(Filters(genres=("jazz",), tempo_bpm=(70, 75))) == {11, 13, 15}
    assert found(Filters(moods=("calm",))) == set(range(3, 41, 3))
    assert found(Filters(own=True)) == set(range(4, 41, 4))
    assert found(Filters(owner="nobody")) == set()
    assert found(Filters(ids=(1, 2, 3), without=(2,))) == {1, 3}


def test_what_is_deleted_or_replaced_is_not_found_again(store: VectorStore) -> None:
    kept = points()
    store.upsert(kept)
    store.delete([1, 2])
    store.upsert([Point(3, kept[3].vectors, {"genre": "folk"})])
    assert store.ids() == set(range(3, 41))
    assert store.count(Filters(genres=("folk",))) == 1
    store.set_payload(4, {"genre": "folk"})
    assert store.count(Filters(genres=("folk",))) == 2
    store.clear()
    assert store.count() == 0


def test_a_vector_of_another_length_is_refused_in_words(store: VectorStore) -> None:
    with pytest.raises(VectorStoreError, match="compared"):
        store.nearest(np.ones(5, np.float32), using="sound")


def test_vectors_outlast_a_closing(tmp_path: Path) -> None:
    first = EdgeStore(tmp_path, SCHEMA)
    first.upsert(points())
    first.close()
    again = EdgeStore(tmp_path, SCHEMA)
    assert again.count() == 40
    again.close()


def test_another_model_is_another_store(tmp_path: Path) -> None:
    other = Schema(SCHEMA.vectors, {"sound": "clap-test"})
    first, second = EdgeStore(tmp_path, SCHEMA), EdgeStore(tmp_path, other)
    first.upsert(points())
    assert second.count() == 0 and first.folder != second.folder
    first.close()
    second.close()


def test_a_second_process_gets_a_sentence(tmp_path: Path) -> None:
    held = EdgeStore(tmp_path, SCHEMA)
    script = (
        "import sys; from pathlib import Path\nfrom tests.rag.test_vectordb import SCHEMA\n"
        "from rag.vectordb import EdgeStore, StoreBusy\n"
        f"try: EdgeStore(Path({str(tmp_path)!r}), SCHEMA)\nexcept StoreBusy as busy: print(busy)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert "Another MusicGen Studio has this library open" in ran.stdout and not ran.stderr
    with pytest.raises(StoreBusy):
        EdgeStore(tmp_path, SCHEMA)
    held.close()


def test_a_damaged_store_is_set_aside_and_begun_anew(tmp_path: Path) -> None:
    first = EdgeStore(tmp_path, SCHEMA)
    first.upsert(points())
    first.close()
    for path in (first.folder / "shard").rglob("*"):
        if path.is_file():
            path.write_bytes(b"ruined")
    again = EdgeStore(tmp_path, SCHEMA)
    assert "set aside" in again.notice and again.count() == 0
    again.close()


def test_a_server_that_does_not_answer_is_named_in_a_sentence() -> None:
    with pytest.raises(VectorStoreError, match="does not answer"):
        ServerStore("http://127.0.0.1:9", SCHEMA)


def test_readers_and_a_writer_do_not_disturb_each_other(tmp_path: Path) -> None:
    store = EdgeStore(tmp_path, SCHEMA)
    kept = points()
    store.upsert(kept)
    troubles: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                assert store.nearest(kept[0].vectors["sound"], using="sound", limit=5)
        except BaseException as error:  # noqa: BLE001 - whatever went wrong in the thread fails the test
            troubles.append(error)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for start in range(100, 1_100, 20):
        store.upsert([Point(start + n, point.vectors, point.payload) for n, point in enumerate(kept[:20])])
    done.set()
    for reader in readers:
        reader.join()
    assert not troubles
    store.close()

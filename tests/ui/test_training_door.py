"""Training is the owner's on this machine: shared, there is no tab, and its routes answer 404 to everybody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.training.dataset import Recipe, build_data_set, sources_in
from studio.ui.build import build_page
from tests.training.data_sets import write_tunes
from tests.ui.studios import Served, served_studio

ROUTES = (
    "/studio/training/sets/tunes/{segment}.flac",
    "/studio/training/runs/lesson/samples/step-000000-0.flac",
    "/studio/training/adapters/mine.zip",
)


@pytest.fixture
def segment(data_dir: Path, tmp_path: Path) -> str:
    """The first segment of a data set, and a run's sample, that lie in the studio's folder."""
    sounds = write_tunes(tmp_path / "music", count=2)
    made = build_data_set(
        sources_in(sounds), Recipe(name="tunes", segment_seconds=3.0), into=data_dir / "training" / "sets"
    )
    samples = data_dir / "training" / "runs" / "lesson" / "samples"
    samples.mkdir(parents=True)
    (samples / "step-000000-0.flac").write_bytes(made.audio_path(made.segments[0]).read_bytes())
    (samples.parent / "config.yaml").write_text("name: lesson\nmodel: m\ndata_set: d\n")
    return made.segments[0].id


@pytest.fixture
def shared(data_dir: Path, segment: str) -> Iterator[Served]:
    with served_studio(data_dir, build=build_page, host="0.0.0.0", auth=("guest:bbbbbbbbbbbb",)) as served:
        yield served


def test_on_this_machine_sound_is_handed_out_and_nothing_beside_it(data_dir: Path, segment: str) -> None:
    with served_studio(data_dir) as served, served.browser() as client:
        for route in ROUTES[:2]:
            reply = client.get(route.format(segment=segment))
            assert reply.status_code == 200 and reply.content[:4] == b"fLaC"
        for wrong in (
            ROUTES[0].format(segment="nobody"), ROUTES[2], "/studio/training/runs/lesson/samples/config.yaml",
            "/studio/training/runs/..%2F..%2Fruns/samples/step-000000-0.flac", "/studio/training/sets/none/a.flac",
        ):  # fmt: skip
            assert client.get(wrong).status_code == 404, wrong


def test_shared_there_is_nothing_for_guest_or_owner(shared: Served, segment: str) -> None:
    for login in (shared.owner, shared.guest):
        with shared.browser(login) as client:
            for route in ROUTES:
                assert client.get(route.format(segment=segment)).status_code == 404
            shown = [part["props"].get("elem_id") or "" for part in client.get("/config").json()["components"]]
            assert "st-generate" in shown and not [name for name in shown if name.startswith("tr-")]

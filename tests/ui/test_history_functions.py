"""Votes, choices, songs, grids and trends, asked by another program; guests judge and see only what is theirs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from gradio_client import Client

from agents.types import Brief
from studio.history.grid import Grid
from studio.jobs import TooManyJobs
from studio.settings import Settings
from studio.studio import Studio
from studio.ui.build import build_page
from tests.ui.studios import Served, owner_of, served_studio


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_studio(tmp_path_factory.mktemp("history-api"), build=build_page) as served:
        yield served


@pytest.fixture(scope="module")
def client(local: Served) -> Client:
    return Client(local.url, verbose=False)


def test_votes_and_choices_are_kept_and_found_again(local: Served, client: Client) -> None:
    one, two = local.take(words="the first").id, local.take(words="the second").id
    assert client.predict(take_id=one, value=1, api_name="/vote") == {"take": one, "vote": 1}
    found = client.predict(words="liked:yes", api_name="/list_takes")
    assert [take["take_id"] for take in found["takes"]] == [one]
    counted = client.predict(takes=[one, two], preferred=two, blind=True, api_name="/prefer")
    assert counted == {one: {"won": 0, "lost": 1}, two: {"won": 1, "lost": 0}}
    songs = client.predict(words="liked:yes", api_name="/songs")
    assert songs["total"] == 1 and songs["songs"][0]["how"] == "first"


def test_a_grid_is_run_and_read_as_a_table(local: Served, client: Client) -> None:
    asked = {"words": "a tone", "engines": ["tone"], "seeds": [1, 2], "seconds": 1.0}
    started = client.predict(**asked, api_name="/run_grid")
    for job in started["jobs"]:
        local.studio.jobs.wait(job, timeout_seconds=20)
    rows = client.predict(name=started["grid"], api_name="/grid")["rows"]
    assert sorted(row["seed"] for row in rows) == ["1", "2"]
    assert client.predict(api_name="/trends")["takes"] >= 2


@pytest.mark.parametrize(
    ("name", "asked", "said"),
    [
        ("/vote", {"take_id": "20200101-000000-aaaaaa", "value": 1}, "no such take"),
        ("/prefer", {"takes": []}, "two or more"),
        ("/songs", {"words": "tempo:fast"}, "a number or a range"),
        ("/run_grid", {"words": "a tone", "engines": ["tone"]}, "2 to 36"),
        ("/run_grid", {"words": "a tone", "engines": []}, "engines"),
        ("/run_grid", {"words": "a tone", "engines": ["tone"], "adapters": ["ours"]}, "no adapter “ours” on the shelf"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(client: Client, name: str, asked: dict[str, object], said: str) -> None:
    with pytest.raises(Exception, match=said):
        client.predict(**asked, api_name=name)


def test_a_guests_grid_is_queued_whole_or_not_at_all(tmp_path: Path) -> None:
    with Studio(Settings(data_dir=tmp_path, jobs_per_guest=3)) as studio:
        grid = Grid(engines=("sketch",), seeds=(1, 2, 3, 4))
        with pytest.raises(TooManyJobs, match="These are 4 takes, and you may have 3 under way at once"):
            studio.ledger.run_grid(studio, grid, Brief(words="techno", seconds=2.0), owner="anna")
        assert studio.jobs.list() == []


def test_a_guest_compares_and_judges_only_its_own(tmp_path: Path) -> None:
    with served_studio(tmp_path, host="0.0.0.0", auth=("anna:a", "ben:b")) as shared:
        anna, ben = shared.serving.logins[1:]
        with shared.browser(anna) as hers, shared.browser(ben) as his:
            mine = [shared.take(owner=owner_of(hers, shared)).id for _ in range(2)]
            asked = {"takes": mine, "preferred": mine[0]}
            assert hers.get("/studio/compare", params={"takes": ",".join(mine)}).status_code == 200
            assert his.get("/studio/compare", params={"takes": ",".join(mine)}).status_code == 404
            assert his.post("/studio/compare/choice", json=asked).status_code == 404
            assert shared.studio.ledger.opinions.all() == []
            assert his.get("/studio/bundle.zip", params={"takes": ",".join(mine)}).status_code == 404
            assert hers.get("/studio/bundle.zip", params={"takes": ",".join(mine)}).content[:2] == b"PK"
            assert hers.get("/studio/bundle.zip", params={"takes": mine[0], "format": "exe"}).status_code == 400
            assert hers.get("/studio/bundle.zip").status_code == 404
            some = hers.get("/studio/bundle.zip", params={"takes": f"{mine[0]},20200101-000000-aaaaaa"})
            assert some.content[:2] == b"PK" and some.headers["X-Left-Out"].startswith("1 of 2 takes is not in the zip")
            many = ",".join(f"20200101-000000-{number:06x}" for number in range(501))
            assert "500" in hers.get("/studio/bundle.zip", params={"takes": many}).json()["detail"]
            assert hers.post("/studio/compare/choice", json=asked).status_code == 200
            assert shared.studio.ledger.standings()[mine[0]].won == 1
            for wrong in ({}, {"takes": mine[:1]}, {**asked, "preferred": "x"}, {**asked, "path": "/etc"}):
                assert hers.post("/studio/compare/choice", json=wrong).status_code == 400
        with httpx.Client(base_url=shared.url, trust_env=False) as stranger:
            assert stranger.get("/studio/compare", params={"takes": mine[0]}).status_code == 401

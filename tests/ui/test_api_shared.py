"""The functions other programs call when the studio is shared: each login sees, stops and exports its own alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import httpx
import pytest
from gradio_client.exceptions import AppError, AuthenticationError

from agents.planner import plan_from_brief
from studio import api
from studio.ui.logins import Login
from tests.ui.api_clients import ask, client_of, page_with_api, with_mcp
from tests.ui.studios import Served, served_studio


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("shared-api")
    with served_studio(
        folder, build=page_with_api, planner=plan_from_brief, host="0.0.0.0", auth=("anna:a", "ben:b"), jobs_per_guest=2
    ) as served:
        yield served


def test_a_guests_program_logs_in_and_sees_its_own_takes_only(shared: Served) -> None:
    owner, anna, ben = shared.serving.logins
    hers, his, its_owners = client_of(shared, anna), client_of(shared, ben), client_of(shared, owner)
    take = ask(hers, "generate", words="hers", seconds=1, wait=True)
    assert [t["take_id"] for t in ask(hers, "list_takes")["takes"]] == [take["take_id"]]
    assert ask(his, "list_takes") == {"total": 0, "takes": []}
    assert ask(its_owners, "list_takes")["total"] == 1
    for name, named in (
        ("status", {"job_id": take["job_id"]}),
        ("cancel", {"job_id": take["job_id"]}),
        ("export", {"take_id": take["take_id"]}),
    ):
        with pytest.raises(AppError, match="no such"):
            ask(his, name, **named)
        assert ask(its_owners, name, **named)
    file = ask(hers, "export", take_id=take["take_id"])
    assert httpx.get(file["url"], trust_env=False).status_code == 401
    assert httpx.get(file["url"], cookies=hers.cookies, trust_env=False).status_code == 200
    assert httpx.get(file["url"], cookies=his.cookies, trust_env=False).status_code == 404


def test_a_guest_has_so_many_takes_under_way(shared: Served) -> None:
    client = client_of(shared, shared.guest)
    shared.engine.hold(after_tenths=0)
    try:
        jobs = [ask(client, "generate", words="one more", seconds=1) for _ in range(2)]
        with pytest.raises(AppError, match="under way"):
            ask(client, "generate", words="one too many", seconds=1)
    finally:
        shared.engine.let_go()
    for job in jobs:
        shared.studio.jobs.wait(job["job_id"], timeout_seconds=10.0)


def test_a_program_without_a_login_gets_nothing(shared: Served) -> None:
    with pytest.raises(AuthenticationError):
        client_of(shared)
    with pytest.raises(AuthenticationError):
        client_of(shared, Login("anna", "wrong"))
    with shared.browser() as stranger:
        for name in api.PUBLIC:
            for path in (f"/gradio_api/call/{name}", f"/gradio_api/call/v2/{name}", f"/gradio_api/run/{name}"):
                assert stranger.post(path, json={"data": []}).status_code == 401


def test_an_assistant_of_a_guest_acts_as_that_guest(shared: Served) -> None:
    tokens = []
    for login in shared.serving.logins[1:]:
        with shared.browser() as client:
            reply = client.post("/login", data={"username": login.name, "password": login.password})
            tokens.append(reply.json()["token"])
    anna, ben = ({"Authorization": f"Bearer {token}"} for token in tokens)
    wish = {"words": "annas waltz", "seconds": 1, "wait": True}
    _, made = asyncio.run(with_mcp(shared.url, anna, [("generate", wish)]))
    take = json.loads(made[0].content[0].text)["take_id"]
    assert shared.studio.store.read(take).owner == "anna"
    _, answers = asyncio.run(
        with_mcp(shared.url, ben, [("list_takes", {"words": "annas"}), ("export", {"take_id": take})])
    )
    assert json.loads(answers[0].content[0].text)["total"] == 0
    assert answers[1].isError and "no such take" in answers[1].content[0].text
    with pytest.raises(BaseExceptionGroup):
        asyncio.run(with_mcp(shared.url, {}, []))


def test_a_guests_refinement_is_that_guests_alone(shared: Served) -> None:
    anna, ben = shared.serving.logins[1:]
    hers, his = client_of(shared, anna), client_of(shared, ben)
    begun = ask(hers, "refine", words="a tone", seconds=2, passes=1, wait=True)
    with pytest.raises(AppError, match="no such refinement"):
        ask(his, "refinement", refinement_id=begun["refinement_id"])
    with pytest.raises(AppError, match="no such take"):
        ask(his, "verdict", take_id=begun["passes"][0]["take"])

"""The shipped page, shared: its own events, sent by hand as a guest's script could, respect whose a take is."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from studio.ui.build import build_page
from tests.ui.studios import Served, served_studio


@pytest.fixture(scope="module")
def real_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The page as it is shipped, shared with two guests."""
    folder = tmp_path_factory.mktemp("real-page")
    with served_studio(folder, build=build_page, host="0.0.0.0", auth=("anna:a", "ben:b")) as served:
        yield served


def press(client: httpx.Client, page: dict[str, Any], elem_id: str, event: dict[str, str]) -> str:
    """Send the page's own event of that element by hand, as a guest's script could; what came back, as text."""
    element = next(c["id"] for c in page["components"] if c["props"].get("elem_id") == elem_id)
    wired = next(d for d in page["dependencies"] if any(target[0] == element for target in d["targets"]))
    session = secrets.token_hex(8)
    values = {c["id"]: c["props"].get("value") for c in page["components"]}
    body = {
        "data": [values.get(each) for each in wired["inputs"]],
        "fn_index": wired["id"],
        "session_hash": session,
        "event_data": event,
    }
    assert client.post("/gradio_api/queue/join", json=body).status_code == 200
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as reply:
        for line in reply.iter_lines():
            if '"process_completed"' in line:
                return line
    raise AssertionError("the page did not answer")


@pytest.mark.parametrize("verb", ["again", "bin", "restore", "edit", "refine", "rerun", "dismiss", "keep"])
def test_the_pages_buttons_do_nothing_to_another_ones_take(real_page: Served, verb: str) -> None:
    anna, ben = real_page.serving.logins[1:]
    with real_page.browser(anna) as hers, real_page.browser(ben) as his:
        take = real_page.take(owner="anna", words="hers and nobody elses")
        jobs = len(real_page.studio.jobs.list())
        target = {"action": verb, "take": take.id, "job": ""}
        if verb in ("rerun", "dismiss", "keep"):
            target = {"action": verb, "take": "", "job": take.job}
        answer = press(his, his.get("/config").json(), "st-bridge", target)
        assert "nobody elses" not in answer
        assert real_page.studio.entry(take.id, owner="anna").state == "kept"
        assert len(real_page.studio.jobs.list()) == jobs
        assert not real_page.studio.refinements.list()
        if verb == "bin":
            press(hers, hers.get("/config").json(), "st-bridge", target)
            assert real_page.studio.entry(take.id, owner="anna").state == "binned"


@pytest.mark.parametrize("verb", ["download", "stop", "delete"])
def test_a_guest_cannot_touch_the_models(real_page: Served, verb: str) -> None:
    with real_page.browser(real_page.guest) as guest:
        answer = press(guest, guest.get("/config").json(), "st-models-list", {"verb": verb, "model": "musicgen-small"})
    assert '"success":false' in answer and "While the studio is shared" in answer
    assert not real_page.studio.downloads.any_running


@pytest.mark.parametrize("verb", ["download", "stop", "delete"])
def test_a_guest_cannot_touch_the_agents_models(real_page: Served, verb: str) -> None:
    with real_page.browser(real_page.guest) as guest:
        answer = press(guest, guest.get("/config").json(), "st-agent-models", {"verb": verb, "model": "qwen2-1.5b"})
    assert '"success":false' in answer and "While the studio is shared" in answer
    assert not real_page.studio.desk.downloads.any_running


@pytest.mark.parametrize("elem_id", ["st-agent-structure", "st-agents-test", "st-agents-test-stop"])
def test_a_guest_neither_chooses_nor_tests_the_agents_models(real_page: Served, elem_id: str) -> None:
    before = real_page.studio.desk.models.choices()
    with real_page.browser(real_page.guest) as guest:
        answer = press(guest, guest.get("/config").json(), elem_id, {})
    assert '"success":false' in answer and "While the studio is shared" in answer
    assert real_page.studio.desk.models.choices() == before

"""Models of one file: the catalogue of language and speech models, their downloads, and the agents that use them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agents.answers import AGENTS, AnswerStopped
from agents.language_model import LanguageModels
from studio.models.agents import DEFAULTS, RECOMMENDED, AgentModels, recommended_for
from studio.models.downloads import Downloads
from studio.models.files import CARDS, FileCard, FileModels
from studio.models.hub import DownloadCancelled, ModelError
from tests.hub_server import Hub, serve
from tests.tiny_gguf import write_gguf
from tests.tiny_whisper import write_whisper

QWEN = next(card for card in CARDS if card.id == "qwen2-1.5b")
BASE = next(card for card in CARDS if card.id == "whisper-base")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository as the hub has it: several precisions beside the one that is wanted, and Whisper's file."""
    folder = tmp_path_factory.mktemp("repository")
    write_gguf(folder / QWEN.filename, name="Qwen2 tiny")
    (folder / "qwen2-1_5b-instruct-fp16.gguf").write_bytes(bytes(300_000))
    (folder / "README.md").write_text("A model card.")
    write_whisper(folder / BASE.filename, says="a waltz")
    return folder


@pytest.fixture
def hub(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 65_536)
    with serve(Hub(QWEN.repo_id, repository)) as served:
        yield served


def small(card: FileCard, folder: Path) -> FileCard:
    """The card with the size and hash of the file that stands for it here."""
    content = (folder / card.filename).read_bytes()
    sha256 = hashlib.sha256(content).hexdigest() if card.kind == "speech" else ""
    return replace(card, size_bytes=len(content), sha256=sha256)


@pytest.fixture
def files(hub: Hub, repository: Path, data_dir: Path) -> FileModels:
    cards = tuple(small(card, repository) if card in (QWEN, BASE) else card for card in CARDS)
    return FileModels(data_dir / "models", cards=cards, endpoint=hub.url, speech_address=f"{hub.url}/cdn")


def test_the_catalogue_knows_each_defaults_file_size_and_licence() -> None:
    known = {card.id: card for card in CARDS}
    assert set(DEFAULTS) == set(AGENTS)
    assert {one for chosen in RECOMMENDED.values() for one in chosen.values()} <= set(known)
    phi = known["phi-3-mini"]
    assert (phi.repo_id, phi.filename) == ("microsoft/Phi-3-mini-4k-instruct-gguf", "Phi-3-mini-4k-instruct-q4.gguf")
    assert phi.size_bytes == 2_393_231_072 and phi.licence == "MIT"
    for card in CARDS:
        assert card.size_bytes > 5e7 and card.memory_bytes > card.size_bytes and card.licence
        assert bool(card.repo_id) == (card.kind == "language") and bool(card.sha256) == (card.kind == "speech")


def test_each_recommended_set_leaves_half_of_its_machine_to_the_music() -> None:
    known = {card.id: card for card in CARDS}
    for gigabytes, chosen in RECOMMENDED.items():
        assert set(chosen) == set(AGENTS)
        assert max(known[one].memory_bytes for one in chosen.values()) < gigabytes * 1e9 / 2
    assert [recommended_for(size) for size in (4, 8, 15.6, 16, 31, 64)] == [8, 8, 16, 16, 32, 32]


def test_only_the_wanted_file_is_fetched_and_then_it_is_whole(files: FileModels, hub: Hub) -> None:
    seen: list[tuple[int, int]] = []
    status = files.download(QWEN.id, progress=lambda done, total: seen.append((done, total)))
    assert status.state == "present" and status.path.name == QWEN.filename
    assert hub.names() == {QWEN.filename}
    assert seen[-1] == (status.bytes_on_disk, status.bytes_on_disk)
    assert files.path(QWEN.id) == status.path
    assert not (status.path.parent.parent / ".downloads" / QWEN.id).exists()


def test_a_broken_download_goes_on_where_it_stopped(files: FileModels, hub: Hub) -> None:
    seen = [0]
    with pytest.raises(DownloadCancelled):
        files.download(QWEN.id, progress=lambda done, total: seen.append(done), cancelled=lambda: seen[-1] > 120_000)
    kept = files.status(QWEN.id)
    assert kept.state == "partial" and kept.bytes_on_disk >= 60_000
    hub.status = 503
    with pytest.raises(ModelError, match="503"):
        files.download(QWEN.id)
    hub.status = 200
    assert files.download(QWEN.id).state == "present"
    assert hub.ranges(QWEN.filename)[-1] not in (None, "bytes=0-")


def test_whisper_comes_from_its_own_address_and_is_checked_by_its_hash(files: FileModels, hub: Hub) -> None:
    assert files.download(BASE.id).state == "present"
    files.delete(BASE.id)
    assert files.status(BASE.id).state == "absent"
    hub.spoil = True
    with pytest.raises(ModelError, match="damaged"):
        files.download(BASE.id)
    assert files.status(BASE.id).state == "absent" or files.status(BASE.id).bytes_on_disk < 1_000


def test_a_download_can_be_stopped_and_its_page_left(files: FileModels, hub: Hub) -> None:
    with pytest.raises(DownloadCancelled):
        files.download(QWEN.id, cancelled=lambda: True)
    downloads = Downloads(files)
    downloads.start(QWEN.id)
    for thread in downloads._threads:
        thread.join(20)
    assert downloads.views()[QWEN.id].state == "done"
    assert files.status(QWEN.id).state == "present"


def test_what_arrives_and_is_no_model_is_thrown_away(
    repository: Path, data_dir: Path, tmp_path: Path, hub: Hub
) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / QWEN.filename).write_bytes(bytes(150_000))
    hub.folder = folder
    files = FileModels(data_dir / "models", cards=(QWEN,), endpoint=hub.url)
    with pytest.raises(ModelError, match="not a GGUF"):
        files.download(QWEN.id)
    assert files.status(QWEN.id).state == "absent"


def test_any_gguf_on_this_machine_can_be_listed_and_taken_off_again(data_dir: Path, tmp_path: Path) -> None:
    files = FileModels(data_dir / "models")
    mine = write_gguf(tmp_path / "my own.gguf")
    card = files.add_local(mine)
    assert files.add_local(mine) == card and card.is_local
    assert FileModels(data_dir / "models").path(card.id) == mine
    mine.rename(tmp_path / "moved.gguf")
    with pytest.raises(ModelError, match="no longer"):
        files.path(card.id)
    files.delete(card.id)
    assert (tmp_path / "moved.gguf").exists()
    with pytest.raises(ModelError, match="There is no model"):
        files.card(card.id)
    (tmp_path / "text.gguf").write_text("no model")
    with pytest.raises(ModelError, match="not a GGUF"):
        files.add_local(tmp_path / "text.gguf")


@pytest.fixture
def agent_models(data_dir: Path) -> Iterator[AgentModels]:
    room = LanguageModels(threads=1, context_tokens=8_192)
    yield AgentModels(FileModels(data_dir / "models"), room, choices_path=data_dir / "agents.json")
    room.unload()


def test_an_agent_without_its_model_answers_by_rules_and_says_what_to_download(agent_models: AgentModels) -> None:
    assert agent_models.choices() == DEFAULTS
    assert agent_models.language_model("structure") is None
    assert "Phi-3 mini (3.8B) is not on this machine yet: download it (2.4 GB)" in agent_models.why_not("structure")
    agent_models.choose("structure", "")
    assert "No language model is chosen" in agent_models.why_not("structure")


def test_a_choice_outlives_the_studio_and_nonsense_is_refused(
    agent_models: AgentModels, data_dir: Path, tmp_path: Path
) -> None:
    card = agent_models.files.add_local(write_gguf(tmp_path / "mine.gguf"))
    agent_models.choose("prompt", card.id)
    again = AgentModels(FileModels(data_dir / "models"), LanguageModels(), choices_path=data_dir / "agents.json")
    model = again.language_model("prompt")
    assert model is not None and model.path == tmp_path / "mine.gguf" and again.why_not("prompt") == ""
    with pytest.raises(ModelError, match="hears speech"):
        agent_models.choose("prompt", "whisper-base")
    with pytest.raises(ModelError, match="There is no model"):
        agent_models.choose("prompt", "gpt-17")
    with pytest.raises(ModelError, match="There is no agent"):
        agent_models.choose("singer", "")  # type: ignore[arg-type]
    (data_dir / "agents.json").write_text("{broken")
    assert again.choices() == DEFAULTS
    assert agent_models.choose_recommended(8) == RECOMMENDED[8] == again.choices()


def test_the_self_test_asks_each_agent_and_tells_seconds_and_validity(
    agent_models: AgentModels, tmp_path: Path
) -> None:
    card = agent_models.files.add_local(write_gguf(tmp_path / "mine.gguf"))
    for agent in ("prompt", "style"):
        agent_models.choose(agent, card.id)
    results = {one.agent: one for one in agent_models.self_test()}
    assert set(results) == set(AGENTS)
    for agent in ("prompt", "style"):
        assert results[agent].valid and results[agent].seconds > 0 and results[agent].tokens > 5
    assert not results["structure"].valid and "download it" in results["structure"].sentence
    with pytest.raises(AnswerStopped):
        agent_models.self_test(cancelled=lambda: True)


def test_a_model_that_goes_bad_between_two_answers_is_said_so(agent_models: AgentModels, tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "mine.gguf")
    card = agent_models.files.add_local(path)
    agent_models.choose("prompt", card.id)
    path.write_bytes(path.read_bytes()[:50_000])
    assert agent_models.language_model("prompt") is None
    assert "cut short" in agent_models.why_not("prompt")
    shutil.move(path, tmp_path / "away.gguf")
    assert "no longer" in agent_models.why_not("prompt")


@pytest.mark.weights
def test_real_defaults_pass_their_self_test(tmp_path: Path) -> None:
    """Needs a network and 4 GB; every agent must answer by its own model, in form."""
    files = FileModels(tmp_path / "models")
    agents = AgentModels(files, LanguageModels(), choices_path=tmp_path / "agents.json")
    for model_id in set(DEFAULTS.values()):
        files.download(model_id)
    assert all(one.valid for one in agents.self_test()), agents.self_test()

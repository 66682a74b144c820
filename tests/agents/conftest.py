"""Small language models for the agents' tests, written once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.language_model import LanguageModels
from tests.tiny_gguf import write_gguf


@pytest.fixture(scope="session")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole, random language model with a chat template."""
    return write_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf", name="Tiny")


@pytest.fixture(scope="session")
def slow_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One large enough that reading a long prompt takes seconds."""
    return write_gguf(tmp_path_factory.mktemp("gguf") / "slow.gguf", name="Slow", width=384, layers=6)


@pytest.fixture
def models() -> Iterator[LanguageModels]:
    """Room for models, on one thread, given back after each test."""
    room = LanguageModels(threads=1, context_tokens=8_192)
    yield room
    room.unload()

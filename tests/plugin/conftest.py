"""The plug-in, built; and a studio that really runs, with takes whose sound is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.plugin.built import Built, build
from tests.plugin.known_takes import clicks, keep, tone
from tests.running import RunningStudio, running_studio


@pytest.fixture(scope="session")
def built() -> Built:
    """The plug-in in its three formats, and the programs that test it."""
    return build()


@dataclass(frozen=True)
class KnownStudio:
    """A running studio, where its plug-ins find it, and its takes: the clicks are the newest."""

    running: RunningStudio
    data_dir: Path
    tone: str
    clicks: str

    @property
    def plugin_file(self) -> Path:
        return self.data_dir / "plugin.txt"

    def place(self) -> dict[str, str]:
        return dict(line.split(" ", 1) for line in self.plugin_file.read_text().splitlines())


@pytest.fixture(scope="session")
def studio(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KnownStudio]:
    data_dir = tmp_path_factory.mktemp("studio")
    ids = [keep(data_dir, "A tone", tone()), keep(data_dir, "Clicks", clicks(), second=1)]
    with running_studio(data_dir, timeout_seconds=180) as running:
        yield KnownStudio(running, data_dir, *ids)


@pytest.fixture
def found(studio: KnownStudio, monkeypatch: pytest.MonkeyPatch) -> KnownStudio:
    """The running studio, found by plug-ins in this process."""
    monkeypatch.setenv("MUSICGEN_STUDIO_PLUGIN_FILE", str(studio.plugin_file))
    return studio

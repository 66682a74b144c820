"""What became of everything: opinions, deeds, trends, defaults, trees, grids, storage and the archive, in one place.

One object over the history and the takes' folder, for the page and the public functions. Knows nothing of pages.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agents.types import Brief
from audio.io import read_clip
from studio.engines.base import Sampling
from studio.history import archive as archives
from studio.history import storage
from studio.history.deeds import Deeds
from studio.history.defaults import Defaults, MovedDefault
from studio.history.grid import PREFIX, Grid, Row, requests, table
from studio.history.history import History, HistoryError
from studio.history.lineage import Node, trees
from studio.history.opinions import Opinions, Standing
from studio.history.trends import Trends, judged_takes, trends
from studio.jobs import JobView
from studio.settings import Settings
from studio.takes import Take, TakeError, TakeStore

if TYPE_CHECKING:
    from studio.studio import Studio

_KNOWN_LEVELS = 2_000


class Ledger:
    """The ledger of one data folder. notices: what was found odd at opening."""

    def __init__(self, settings: Settings, history: History, store: TakeStore) -> None:
        self._settings, self._history, self._store = settings, history, store
        archives.sweep(settings.data_dir)
        self.opinions = Opinions(history, settings.data_dir / "opinions.jsonl")
        self.deeds = Deeds(history, settings.data_dir / "deeds.jsonl")
        self.defaults = Defaults(settings.data_dir / "defaults.json")
        self._rules_path = settings.data_dir / "retention.json"
        self._levels: dict[str, float] = {}
        self._lock = threading.Lock()
        self.notices = [self.opinions.notice] if self.opinions.notice else []
        self.tidied = ""  # what the user's rules moved at this opening, as a sentence

    # ------------------------------------------------------------------------------------------- judging

    def standings(self, *, owner: str | None = None) -> dict[str, Standing]:
        """What is thought of each take."""
        return self.opinions.standings(owner=owner)

    def trends(self, *, owner: str | None = "") -> Trends:
        """What this owner's takes say about what is liked. Raises HistoryError."""
        kept = self._takes(owner, "kept")
        binned = self._takes(owner, "binned")
        return trends(judged_takes(kept, binned, standings=self.standings(owner=owner), exported=self.deeds.exported()))

    def learn(self) -> dict[str, MovedDefault]:
        """Let the defaults of the studio's own user move to what is liked; returns what moved now."""
        return self.defaults.learn(self.trends(owner=""))

    def levels(self, takes: Sequence[Take]) -> dict[str, float]:
        """The gain in dB, 0 or less, at which each take is as loud as the quietest of them (ITU-R BS.1770).

        A silent take gets 0. Raises TakeError for one that cannot be read.
        """
        loudness = {take.id: self._loudness(take) for take in takes}
        heard = [lufs for lufs in loudness.values() if lufs > -70.0]
        quietest = min(heard, default=0.0)
        return {take_id: quietest - lufs if lufs > -70.0 else 0.0 for take_id, lufs in loudness.items()}

    def _loudness(self, take: Take) -> float:
        with self._lock:
            known = self._levels.get(take.id)
        if known is None:
            from audio.loudness import integrated_lufs

            known = integrated_lufs(read_clip(self._store.audio_path(take.id)))
            with self._lock:
                if len(self._levels) >= _KNOWN_LEVELS:
                    self._levels.clear()
                self._levels[take.id] = known
        return known

    # -------------------------------------------------------------------------------------------- telling

    def trees(
        self, words: str = "", *, owner: str | None = "", limit: int = 20, offset: int = 0
    ) -> tuple[list[Node], int]:
        """Songs as trees, the one touched last first, and how many there are. Raises HistoryError, QueryError."""
        return trees(self._history, self.deeds, words=words, owner=owner, limit=limit, offset=offset)

    def days(self, *, owner: str | None = "") -> dict[str, int]:
        """How many takes were made on each day (UTC), oldest first."""
        return self._history.days(owner=owner)

    # -------------------------------------------------------------------------------------------- grids

    def run_grid(
        self, studio: Studio, grid: Grid, brief: Brief, *, sampling: Sampling | None = None, owner: str = ""
    ) -> tuple[str, list[JobView]]:
        """Queue a grid's cells, all or none; returns its series and jobs.

        Raises GridError, EngineError for an adapter that is not on the shelf, and as `Studio.generate`.
        """
        for use in (use for worn in grid.adapters for use in worn):
            studio.school.shelf.adapter(use.name)
        series, cells = requests(
            grid, brief, planner=studio.planner, sampling=sampling,
            samples=lambda engine: studio.capabilities(engine).uses_sampling,
        )  # fmt: skip
        studio.check_room(len(cells), owner=owner)
        return series, [studio.generate(cell, owner=owner) for cell in cells]

    def grid(
        self,
        series: str,
        *,
        owner: str | None = "",
        scores: Callable[[Iterable[str]], Mapping[str, float | None]] | None = None,
    ) -> list[Row]:
        """The finished cells of a grid as rows, the best liked first. scores: asks the judge's marks by take."""
        takes = [entry.take for entry in self._history.search(f"series:{series}", owner=owner, limit=200).entries]
        marks = scores(take.id for take in takes) if scores else {}
        return table(takes, standings=self.standings(owner=owner), scores=marks)

    def grids(self, *, owner: str | None = "", limit: int = 20) -> list[tuple[str, Take]]:
        """The latest grids by their series, each with one of its takes."""
        return self._history.series(PREFIX, owner=owner, limit=limit)

    # ------------------------------------------------------------------------------------------- keeping

    def usage(self) -> list[storage.Room]:
        """What lies where on the disk."""
        return storage.usage(self._settings)

    @property
    def rules(self) -> storage.Retention:
        return storage.read_rules(self._rules_path)

    def keep_rules(self, rules: storage.Retention) -> None:
        """Keep the rules for giving room back. Raises OSError."""
        storage.write_rules(self._rules_path, rules)

    def tidy(self) -> tuple[list[str], list[str]]:
        """Do what the rules say; returns the takes put into the bin and those deleted for good."""
        rules = self.rules
        if rules == storage.Retention():
            return [], []
        standings, exported = self.standings(), self.deeds.exported()
        return storage.apply_rules(
            rules, store=self._store, history=self._history,
            spared=lambda take: take.id in exported or bool(standings.get(take.id, Standing()).liked),
        )  # fmt: skip

    def tidy_at_opening(self) -> str:
        """Do what the rules that the user kept say; returns a sentence on what went, "" when nothing did or none are kept.

        A take that cannot be moved is a sentence too: opening goes on.
        """
        try:
            binned, deleted = self.tidy()
        except (OSError, TakeError, HistoryError) as trouble:
            self.tidied = f"The rules under History, Storage could not be followed: {trouble}"
            return self.tidied
        parts = [_counted(binned, "went into the bin"), _counted(deleted, "left the bin for good")]
        said = " and ".join(part for part in parts if part)
        self.tidied = f"Your rules (History, Storage) were followed at opening: {said}." if said else ""
        return self.tidied

    def archive(
        self,
        path: Path,
        *,
        progress: Callable[[float], None] = lambda fraction: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Path:
        """The whole studio in one zip, models left out. Raises ArchiveError."""
        return archives.archive(self._settings, path, progress=progress, cancelled=cancelled)

    def bring_back(self, path: Path, *, progress: Callable[[float], None] = lambda fraction: None) -> archives.Brought:
        """Add what an archive holds; nothing here changes. Raises ArchiveError."""
        brought = archives.bring_back(self._settings, path, progress=progress)
        self._history.reconcile(self._store, settle_jobs=False)
        self.opinions.merge(brought.opinions)
        self.deeds.merge(brought.deeds)
        self.defaults.reread()
        return brought

    def _takes(self, owner: str | None, state: str) -> list[Take]:
        found = self._history.search(owner=owner, state=state, limit=100_000)  # type: ignore[arg-type]
        return [entry.take for entry in found.entries]


def _counted(take_ids: Sequence[str], what: str) -> str:
    return f"{len(take_ids)} take{'s' if len(take_ids) != 1 else ''} {what}" if take_ids else ""

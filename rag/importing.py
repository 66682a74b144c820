"""Importing music: folders are scanned, what is new or changed is listened to, what moved or went is noted.

Each track is committed on its own and the vectors of a batch are flushed together, so that a stop or a crash at any
moment loses at most the tracks under way; importing the same folders again goes on from there and hears nothing
twice. The library says what is known, this says what is done about it. Knows nothing of jobs or pages.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Protocol

import numpy as np

from audio.work import WorkCancelled
from rag.embeddings import Embedder, EmbeddingError
from rag.features import ANALYSIS
from rag.index import Index
from rag.listening import Listened, alone_on_one_thread, hash_of, listen, listen_here
from rag.scanning import Found, Scan, overlaps
from rag.tracks import Track

_FLUSH_TRACKS, _FLUSH_SECONDS = 64, 10.0
_CRASHED = "Reading it crashed the decoder; it is damaged. Fetch or export it again."


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is. total: files to be heard, known once the scan is over; seconds_left: None before a rate is."""

    stage: str
    done: int
    total: int
    broken: int
    tracks_a_minute: float
    seconds_left: float | None
    now: str = ""


@dataclass(slots=True)
class Report:
    """What an import came to. broken: (path, why). unreadable: sentences about folders. cancelled: stopped half-way."""

    added: int = 0
    changed: int = 0
    moved: int = 0
    unchanged: int = 0
    gone: int = 0
    broken: list[tuple[str, str]] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    cancelled: bool = False
    seconds: float = 0.0


class Labeller(Protocol):
    """Says what a track is: fills genre, moods, who said so, and the description it is found by."""

    def label(self, track: Track, sound: np.ndarray | None) -> Track:
        """sound: the track's vector by the embedder in use, when it knows words."""
        ...


class Importer:
    """Brings files into a library and its index.

    workers: processes that listen, 0 for one a processor. few: so many files are heard in this process, which is quicker
    than starting others. leave_out: folders never imported from.
    """

    def __init__(
        self, index: Index, labeller: Labeller, *, workers: int = 0, few: int = 3, leave_out: Sequence[Path] = ()
    ) -> None:
        self.index, self.tracks, self.labeller = index, index.tracks, labeller
        self.workers = workers or max(1, os.cpu_count() or 1)
        self.few, self.leave_out = few, tuple(leave_out)

    def run(
        self,
        places: Sequence[Path],
        *,
        progress: Callable[[Progress], None] = lambda _: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Report:
        """Import folders and files. Raises LibraryError or VectorStoreError; what was done until then is kept."""
        started = time.monotonic()
        report = Report()
        progress(Progress("scanning", 0, 0, 0, 0.0, None))
        self.finish()
        todo, missing = self._plan(places, report, cancelled)
        todo = self._follow_moves(todo, missing, report, cancelled)
        if not cancelled():
            self._let_go(missing, report)
        progress(Progress("listening", 0, len(todo), 0, 0.0, None))
        self._hear(todo, report, progress, cancelled)
        report.cancelled = cancelled()
        report.seconds = time.monotonic() - started
        return report

    def finish(self) -> int:
        """Make up for what a crash left between the library and its index; returns how many points were written."""
        self._add_words(self.tracks.without_vector(self.index.words.identity, "words"))
        return self.index.reconcile()[0]

    def add_known(self, track: Track, *, later: bool = False) -> Track:
        """Import one file of which more is known than it says itself (a take of the studio's own), in this process.

        later: leave the index to the next `finish`, which needs the model that reads words. Raises OSError for a file
        that is not there.
        """
        known = self.tracks.by_path(track.path)
        if known is not None:
            track = replace(track, id=known.id, added_at=known.added_at)
        stat = Path(track.path).stat()
        kept = self._keep(replace(track, size=stat.st_size, mtime_ns=stat.st_mtime_ns), listen(track.path))
        if not later:
            self._flush([kept.id])
        return kept

    def rebuild(
        self, progress: Callable[[Progress], None] = lambda _: None, cancelled: Callable[[], bool] = lambda: False
    ) -> Report:
        """Make the index anew out of the library, without hearing a file again."""
        started = time.monotonic()
        pace = _Pace()
        self._add_words(self.tracks.without_vector(self.index.words.identity, "words"))
        written = self.index.rebuild(
            progress=lambda done, total: progress(pace.at("rebuilding", done, total, 0, "")), cancelled=cancelled
        )
        return Report(changed=written, cancelled=cancelled(), seconds=time.monotonic() - started)

    def hear_again(
        self,
        *,
        progress: Callable[[Progress], None] = lambda _: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> int:
        """Have the index's embedder hear every track it does not know yet, after a change of model; returns how many."""
        ids = self.index.unheard()
        pace, broken, done = _Pace(), 0, 0
        for start in range(0, len(ids), _FLUSH_TRACKS):
            some = self.tracks.many(ids[start : start + _FLUSH_TRACKS])
            for track in some.values():
                if cancelled():
                    break
                progress(pace.at("listening", done, len(ids), broken, Path(track.path).name))
                try:
                    made = self.index.sound.embed(Path(track.path))
                except (EmbeddingError, OSError, ValueError) as error:
                    broken += 1
                    self.tracks.update(track.id, reason=f"The model could not hear it: {error}")
                    continue
                self.tracks.add_vectors(track.id, {(self.index.sound.identity, "sound"): made.whole})
                self.tracks.update(
                    track.id, **_labels(self.labeller.label(track, _heard_by(self.index.sound, made.whole)))
                )
                done += 1
            self._flush(list(some))
            if cancelled():
                break
        return done

    # ---------------------------------------------------------------------------------------------- planning

    def _plan(
        self, places: Sequence[Path], report: Report, cancelled: Callable[[], bool]
    ) -> tuple[list[Found], dict[str, int]]:
        """What must be heard, and the tracks whose files were not met: (found files, id by path)."""
        scan = Scan()
        roots = [str(place.expanduser().absolute()) for place in places]
        known = {
            path: row for root in roots for path, row in self.tracks.known_files(root).items() if overlaps(path, root)
        }
        stale = set(self.tracks.heard_otherwise(ANALYSIS))
        todo: list[Found] = []
        met: set[str] = set()
        for found in scan.walk(places, leave_out=self.leave_out, cancelled=cancelled):
            met.add(found.path)
            row = known.get(found.path)
            if row is None or row[1:3] != (found.size, found.mtime_ns) or row[0] in stale:
                todo.append(found)
                continue
            report.unchanged += 1
            if row[3] == "gone":
                self.tracks.update(row[0], state="present")
                self.index.put([row[0]])
        report.unreadable = scan.unreadable
        missing = {
            path: row[0]
            for path, row in known.items()
            if path not in met and not any(overlaps(path, closed) for closed in scan.closed)
        }
        return todo, missing

    def _follow_moves(
        self, todo: list[Found], missing: dict[str, int], report: Report, cancelled: Callable[[], bool]
    ) -> list[Found]:
        """Give files that only moved their track back, told by size and then by the hash of their bytes."""
        homeless: dict[int, list[Track]] = {}
        for lost in self.tracks.many({*missing.values(), *self.tracks.ids(state="gone")}).values():
            homeless.setdefault(lost.size, []).append(lost)
        left: list[Found] = []
        for found in todo:
            track: Track | None = None
            if found.size in homeless and self.tracks.by_path(found.path) is None and not cancelled():
                track = _same_bytes(found, homeless[found.size])
            if track is None:
                left.append(found)
                continue
            homeless[found.size].remove(track)
            missing.pop(track.path, None)
            self.tracks.update(track.id, path=found.path, mtime_ns=found.mtime_ns, state="present", reason="")
            self.index.put([track.id])
            report.moved += 1
        return left

    def _let_go(self, missing: dict[str, int], report: Report) -> None:
        """Mark what is not there any more as gone; takes in the studio's bin and the like keep their analysis."""
        present = [each for each, track in self.tracks.many(missing.values()).items() if track.state != "gone"]
        self.tracks.mark_gone(present)
        self.index.store.delete(present)
        report.gone = len(present)

    # ---------------------------------------------------------------------------------------------- listening

    def _hear(
        self,
        todo: list[Found],
        report: Report,
        progress: Callable[[Progress], None],
        cancelled: Callable[[], bool],
    ) -> None:
        pace, last = _Pace(), time.monotonic()
        waiting: list[int] = []
        for done, (found, listened) in enumerate(self._listened(todo, cancelled), 1):
            before = self.tracks.by_path(found.path)
            track = replace(
                before or Track(found.path), size=found.size, mtime_ns=found.mtime_ns, state="present", reason=""
            )
            kept = self._keep(track, listened)
            if kept.state == "broken":
                report.broken.append((found.path, kept.reason))
            elif before is None or before.state == "broken":
                report.added += 1
            elif listened.same:
                report.unchanged += 1
            else:
                report.changed += 1
            waiting.append(kept.id)
            if len(waiting) >= _FLUSH_TRACKS or time.monotonic() - last > _FLUSH_SECONDS:
                self._flush(waiting)
                waiting, last = [], time.monotonic()
            progress(pace.at("listening", done, len(todo), len(report.broken), Path(found.path).name))
        self._flush(waiting)

    def _keep(self, track: Track, listened: Listened) -> Track:
        """One commit: the track with all that was heard in it."""
        if listened.same:
            return self.tracks.add(track)
        track = replace(track, hash=listened.hash, heard_by=ANALYSIS)
        if listened.trouble:
            return self.tracks.add(replace(track, state="broken", reason=listened.trouble, features=None))
        tags = listened.tags
        track = replace(
            track, seconds=listened.seconds, sample_rate_hz=listened.sample_rate_hz, channels=listened.channels,
            features=listened.features, title=track.title if track.take_id else tags.title,
            artist=track.artist if track.take_id else tags.artist, album=tags.album or track.album,
            year=tags.year or track.year, genre_tags=tags.genres or track.genre_tags,
        )  # fmt: skip
        assert listened.sound is not None and listened.windows is not None
        identity, sound = listened.signal_identity, listened.sound
        vectors = {(identity, "sound"): sound, (identity, "windows"): listened.windows}
        if self.index.sound.identity != identity:
            try:
                sound = self.index.sound.embed(Path(track.path)).whole
                vectors[self.index.sound.identity, "sound"] = sound
            except (EmbeddingError, OSError, ValueError) as error:
                track = replace(track, reason=f"The model could not hear it: {error}")
        track = self.labeller.label(track, _heard_by(self.index.sound, sound))
        return self.tracks.add(track, vectors=vectors, fingerprint=listened.fingerprint)

    def _flush(self, ids: list[int]) -> None:
        self._add_words(ids)
        self.index.put(ids)

    def _add_words(self, ids: Iterable[int]) -> None:
        described = [track for track in self.tracks.many(ids).values() if track.description]
        for track, row in zip(described, self.index.words.embed([each.description for each in described]), strict=True):
            self.tracks.add_vectors(track.id, {(self.index.words.identity, "words"): row})

    def _listened(self, todo: list[Found], cancelled: Callable[[], bool]) -> Iterator[tuple[Found, Listened]]:
        """Each file with what came of it, as they are done."""
        known = {found.path: self._hash_known(found.path) for found in todo}
        if len(todo) <= self.few:
            for found in todo:
                if cancelled():
                    return
                try:
                    yield found, listen(found.path, known[found.path], cancelled)
                except WorkCancelled:
                    return
            return
        left = list(reversed(todo))
        while left and not cancelled():
            crashed: list[Found] = []
            stop = get_context("spawn").Event()
            with _processes(min(self.workers, len(left)), stop) as pool:
                yield from _in_processes(pool, left, known, crashed, 3 * self.workers, cancelled, stop)
            for found in crashed:  # one of these crashed its process: each alone tells which
                with _processes(1, stop) as pool:
                    try:
                        yield found, pool.submit(listen_here, found.path, known[found.path]).result()
                    except WorkCancelled:
                        return
                    except BrokenProcessPool:
                        yield found, Listened(found.path, trouble=_CRASHED)

    def _hash_known(self, path: str) -> str:
        track = self.tracks.by_path(path)
        return track.hash if track is not None and track.heard_by == ANALYSIS and track.features else ""


def _in_processes(
    pool: ProcessPoolExecutor,
    left: list[Found],
    known: dict[str, str],
    crashed: list[Found],
    most: int,
    cancelled: Callable[[], bool],
    stop: Event,
) -> Iterator[tuple[Found, Listened]]:
    """Takes files off `left` until it is empty, it is cancelled or a process crashes, which fills `crashed`."""
    running: dict[Future[Listened], Found] = {}
    while (left and not cancelled() and not crashed) or running:
        while left and len(running) < most and not cancelled() and not crashed:
            found = left.pop()
            try:
                running[pool.submit(listen_here, found.path, known[found.path])] = found
            except BrokenProcessPool:
                crashed.append(found)
        finished, _ = wait(running, timeout=0.5, return_when=FIRST_COMPLETED)
        for future in finished:
            found = running.pop(future)
            try:
                yield found, future.result()
            except BrokenProcessPool:
                crashed.append(found)
            except WorkCancelled:
                pass
        if cancelled():
            stop.set()
            for future in list(running):
                if future.cancel():
                    running.pop(future)


def _processes(count: int, stop: Event) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        count, mp_context=get_context("spawn"), initializer=alone_on_one_thread, initargs=(stop,)
    )


def _same_bytes(found: Found, tracks: list[Track]) -> Track | None:
    try:
        digest = hash_of(Path(found.path))
    except OSError:
        return None
    return next((track for track in tracks if track.hash == digest and not Path(track.path).exists()), None)


def _heard_by(embedder: Embedder, sound: np.ndarray) -> np.ndarray | None:
    return sound if embedder.hears_words else None


def _labels(track: Track) -> dict[str, object]:
    return {name: getattr(track, name) for name in ("genre", "genre_by", "moods", "moods_by", "description")}


class _Pace:
    """Tracks a minute, since the first, and the time left at that rate."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def at(self, stage: str, done: int, total: int, broken: int, now: str) -> Progress:
        passed = time.monotonic() - self._started
        rate = done / passed if done and passed > 0 else 0.0
        left = (total - done) / rate if rate and done >= 3 else None
        return Progress(stage, done, total, broken, rate * 60, left, now)

"""Where vectors are kept and searched: Qdrant's engine in this process, or a Qdrant server, behind one interface.

A store holds points: a track's id, its named vectors, and a payload that searches are narrowed by. It is an index, not
the truth: the library (`rag.tracks`) can fill it anew. Each store belongs to one `Schema`, whose identity names the
models behind the vectors, so that vectors of different models never meet.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from rag.filters import EVERYTHING, Filters

_SCHEMA_FILE = "studio-schema.json"
# The engine writes into mapped files, and on a full disk the system ends a process that does (SIGBUS): nothing is begun
# with less than this free. Opening touches some pages, writing a batch more, a new store 22 MB.
_ROOM_TO_OPEN, _ROOM_TO_WRITE = 32_000_000, 64_000_000
_FULL = (
    "The disk is full: the vectors could not be kept. What was imported is safe; free some space, and the same goes on."
)
INDEXED = {
    "tempo_bpm": "float", "energy": "float", "seconds": "float", "year": "integer", "key": "integer",
    "genre": "keyword", "moods": "keyword", "own": "integer", "owner": "keyword",
}  # fmt: skip


class VectorStoreError(Exception):
    """The vectors cannot be kept or searched; the message is a sentence for the user."""


class StoreBusy(VectorStoreError):
    """Another process has this store open."""


class DiskFull(VectorStoreError):
    """There is no room for vectors; nothing was written."""


@dataclass(frozen=True, slots=True)
class VectorSpec:
    """One named vector. many: a point has several of them, and the nearest pairs are summed (max-sim)."""

    dimensions: int
    many: bool = False


@dataclass(frozen=True, slots=True)
class Schema:
    """What a store holds. models: who makes each vector, by its name; a change of one is another store."""

    vectors: Mapping[str, VectorSpec]
    models: Mapping[str, str]

    @property
    def identity(self) -> str:
        """A name for exactly these models and shapes, safe in paths: "sound-clap-htsat-1a2b3c4d5e"."""
        said = json.dumps(self.as_dict(), sort_keys=True)
        spoken = re.sub(r"[^a-z0-9]+", "-", self.models.get("sound", "").lower()).strip("-")[:40]
        return f"{spoken or 'vectors'}-{hashlib.sha256(said.encode()).hexdigest()[:10]}"

    def as_dict(self) -> dict[str, Any]:
        shapes = {name: [spec.dimensions, spec.many] for name, spec in self.vectors.items()}
        return {"vectors": shapes, "models": dict(self.models)}


@dataclass(frozen=True, slots=True)
class Point:
    """A track as it is kept. vectors: (dimensions,), or (n, dimensions) where there are many."""

    id: int
    vectors: Mapping[str, np.ndarray]
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hit:
    """A point that was found. score: cosine, 1 for the same direction (a mean over the query's vectors where many)."""

    id: int
    score: float


class VectorStore(Protocol):
    """What both back ends do. Each method raises VectorStoreError with a sentence; all are safe under threads."""

    schema: Schema

    def upsert(self, points: Sequence[Point]) -> None:
        """Put points in, each whole; one that is there is replaced. On the disk when it returns."""
        ...

    def set_payload(self, point_id: int, payload: Mapping[str, Any]) -> None:
        """Change some of a point's payload."""
        ...

    def delete(self, ids: Iterable[int]) -> None: ...

    def nearest(
        self, vector: np.ndarray, *, using: str, limit: int = 10, filters: Filters = EVERYTHING, exact: bool = False
    ) -> list[Hit]:
        """The points nearest by a named vector, best first. exact: without an index's shortcuts."""
        ...

    def vectors(self, ids: Sequence[int], *, using: str) -> dict[int, np.ndarray]:
        """A named vector of these points, as it is kept (cosine vectors at length 1)."""
        ...

    def count(self, filters: Filters = EVERYTHING) -> int: ...

    def ids(self) -> set[int]:
        """Every point's id."""
        ...

    def clear(self) -> None:
        """Drop every point."""
        ...

    def close(self) -> None: ...


class EdgeStore:
    """Qdrant Edge: the engine in this process, one folder a schema under `folder`.

    Raises StoreBusy when another process has it, DiskFull without room. A folder that cannot be opened is set aside and begun anew; `notice`
    then says so, and the library fills it again.
    """

    def __init__(self, folder: Path, schema: Schema) -> None:
        self.schema = schema
        self.notice = ""
        self.folder = folder / schema.identity
        self._writing = threading.Lock()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise VectorStoreError(f"The folder for vectors cannot be made: {error.strerror or error}.") from error
        try:
            self._shard = self._open()
        except (StoreBusy, DiskFull):
            raise
        except VectorStoreError:
            self._set_aside()
            self._shard = self._open()

    def upsert(self, points: Sequence[Point]) -> None:
        import qdrant_edge as edge

        if not points:
            return
        rows = [
            edge.Point(point.id, {name: v.tolist() for name, v in point.vectors.items()}, plain_payload(point.payload))
            for point in points
        ]
        self._update(edge.UpdateOperation.upsert_points(rows))

    def set_payload(self, point_id: int, payload: Mapping[str, Any]) -> None:
        import qdrant_edge as edge

        self._update(edge.UpdateOperation.set_payload([point_id], plain_payload(payload)))

    def delete(self, ids: Iterable[int]) -> None:
        import qdrant_edge as edge

        chosen: list[Any] = list(ids)
        if chosen:
            self._update(edge.UpdateOperation.delete_points(chosen))

    def nearest(
        self, vector: np.ndarray, *, using: str, limit: int = 10, filters: Filters = EVERYTHING, exact: bool = False
    ) -> list[Hit]:
        import qdrant_edge as edge

        request = edge.QueryRequest(
            limit=limit, query=edge.Query.Nearest(queried(vector, self.schema.vectors[using]), using=using),
            filter=_edge_filter(filters), with_payload=False, with_vector=False,
            params=edge.SearchParams(exact=exact),
        )  # fmt: skip
        share = len(np.atleast_2d(vector)) if self.schema.vectors[using].many else 1
        return [Hit(int(found.id), float(found.score) / share) for found in self._ask(lambda s: s.query(request))]

    def vectors(self, ids: Sequence[int], *, using: str) -> dict[int, np.ndarray]:
        found = self._ask(lambda shard: shard.retrieve(list(ids), with_payload=False, with_vector=[using]))
        return {int(row.id): np.asarray(row.vector[using], np.float32) for row in found if row.vector}

    def count(self, filters: Filters = EVERYTHING) -> int:
        import qdrant_edge as edge

        return int(self._ask(lambda shard: shard.count(edge.CountRequest(exact=True, filter=_edge_filter(filters)))))

    def ids(self) -> set[int]:
        import qdrant_edge as edge

        found: set[int] = set()
        after = None
        while True:
            request = edge.ScrollRequest(limit=5_000, offset=after, with_payload=False, with_vector=False)
            rows, after = self._ask(lambda shard, request=request: shard.scroll(request))
            found.update(int(row.id) for row in rows)
            if after is None:
                return found

    def clear(self) -> None:
        with self._writing:
            self._shard.close()
            shutil.rmtree(self.folder, ignore_errors=True)
            self._shard = self._open()

    def optimise(self) -> None:
        """Build the search graph; worth its minutes from some 100,000 points on."""
        self._ask(lambda shard: shard.optimize())

    def close(self) -> None:
        with self._writing:
            self._shard.close()

    # ---------------------------------------------------------------------------------------------- the rest

    def _open(self) -> Any:
        import qdrant_edge as edge

        said = self.folder / _SCHEMA_FILE
        self._need(_ROOM_TO_OPEN if said.exists() else _ROOM_TO_WRITE)
        try:
            if said.exists():
                return edge.EdgeShard.load(str(self.folder / "shard"))
            shutil.rmtree(self.folder / "shard", ignore_errors=True)
            (self.folder / "shard").mkdir(parents=True, exist_ok=True)
            shard = edge.EdgeShard.create(str(self.folder / "shard"), _edge_config(self.schema))
            for name, kind in INDEXED.items():
                shard.update(edge.UpdateOperation.create_field_index(name, _edge_kind(kind)))
            shard.flush()
            said.write_text(json.dumps(self.schema.as_dict(), indent=1))
        except Exception as error:
            raise _in_words(error) from error
        return shard

    def _set_aside(self) -> None:
        number = 1
        while (kept := self.folder.with_name(f"{self.folder.name}.damaged-{number}")).exists():
            number += 1
        self.folder.replace(kept)
        self.folder.mkdir()
        self.notice = (
            f"The vectors' index was damaged and set aside as {kept.name}; it is built again from the library."
        )

    def _need(self, least_bytes: int) -> None:
        if shutil.disk_usage(self.folder.parent).free < least_bytes:
            raise DiskFull(_FULL)

    def _update(self, operation: Any) -> None:
        with self._writing:
            self._need(_ROOM_TO_WRITE)
            try:
                self._shard.update(operation)
                self._shard.flush()
            except Exception as error:
                raise _in_words(error) from error

    def _ask(self, question: Any) -> Any:
        try:
            return question(self._shard)
        except Exception as error:
            raise _in_words(error) from error


def plain_payload(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The payload with truths as 0 and 1: the embedded engine matches no booleans."""
    return {name: int(value) if isinstance(value, bool) else value for name, value in payload.items()}


def _in_words(error: Exception) -> VectorStoreError:
    text = str(error)
    if "WouldBlock" in text:
        return StoreBusy(
            "Another MusicGen Studio has this library open. Close it first, or give this one another --data-dir."
        )
    if "No space" in text or "os error 28" in text:
        return DiskFull(_FULL)
    return VectorStoreError(f"The vectors' index could not be used ({text[:200]}). “library rebuild” makes it anew.")


def queried(vector: np.ndarray, spec: VectorSpec) -> list[Any]:
    rows = np.atleast_2d(np.asarray(vector, np.float32))
    if rows.shape[1] != spec.dimensions:
        raise VectorStoreError(f"A vector of {rows.shape[1]} numbers was compared with ones of {spec.dimensions}.")
    return rows.tolist() if spec.many else rows[0].tolist()


def _edge_config(schema: Schema) -> Any:
    """Half floats, as the library keeps them: a search reads half as much and finds the same."""
    import qdrant_edge as edge

    many = edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim)
    return edge.EdgeConfig(
        vectors={
            name: edge.EdgeVectorParams(
                size=spec.dimensions,
                distance=edge.Distance.Cosine,
                multivector_config=many if spec.many else None,
                datatype=edge.VectorStorageDatatype.Float16,
            )
            for name, spec in schema.vectors.items()
        }
    )


def _edge_kind(kind: str) -> Any:
    import qdrant_edge as edge

    kinds = edge.PayloadSchemaType
    return {"float": kinds.Float, "integer": kinds.Integer, "keyword": kinds.Keyword}[kind]


def _edge_filter(filters: Filters) -> Any:
    import qdrant_edge as edge

    must: list[Any] = [
        edge.FieldCondition(key=name, range=edge.RangeFloat(gte=least, lte=most))
        for name, (least, most) in filters.spans().items()
    ]
    must += [
        edge.FieldCondition(key=name, match=edge.MatchAny(list(chosen)))  # type: ignore[arg-type]
        for name, chosen in (("key", filters.keys), ("genre", filters.genres), ("moods", filters.moods))
        if chosen
    ]
    if filters.own is not None:
        must.append(edge.FieldCondition(key="own", match=edge.MatchValue(int(filters.own))))
    if filters.owner is not None:
        must.append(edge.FieldCondition(key="owner", match=edge.MatchValue(filters.owner)))
    if filters.ids:
        must.append(edge.HasIdCondition(set(filters.ids)))
    never: list[Any] = [edge.HasIdCondition(set(filters.without))] if filters.without else []
    return edge.Filter(must=must or None, must_not=never or None) if must or never else None

"""The vectors on a Qdrant server, through qdrant-client: for libraries that outgrow one machine, or share one index.

One collection a schema, named after its identity. Keeps the contract of `rag.vectordb.VectorStore`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np

from rag.filters import EVERYTHING, Filters
from rag.vectordb import INDEXED, Hit, Point, Schema, VectorStoreError, plain_payload, queried

_T = TypeVar("_T")
_AT_ONCE = 200
_SECONDS = 30


class ServerStore:
    """A collection on the server at `url` ("http://127.0.0.1:6333"), made when absent.

    client: an open qdrant_client.QdrantClient, to be used instead of connecting. Raises VectorStoreError when the server
    does not answer, or holds a collection of that name and another shape.
    """

    def __init__(self, url: str, schema: Schema, *, api_key: str | None = None, client: Any = None) -> None:
        from qdrant_client import QdrantClient

        self.schema, self.url = schema, url
        self.collection = schema.identity
        self._client = client or QdrantClient(url=url, api_key=api_key, timeout=_SECONDS, check_compatibility=False)
        self._ask(self._prepare)

    def upsert(self, points: Sequence[Point]) -> None:
        from qdrant_client import QdrantClient, models

        for start in range(0, len(points), _AT_ONCE):
            rows = [
                models.PointStruct(
                    id=point.id, vector={name: v.tolist() for name, v in point.vectors.items()},
                    payload=plain_payload(point.payload),
                )
                for point in points[start : start + _AT_ONCE]
            ]  # fmt: skip
            self._ask(partial(QdrantClient.upsert, collection_name=self.collection, points=rows, wait=True))

    def set_payload(self, point_id: int, payload: Mapping[str, Any]) -> None:
        self._ask(lambda c: c.set_payload(self.collection, plain_payload(payload), points=[point_id], wait=True))

    def delete(self, ids: Iterable[int]) -> None:
        chosen = list(ids)
        if chosen:
            self._ask(lambda c: c.delete(self.collection, chosen, wait=True))

    def nearest(
        self, vector: np.ndarray, *, using: str, limit: int = 10, filters: Filters = EVERYTHING, exact: bool = False
    ) -> list[Hit]:
        from qdrant_client import models

        spec = self.schema.vectors[using]
        asked = queried(vector, spec)
        found = self._ask(
            lambda c: c.query_points(
                self.collection, query=asked, using=using, limit=limit, query_filter=_filter(filters),
                with_payload=False, search_params=models.SearchParams(exact=exact),
            )
        )  # fmt: skip
        share = len(np.atleast_2d(vector)) if spec.many else 1
        return [Hit(int(point.id), float(point.score) / share) for point in found.points]

    def vectors(self, ids: Sequence[int], *, using: str) -> dict[int, np.ndarray]:
        found = self._ask(lambda c: c.retrieve(self.collection, list(ids), with_payload=False, with_vectors=[using]))
        return {int(row.id): np.asarray(row.vector[using], np.float32) for row in found if row.vector}

    def count(self, filters: Filters = EVERYTHING) -> int:
        return int(self._ask(lambda c: c.count(self.collection, count_filter=_filter(filters), exact=True)).count)

    def ids(self) -> set[int]:
        from qdrant_client import QdrantClient

        found: set[int] = set()
        after: Any = None
        while True:
            page = partial(QdrantClient.scroll, collection_name=self.collection, limit=5_000, offset=after)
            rows, after = self._ask(partial(page, with_payload=False, with_vectors=False))
            found.update(int(row.id) for row in rows)
            if after is None:
                return found

    def clear(self) -> None:
        self._ask(lambda c: c.delete_collection(self.collection))
        self._ask(self._prepare)

    def close(self) -> None:
        self._client.close()

    # ---------------------------------------------------------------------------------------------- the rest

    def _prepare(self, client: Any) -> None:
        if client.collection_exists(self.collection):
            self._check_shape(client)
            return
        client.create_collection(self.collection, vectors_config=_shape(self.schema))
        with warnings.catch_warnings():  # qdrant-client's own store in memory says that it needs no indexes
            warnings.simplefilter("ignore", UserWarning)
            for name, kind in INDEXED.items():
                client.create_payload_index(self.collection, name, field_schema=kind, wait=True)

    def _check_shape(self, client: Any) -> None:
        there = client.get_collection(self.collection).config.params.vectors
        if {name: params.size for name, params in there.items()} != {
            name: spec.dimensions for name, spec in self.schema.vectors.items()
        }:
            raise VectorStoreError(
                f"The server's collection {self.collection} was not made by this studio. Rename or delete it there."
            )

    def _ask(self, question: Callable[[Any], _T]) -> _T:
        import httpx
        from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

        try:
            return question(self._client)
        except (ResponseHandlingException, httpx.HTTPError, OSError) as error:
            raise VectorStoreError(
                f"The Qdrant server at {self.url} does not answer ({error}). Start it, or clear the setting "
                "library_qdrant_url to keep the vectors here."
            ) from error
        except (UnexpectedResponse, ValueError) as error:
            raise VectorStoreError(f"The Qdrant server at {self.url} refused: {str(error)[:200]}") from error


def _shape(schema: Schema) -> dict[str, Any]:
    from qdrant_client import models

    many = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)
    return {
        name: models.VectorParams(
            size=spec.dimensions,
            distance=models.Distance.COSINE,
            multivector_config=many if spec.many else None,
            datatype=models.Datatype.FLOAT16,
        )
        for name, spec in schema.vectors.items()
    }


def _filter(filters: Filters) -> Any:
    from qdrant_client import models

    must: list[Any] = [
        models.FieldCondition(key=name, range=models.Range(gte=least, lte=most))
        for name, (least, most) in filters.spans().items()
    ]
    must += [
        models.FieldCondition(key=name, match=models.MatchAny(any=list(chosen)))
        for name, chosen in (("key", filters.keys), ("genre", filters.genres), ("moods", filters.moods))
        if chosen
    ]
    if filters.own is not None:
        must.append(models.FieldCondition(key="own", match=models.MatchValue(value=int(filters.own))))
    if filters.owner is not None:
        must.append(models.FieldCondition(key="owner", match=models.MatchValue(value=filters.owner)))
    if filters.ids:
        must.append(models.HasIdCondition(has_id=list(filters.ids)))
    never = [models.HasIdCondition(has_id=list(filters.without))] if filters.without else None
    return models.Filter(must=must or None, must_not=never) if must or never else None

"""Styles in a library: groups of tracks that sound alike, what sets each apart, and a map of them all in two dimensions.

Groups by HDBSCAN (Campello, Moulavi and Sander 2013) on the embeddings' principal components; the map by UMAP (McInnes,
Healy and Melville 2018), for small sets by the first two components. Both are drawn with a fixed seed: the same vectors
give the same map. A group is named by what is more frequent or further off in it than in the whole library, with the
figures. Knows nothing of pages or of how the vectors were made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from rag.tracks import Track

MAX_MAPPED = 4_000  # tracks on the map: more is no picture; the others join the group they are nearest to
FEWEST_FOR_UMAP = 60
FEWEST = 6
_COMPONENTS = 12
_SEED = 7

# What a group can be called for a measure that is higher or lower in it: (figure, lower, higher, said of its middle and
# the library's).
_MEASURES = (
    ("energy", "calm", "energetic", "Energy {:.2f}, against {:.2f} in the whole library."),
    ("tempo_bpm", "slow", "fast", "Tempo {:.0f} bpm, against {:.0f} in the whole library."),
    ("brightness_hz", "dark", "bright", "Brightness {:.0f} Hz, against {:.0f} in the whole library."),
    ("danceability", "free-floating", "danceable", "Danceability {:.2f}, against {:.2f} in the whole library."),
    ("loudness_range_lu", "even", "dynamic", "Loudness range {:.1f} LU, against {:.1f} in the whole library."),
)
_OFTEN = 0.2  # of a group's tracks: what is rarer in it names nothing
_FAR = 0.6  # of a standard deviation: a lesser difference names nothing
_NONE = -1


@dataclass(frozen=True, slots=True)
class Cluster:
    """One style. number: from 0, the largest first. because: what sets it apart, in sentences with figures.

    tracks: their identifiers, the most typical first. tempo_bpm, energy: the middle of its tracks, None when not known.
    """

    number: int
    name: str
    because: tuple[str, ...]
    tracks: tuple[int, ...]
    tempo_bpm: float | None = None
    energy: float | None = None
    genres: tuple[str, ...] = ()
    moods: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Map:
    """places: by track, x and y from -1 to 1. cluster_of: by track, the cluster's number or -1 for none of them.

    drawn_by: "umap" or "pca". left_out: how many tracks of a large library are not drawn.
    """

    clusters: tuple[Cluster, ...]
    places: dict[int, tuple[float, float]]
    cluster_of: dict[int, int]
    drawn_by: str
    left_out: int = 0


def map_of(tracks: Sequence[Track], vectors: np.ndarray) -> Map:
    """Groups and places of tracks by their embeddings, (tracks, dimensions), rows in the tracks' order.

    Fewer than FEWEST tracks are drawn without groups. Takes seconds for hundreds of tracks, up to a minute for
    MAX_MAPPED.
    """
    if len(tracks) != len(vectors):
        raise ValueError("a vector for each track")
    order = sorted(range(len(tracks)), key=lambda row: tracks[row].id)
    tracks, rows = [tracks[row] for row in order], np.asarray(vectors, np.float32)[order]
    if not tracks:
        return Map((), {}, {}, "pca")
    drawn = _sample(len(tracks))
    reduced = _components(rows)
    labels = np.full(len(tracks), _NONE)
    if len(tracks) >= FEWEST:
        labels[drawn] = _groups(reduced[drawn])
        labels = _joined(reduced, labels, drawn)
    places, drawn_by = _places(rows[drawn], reduced[drawn])
    labels, clusters = _clusters(tracks, reduced, labels)
    return Map(
        clusters=clusters,
        places={tracks[row].id: (float(x), float(y)) for row, (x, y) in zip(drawn, places, strict=True)},
        cluster_of={track.id: int(label) for track, label in zip(tracks, labels, strict=True)},
        drawn_by=drawn_by,
        left_out=len(tracks) - len(drawn),
    )


def _sample(count: int) -> np.ndarray:
    """Rows to draw, evenly over the library."""
    if count <= MAX_MAPPED:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, MAX_MAPPED).astype(int))


def _components(rows: np.ndarray) -> np.ndarray:
    """The first principal components, as many as carry something, signs settled so that maps do not flip."""
    centred = rows - rows.mean(axis=0)
    seen = centred[:: len(rows) // 20_000 + 1]
    _, _, axes = np.linalg.svd(seen, full_matrices=False)
    axes = axes[:_COMPONENTS]
    signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])
    return np.asarray(centred @ (axes * signs[:, None]).T, np.float32)


def _groups(points: np.ndarray) -> np.ndarray:
    from sklearn.cluster import HDBSCAN

    smallest = int(np.clip(round(len(points) ** 0.5 / 2), 3, 40))
    found = HDBSCAN(min_cluster_size=smallest, min_samples=min(5, smallest), cluster_selection_method="leaf", copy=True)
    labels: np.ndarray = found.fit_predict(points.astype(np.float64))
    return labels


def _joined(points: np.ndarray, labels: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Tracks left between the groups join the nearest, when they are no further from its middle than its own are."""
    known = [label for label in np.unique(labels) if label != _NONE]
    if not known:
        return labels
    middles = np.array([points[labels == label].mean(axis=0) for label in known])
    reach = np.array(
        [
            np.quantile(np.linalg.norm(points[labels == label] - middle, axis=1), 0.9)
            for label, middle in zip(known, middles, strict=True)
        ]
    )
    out = labels.copy()
    for row in np.flatnonzero(labels == _NONE):
        far = np.linalg.norm(middles - points[row], axis=1) / np.maximum(reach, 1e-6)
        if far.min() <= 1.35:
            out[row] = known[int(far.argmin())]
    return out


def _places(rows: np.ndarray, reduced: np.ndarray) -> tuple[np.ndarray, str]:
    """(tracks, 2), each axis within -1 to 1."""
    if len(rows) >= FEWEST_FOR_UMAP:
        flat, drawn_by = _umap(rows), "umap"
    else:
        flat, drawn_by = np.zeros((len(rows), 2), np.float32), "pca"
        flat[:, : min(2, reduced.shape[1])] = reduced[:, :2]
    flat = flat - (flat.max(axis=0) + flat.min(axis=0)) / 2
    return flat / max(1e-6, float(np.abs(flat).max())), drawn_by


def _umap(rows: np.ndarray) -> np.ndarray:
    import warnings

    from umap import UMAP

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that a fixed seed means one thread, which is what is wanted
        drawing: Any = UMAP(
            n_neighbors=min(15, len(rows) - 1), min_dist=0.25, metric="cosine", random_state=_SEED, n_jobs=1
        )
        return np.asarray(drawing.fit_transform(rows), np.float32)


# ------------------------------------------------------------------------------------------------------ names


def _clusters(
    tracks: Sequence[Track], points: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, tuple[Cluster, ...]]:
    """The clusters, largest first, and the labels in that numbering."""
    sizes = Counter(int(label) for label in labels if label != _NONE)
    ranked = [label for label, _ in sorted(sizes.items(), key=lambda pair: (-pair[1], pair[0]))]
    renumbered = np.full_like(labels, _NONE)
    clusters: list[Cluster] = []
    taken: Counter[str] = Counter()
    whole = _Whole.of(tracks)
    for number, label in enumerate(ranked):
        rows = np.flatnonzero(labels == label)
        renumbered[rows] = number
        middle = points[rows].mean(axis=0)
        typical = rows[np.argsort(np.linalg.norm(points[rows] - middle, axis=1), kind="stable")]
        clusters.append(_described(number, [tracks[row] for row in typical], whole, taken))
    return renumbered, tuple(clusters)


@dataclass(frozen=True, slots=True)
class _Whole:
    """What is usual in the library: counts by name, and the middle and the spread of each measure."""

    tracks: int
    genres: Counter[str]
    moods: Counter[str]
    measures: dict[str, tuple[float, float]]

    @classmethod
    def of(cls, tracks: Sequence[Track]) -> _Whole:
        heard = [one.features for one in tracks if one.features]
        columns = {name: np.array([getattr(each, name) for each in heard]) for name, *_ in _MEASURES} if heard else {}
        return cls(
            tracks=len(tracks),
            genres=Counter(one.genre for one in tracks if one.genre),
            moods=Counter(mood for one in tracks for mood in one.moods),
            measures={name: (float(np.median(column)), float(column.std())) for name, column in columns.items()},
        )


def _described(number: int, inside: list[Track], whole: _Whole, taken: Counter[str]) -> Cluster:
    genres = _more_often(Counter(one.genre for one in inside if one.genre), len(inside), whole.genres, whole.tracks)
    moods = _more_often(Counter(m for one in inside for m in one.moods), len(inside), whole.moods, whole.tracks)
    kinds = _kinds(genres) or dict(list(moods.items())[:1])
    differing = _further_off(inside, whole)
    because = [
        f"{share:.0%} are {_plain(kind)}, against {(whole.genres[kind] or whole.moods[kind]) / whole.tracks:.0%} of the library."
        for kind, share in kinds.items()
    ]
    because += [sentence for _, _, sentence in differing[:3]]
    named = " and ".join(_plain(kind) for kind in kinds)
    words = [word for _, word, _ in differing[:1] if word not in named.split()] + ([named] if named else [])
    name = (" " if genres else ", ").join(words) or "Mixed"
    tempos = [one.features.tempo_bpm for one in inside if one.features]
    taken[name] += 1
    if taken[name] > 1 and tempos:
        name = f"{name}, {median(tempos):.0f} bpm"
    energies = [one.features.energy for one in inside if one.features]
    return Cluster(
        number=number,
        name=name[:1].upper() + name[1:],
        because=tuple(because) or ("No figure sets it apart: it only sounds alike.",),
        tracks=tuple(one.id for one in inside),
        tempo_bpm=median(tempos) if tempos else None,
        energy=median(energies) if energies else None,
        genres=tuple(genres)[:3],
        moods=tuple(moods)[:3],
    )


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _kinds(genres: dict[str, float]) -> dict[str, float]:
    """The genre of a third or more; else the two that tell most."""
    first = next(iter(genres.values()), 0.0)
    return dict(list(genres.items())[: 1 if first >= 0.33 else 2])


def _more_often(here: Counter[str], size: int, there: Counter[str], everything: int) -> dict[str, float]:
    """What is frequent in a group and more so than elsewhere, and its share of the group's tracks; first what tells
    most, by share here times how many times the usual share that is."""
    scores, shares = {}, {}
    for name, count in here.items():
        share, usual = count / size, there[name] / everything
        if count >= 2 and share >= _OFTEN and share >= 1.5 * usual:
            scores[name], shares[name] = share * np.log2(1 + share / usual), share
    return {name: shares[name] for name in sorted(scores, key=lambda name: (-scores[name], name))}


def _further_off(inside: list[Track], whole: _Whole) -> list[tuple[float, str, str]]:
    """The measures whose middle here lies furthest from the library's: (how far, the word, the sentence)."""
    found = []
    for measure, lower, higher, sentence in _MEASURES:
        here = [float(getattr(one.features, measure)) for one in inside if one.features]
        usual, spread = whole.measures.get(measure, (0.0, 0.0))
        if len(here) < 3 or spread < 1e-9:
            continue
        middle = median(here)
        if abs(far := (middle - usual) / spread) >= _FAR:
            found.append((abs(far), higher if far > 0 else lower, sentence.format(middle, usual)))
    return sorted(found, reverse=True)

"""The public functions over the library: finding tracks, their like, bringing a folder in, how the library stands.

Each works for the visitor behind its request, who finds only what that visitor may see; folders are the owner's alone.
Annotations are read by Gradio at run time, so they are not postponed.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import gradio as gr

from rag.database import LibraryError
from rag.filters import Filters
from rag.overview import overview_of
from rag.retriever import Query
from studio.studio import Studio
from studio.ui.library_asked import asked_in
from studio.ui.library_shown import answer_shown, job_shown
from studio.ui.refusals import Refusal, in_one_sentence
from studio.ui.visitors import features, visitor_of

LIBRARY = ("find_tracks", "like_this", "library_status", "import_music")


class LibraryFunctions:
    """The library's functions over one studio."""

    _studio: Studio

    @in_one_sentence
    def find_tracks(
        self,
        request: gr.Request,
        words: str = "",
        tempo: str = "",
        key: str = "",
        harmonic: bool = True,
        energy: str = "",
        genre: str = "",
        mood: str = "",
        years: str = "",
        seconds: str = "",
        own: bool | None = None,
        limit: int = 20,
        offset: int = 0,
    ) -> dict[str, Any]:
        """Find tracks of the user's own music by words and figures, best first, each with why it matched.

        Args:
            words: What it is to be, for example "rainy lo-fi, 80 bpm, in A minor". Left out, the newest are listed.
            tempo: A range in beats a minute, "80-100", "80-" or "-100".
            key: A key like "A minor" or "F# major", or several with commas.
            harmonic: Keys that mix with it count too: the relative, and a fifth up and down.
            energy: A range of 0 to 1, like "0.2-0.6".
            genre: One or several, as library_status names them.
            mood: One or several, as library_status names them.
            years: A range of years, "1990-1999".
            seconds: A range of lengths in seconds.
            own: true for takes made in the studio, false for music brought in.
            limit: How many to return, 1 to 100.
            offset: How many to pass over first.

        Returns:
            The tracks with their figures and reasons, how many match the filters, and which tier answered. A track's
            ref can be given to generate as a reference.
        """
        visitor = visitor_of(request)
        asked = asked_in(
            {
                "words": words, "tempo": tempo, "key": key, "harmonic": "1" if harmonic else "0", "energy": energy,
                "genre": genre, "mood": mood, "years": years, "seconds": seconds,
                "own": {True: "1", False: "0", None: ""}[own], "limit": str(limit), "offset": str(offset),
            },
            owner=visitor.sees_only,
        )  # fmt: skip
        query = Query(words=asked.words, filters=asked.filters, limit=asked.limit, offset=asked.offset)
        return answer_shown(self._studio.inspirations.retriever.find(query), host=visitor.is_host)

    @in_one_sentence
    def like_this(self, track_id: int, request: gr.Request, weights: str = "", limit: int = 20) -> dict[str, Any]:
        """Find the tracks that sound most like one, or like the weighted middle of several.

        Args:
            track_id: The track, by its id as find_tracks returned it.
            weights: For a middle of several: "3:1, 9:0.5" in place of track_id, which then is left out.
            limit: How many to return, 1 to 100.

        Returns:
            As find_tracks.
        """
        visitor = visitor_of(request)
        like = weights.replace(" ", "") or f"{track_id}:1"
        asked = asked_in({"like": like, "limit": str(limit)}, owner=visitor.sees_only)
        for each in asked.like:
            if self._studio.library.tracks.get(each, owner=visitor.sees_only) is None:
                raise LibraryError("There is no such track in the library.")
        query = Query(like=asked.like, filters=asked.filters, limit=asked.limit)
        return answer_shown(self._studio.inspirations.retriever.find(query), host=visitor.is_host)

    @in_one_sentence
    def library_status(self, request: gr.Request) -> dict[str, Any]:
        """Say what is in the library: tracks, genres, moods, keys, tempos; what hears it; and an import under way.

        Returns:
            The counts of what this visitor may see, and for the studio's owner the work under way.
        """
        visitor = visitor_of(request)
        library = self._studio.library
        seen = overview_of(library.tracks, Filters(owner=visitor.sees_only))
        shown: dict[str, Any] = {**asdict(seen), "hears": library.sound.label, "tier": library.sound.tier}
        shown["job"] = job_shown(library.jobs.view()) if visitor.is_host else None
        return shown

    @in_one_sentence
    def import_music(self, path: str, request: gr.Request, watched: bool = False) -> dict[str, Any]:
        """Bring a folder of music into the library; the studio's owner only, and not while the studio is shared.

        Args:
            path: A folder or a sound file of the machine the studio runs on.
            watched: Keep watching the folder for what is added to it.

        Returns:
            The import as library_status shows it.
        """
        if not features(self._studio.settings, visitor_of(request)).import_folders:
            raise Refusal("Folders are imported by the studio's owner, while the studio is not shared.")
        return {"job": job_shown(self._studio.library.start_import([Path(path)], watched=watched))}

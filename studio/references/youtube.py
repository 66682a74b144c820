"""One sound from YouTube by yt-dlp, for whoever has the right to it.

Only YouTube's own hosts and extractor, one video at a time, no live streams, limits on size and length, no cookies, no
login, no proxy. The sound lands in a folder of the caller's; knows nothing of libraries or pages.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from studio.references.playlist import ReferenceError

RIGHTS = (
    "I have the right to use this sound: it is my own, it is under a licence that allows it, or its owner has agreed."
)
_ONLY_WITH_FFMPEG = {".m4a", ".mp4", ".webm", ".aac"}


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be fetched. hosts: exact names. extractors: yt-dlp's, matched in full."""

    hosts: tuple[str, ...] = ("www.youtube.com", "youtube.com", "m.youtube.com", "music.youtube.com", "youtu.be")
    extractors: tuple[str, ...] = ("youtube",)
    schemes: tuple[str, ...] = ("https",)
    max_bytes: int = 60_000_000
    max_seconds: float = 1_200.0


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was fetched: the file, and what its page says of it."""

    path: Path
    title: str
    artist: str
    address: str
    seconds: float | None


def fetch_sound(
    address: str,
    *,
    folder: Path,
    rights_confirmed: bool,
    limits: Limits | None = None,
    progress: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Fetched:
    """Fetch the sound of one video into `folder`; progress is called with 0 to 1.

    Raises ReferenceError in the user's words: no rights confirmed, another host, too long, too large, stopped, or what
    yt-dlp says. Nothing is then left in the folder.
    """
    from yt_dlp import YoutubeDL
    from yt_dlp.utils import DownloadCancelled, YoutubeDLError, match_filter_func

    limits = limits or Limits()
    if not rights_confirmed:
        raise ReferenceError("Confirm first that you have the right to use this sound; without it, it is not fetched.")
    check_address(address, limits)
    refused: list[str] = []

    def fits(info: dict[str, Any], *, incomplete: bool = False) -> str | None:
        why = match_filter_func(f"!is_live & !was_live & duration <? {limits.max_seconds:g}")(info, incomplete)
        if why:
            refused.append(f"It is a live stream, or longer than {limits.max_seconds / 60:.0f} minutes.")
        return why

    def hear(news: dict[str, Any]) -> None:
        if cancelled():
            raise DownloadCancelled("stopped")
        done, total = (
            news.get("downloaded_bytes") or 0,
            news.get("total_bytes") or news.get("total_bytes_estimate") or 0,
        )
        if done > limits.max_bytes:
            refused.append(_too_large(limits))
            raise DownloadCancelled("too large")
        if progress and total:
            progress(min(1.0, done / total))

    folder.mkdir(parents=True, exist_ok=True)
    before = set(folder.iterdir())
    try:
        with YoutubeDL(_options(folder, limits, fits, hear)) as downloader:
            info: dict[str, Any] = downloader.extract_info(address, download=True) or {}
        path = _path_of(info)
        if path is None:
            raise ReferenceError(next(iter(refused), _too_large(limits)))
        if path.suffix.lower() in _ONLY_WITH_FFMPEG:
            raise ReferenceError(
                "YouTube sent a kind of sound that is read only with the ffmpeg program. Install ffmpeg, then try again."
            )
    except DownloadCancelled as stop:
        _tidy(folder, before)
        raise ReferenceError(next(iter(refused), "Stopped; nothing of it is kept.")) from stop
    except YoutubeDLError as error:
        _tidy(folder, before)
        raise ReferenceError(f"It could not be fetched: {_plain(error)}") from error
    except (ReferenceError, OSError):
        _tidy(folder, before)
        raise
    return Fetched(
        path=path, title=info.get("track") or info.get("title") or path.stem, artist=info.get("artist") or
        info.get("uploader") or "", address=info.get("webpage_url") or address, seconds=info.get("duration"),
    )  # fmt: skip


def check_address(address: str, limits: Limits) -> None:
    """Raise ReferenceError unless it is a page of an allowed host: no file, no other port's service, no login in it."""
    try:
        parts = urlsplit(address.strip())
        host, name = (parts.hostname or "").lower(), parts.netloc.rpartition("@")[2].lower()
    except ValueError as error:
        raise ReferenceError("That is no web address.") from error
    if parts.scheme not in limits.schemes or parts.username or not {host, name} & set(limits.hosts):
        raise ReferenceError("Only addresses of YouTube videos are fetched, like https://www.youtube.com/watch?v=….")
    if name != host and name not in limits.hosts:
        raise ReferenceError("An address with a port of its own is not YouTube’s.")


def _options(
    folder: Path, limits: Limits, fits: Callable[..., str | None], hear: Callable[..., None]
) -> dict[str, Any]:
    readable = "bestaudio[ext=mp3]/bestaudio[ext=ogg]/bestaudio[ext=wav]/bestaudio[ext=flac]"
    with_ffmpeg = shutil.which("ffmpeg") is not None
    return {
        "quiet": True, "no_warnings": True, "noprogress": True, "logger": _Silent(),
        "allowed_extractors": list(limits.extractors), "noplaylist": True, "playlist_items": "1",
        "match_filter": fits, "max_filesize": limits.max_bytes,
        "format": "bestaudio/best" if with_ffmpeg else f"{readable}/bestaudio/best",
        "postprocessors": [{"key": "FFmpegExtractAudio", "preferredcodec": "flac"}] if with_ffmpeg else [],
        "socket_timeout": 20, "retries": 2, "fragment_retries": 2, "extractor_retries": 1, "cachedir": False,
        "cookiefile": None, "cookiesfrombrowser": None, "usenetrc": False, "enable_file_urls": False,
        "writethumbnail": False, "paths": {"home": str(folder)}, "outtmpl": {"default": "%(title).80B-%(id).40B.%(ext)s"},
        "restrictfilenames": True, "overwrites": True, "progress_hooks": [hear],
    }  # fmt: skip


class _Silent:
    """yt-dlp's own words go nowhere; what matters comes as exceptions."""

    def debug(self, words: str) -> None: ...

    def warning(self, words: str) -> None: ...

    def error(self, words: str) -> None: ...


def _path_of(info: dict[str, Any]) -> Path | None:
    """The finished file; None when yt-dlp left it out for its size, which it does without a word."""
    entries = [each for each in info.get("entries") or [info] if each]
    for entry in entries:
        for download in entry.get("requested_downloads") or ():
            path = Path(download.get("filepath") or "")
            if path.is_file():
                return path
    return None


def _too_large(limits: Limits) -> str:
    return f"It is larger than {limits.max_bytes / 1e6:.0f} MB, more than is fetched."


def _plain(error: Exception) -> str:
    words = str(error).removeprefix("ERROR: ").split("\n")[0].strip()
    return words[:240] if words.endswith(".") else f"{words[:240]}."


def _tidy(folder: Path, before: set[Path]) -> None:
    for path in set(folder.iterdir()) - before:
        if path.is_file():
            path.unlink(missing_ok=True)

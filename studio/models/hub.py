"""Files from the model hub, resumed where a download broke off and checked when they are here.

huggingface_hub lists the repository and speaks to its servers. It no longer resumes a download across calls, so the
unfinished files are ours: `<name>.part` beside the finished ones, each continued from its last byte. Plain HTTP is
used throughout, also for repositories on Xet storage, whose own client cannot be resumed or stopped. No login is
ever sent. Knows nothing of which models there are.
"""

from __future__ import annotations

import errno
import json
import re
import shutil
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.engines.musicgen.checkpoint import file_sha256

if TYPE_CHECKING:
    from collections.abc import Iterator

Progress = Callable[[int, int], None]
NOTES_FILE = "download.json"
SIDE_FILES = (
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "spiece.model",
)
SHARD = re.compile(r"(model|pytorch_model)-\d{5}-of-\d{5}\.(safetensors|bin)")
ANSWER_SECONDS = 15.0


class ModelError(Exception):
    """Something about a model's files; the message is a sentence for the user, with what to do next."""


class NoNetwork(ModelError):
    """The hub cannot be reached from here."""


class DownloadCancelled(ModelError):
    """The user stopped the download; what has arrived is kept for the next time."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a repository. mark: what changes when its content does. sha256: None for small files."""

    name: str
    size: int
    mark: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was downloaded: the repository's commit and the large files' SHA-256 by name."""

    repo_id: str
    revision: str
    sha256: dict[str, str]


def fetch(
    repo_id: str,
    folder: Path,
    *,
    endpoint: str | None = None,
    choose: Callable[[list[str]], list[str]] | None = None,
    progress: Progress = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Fetched:
    """Bring a model repository's needed files into a folder, continuing what lies there.

    choose: of the repository's file names those to bring; `choose_files` when not given. progress: called with bytes here and bytes in all, never falling. Raises NoNetwork, DownloadCancelled, or
    ModelError; whatever has arrived stays in the folder, with a note (NOTES_FILE) of what it belongs to.
    """
    with _in_our_words(repo_id):
        from huggingface_hub import hf_hub_url

        revision, files = _list_files(repo_id, endpoint=endpoint, choose=choose or choose_files)
        address = {file.name: hf_hub_url(repo_id, file.name, revision=revision, endpoint=endpoint) for file in files}
        _fetch_all(files, folder, address=address, progress=progress, cancelled=cancelled)
    return Fetched(repo_id, revision, {file.name: file.sha256 for file in files if file.sha256})


def fetch_address(
    url: str,
    folder: Path,
    *,
    name: str,
    size_bytes: int,
    sha256: str,
    progress: Progress = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> None:
    """Bring one file of known size and hash from outside the hub into a folder, as `fetch` does."""
    with _in_our_words(url):
        files = [RemoteFile(name, size_bytes, sha256, sha256)]
        _fetch_all(files, folder, address={name: url}, progress=progress, cancelled=cancelled)


def _fetch_all(
    files: list[RemoteFile],
    folder: Path,
    *,
    address: dict[str, str],
    progress: Progress,
    cancelled: Callable[[], bool],
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    _drop_outdated(folder, files)
    tally = _Tally(sum(file.size for file in files), progress, cancelled)
    for file in files:
        tally.add(_bytes_here(folder, file))
    _check_room(folder, needed=tally.total - tally.done)
    for file in files:
        if not _is_here(folder, file):
            _fetch_file(address[file.name], file, folder, tally=tally)


def bytes_in(folder: Path) -> int:
    """All files' sizes below a folder, 0 when it does not exist."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # a part that got its name meanwhile
            total += path.stat().st_size if path.is_file() else 0
    return total


def choose_files(names: list[str]) -> list[str]:
    """Those of a repository's files that a model needs: settings, tokenizer, and its weights once.

    Safetensors are taken before .bin, a whole file before shards; other formats and precisions are left.
    """
    side = [name for name in names if name in SIDE_FILES]
    for stem, suffix in (("model", "safetensors"), ("pytorch_model", "bin")):
        if f"{stem}.{suffix}" in names:
            return [*side, f"{stem}.{suffix}"]
        if f"{stem}.{suffix}.index.json" in names:
            shards = [name for name in names if SHARD.fullmatch(name) and name.endswith(suffix)]
            return [*side, f"{stem}.{suffix}.index.json", *shards]
    return []


def _list_files(
    repo_id: str, *, endpoint: str | None, choose: Callable[[list[str]], list[str]]
) -> tuple[str, list[RemoteFile]]:
    """The commit that is current, and the files to fetch of it, small ones first."""
    from huggingface_hub import HfApi

    info = HfApi(endpoint=endpoint, token=False).model_info(repo_id, files_metadata=True, timeout=ANSWER_SECONDS)
    siblings = {sibling.rfilename: sibling for sibling in info.siblings or []}
    names = choose(list(siblings))
    if not names or info.sha is None:
        raise ModelError(f"The hub's “{repo_id}” holds no weights that the studio can read: choose another model.")
    files = []
    for name in names:
        sibling = siblings[name]
        sha256 = sibling.lfs.sha256 if sibling.lfs else None
        files.append(RemoteFile(name, sibling.size or 0, sha256 or sibling.blob_id or info.sha, sha256))
    return info.sha, sorted(files, key=lambda file: file.size)


def _drop_outdated(folder: Path, files: list[RemoteFile]) -> None:
    """Forget what lies here of other contents than the repository has now, and note what is being fetched."""
    notes = folder / NOTES_FILE
    try:
        known = json.loads(notes.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    for file in files:
        if known.get(file.name) != file.mark:
            (folder / file.name).unlink(missing_ok=True)
            _part(folder, file).unlink(missing_ok=True)
    draft = folder / f"{NOTES_FILE}.draft"
    draft.write_text(json.dumps({file.name: file.mark for file in files}), encoding="utf-8")
    draft.replace(notes)


def _part(folder: Path, file: RemoteFile) -> Path:
    return folder / f"{file.name}.part"


def _is_here(folder: Path, file: RemoteFile) -> bool:
    path = folder / file.name
    return path.is_file() and path.stat().st_size == file.size


def _bytes_here(folder: Path, file: RemoteFile) -> int:
    if _is_here(folder, file):
        return file.size
    part = _part(folder, file)
    size = part.stat().st_size if part.is_file() else 0
    if size > file.size:
        part.unlink()
        return 0
    return size


def _check_room(folder: Path, *, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ModelError(
            f"The disk has {free / 1e9:.1f} GB free and the rest of the model takes {needed / 1e9:.1f} GB: "
            "make room, then download again."
        )


def _fetch_file(url: str, file: RemoteFile, folder: Path, *, tally: _Tally) -> None:
    """Continue one file to its end, check it, and give it its name."""
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    part = _part(folder, file)
    with part.open("ab") as sink:
        http_get(
            url,
            sink,
            resume_size=part.stat().st_size,
            headers=build_hf_headers(token=False),
            expected_size=file.size,
            tqdm_class=tally.meter(),
        )
    if part.stat().st_size != file.size or (file.sha256 and file_sha256(part) != file.sha256):
        part.unlink()
        raise ModelError(f"{file.name} arrived damaged and was thrown away: download the model again.")
    part.replace(folder / file.name)


class _Tally:
    """Bytes here and bytes in all; tells whoever listens, and stops when asked."""

    def __init__(self, total: int, progress: Progress, cancelled: Callable[[], bool]) -> None:
        self.total, self.done, self.told = total, 0, 0
        self._progress, self._cancelled = progress, cancelled

    def add(self, count: int | float | None) -> None:
        """Count bytes that arrived, or take back (a server that cannot resume begins again)."""
        self.done += int(count or 0)
        self.told = max(self.told, min(self.done, self.total))
        self._progress(self.told, self.total)
        if self._cancelled():
            raise DownloadCancelled("The download was stopped; what has arrived is kept, and it goes on from there.")

    def meter(self) -> Any:
        """A class with as much of tqdm's manners as the hub's downloader needs."""
        tally = self

        class Meter:
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                """The total is known already."""

            def update(self, count: float | None = 1) -> None:
                tally.add(count)

            def close(self) -> None:
                """Nothing to close."""

            def __enter__(self) -> Meter:
                return self

            def __exit__(self, *error: object) -> None:
                """Nothing to close."""

        return Meter


@contextmanager
def _in_our_words(repo_id: str) -> Iterator[None]:
    """Turn the network's and the disk's errors into sentences."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled, RepositoryNotFoundError

    kept = "what has arrived is kept. The sketch engine works without a download."
    try:
        yield
    except OfflineModeIsEnabled:
        raise NoNetwork(
            f"The model hub is switched off here (HF_HUB_OFFLINE): switch it on to download; {kept}"
        ) from None
    except RepositoryNotFoundError as error:
        raise ModelError(f"The hub has no model “{repo_id}” that is open to everyone: choose another one.") from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "no status"
        raise ModelError(f"The model hub answered with an error ({status}): try again later; {kept}") from error
    except httpx2.HTTPError as error:
        raise NoNetwork(f"The model hub cannot be reached: check the network and download again; {kept}") from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise ModelError(f"The disk is full: make room and download again; {kept}") from error
        raise ModelError(f"The download failed ({error}): download again; {kept}") from error

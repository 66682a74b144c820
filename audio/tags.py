"""What a sound file says about itself: title, comment, software, cover, and one namespaced JSON value of provenance.

FLAC and OGG keep it in the Vorbis comment MUSICGEN_STUDIO, MP3 in an ID3 TXXX frame of that name, WAV in both an
`id3 ` chunk and the INFO list's ICMT, for readers that know only one of them. Knows nothing of what the JSON means.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

KEY = "MUSICGEN_STUDIO"
_MAX_JSON_BYTES = 4_000_000


@dataclass(frozen=True, slots=True)
class Tags:
    """What is written. provenance: JSON-able, empty for none. cover: a square PNG, empty for none."""

    title: str = ""
    comment: str = ""
    software: str = ""
    licence: str = ""
    cover: bytes = b""
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def provenance_json(self) -> str:
        return json.dumps(self.provenance, ensure_ascii=False, sort_keys=True) if self.provenance else ""


def write_tags(target: Path | BinaryIO, tags: Tags, *, container: str) -> None:
    """Write the tags into a finished file (path or a seekable buffer). container: WAV, FLAC, OGG, OPUS or MP3."""
    if isinstance(target, Path):
        with target.open("r+b") as file:
            return write_tags(file, tags, container=container)
    target.seek(0)
    if container in ("FLAC", "OGG", "OPUS"):
        _write_vorbis_comments(target, tags, container=container)
    elif container == "MP3":
        from mutagen.mp3 import MP3

        _save_id3(MP3(target), target, tags)
    elif container == "WAV":
        from mutagen.wave import WAVE

        _append_info_list(target, tags)
        target.seek(0)
        _save_id3(WAVE(target), target, tags)
    else:
        raise ValueError(f"no tags are written into {container}")


def read_provenance(source: Path | bytes) -> dict[str, Any] | None:
    """The provenance a file of this studio carries, or None when it has none or it cannot be read."""
    import mutagen

    with io.BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb") as stream:
        try:
            file = mutagen.File(stream)
        except (mutagen.MutagenError, OSError, ValueError):
            file = None
        text = _provenance_text(file) if file is not None else None
        if text is None:
            stream.seek(0)
            text = _info_comment(stream)
    return _parsed(text)


def _write_vorbis_comments(target: BinaryIO, tags: Tags, *, container: str) -> None:
    from base64 import b64encode

    from mutagen.flac import FLAC
    from mutagen.oggopus import OggOpus
    from mutagen.oggvorbis import OggVorbis

    file: Any = {"FLAC": FLAC, "OGG": OggVorbis, "OPUS": OggOpus}[container](target)
    if file.tags is None:
        file.add_tags()
    named = {
        "TITLE": tags.title, "COMMENT": tags.comment, "ENCODER": tags.software, "LICENSE": tags.licence,
        KEY: tags.provenance_json,
    }  # fmt: skip
    for name, text in named.items():
        if text:
            file[name] = text
    if tags.cover:
        picture = _picture(tags.cover)
        if container == "FLAC":
            file.add_picture(picture)
        else:
            file["METADATA_BLOCK_PICTURE"] = b64encode(picture.write()).decode()
    target.seek(0)
    file.save(target)


def _picture(png: bytes) -> Any:
    """A front cover as FLAC and OGG hold it."""
    from mutagen.flac import Picture

    width, height = struct.unpack(">II", png[16:24])
    picture = Picture()
    picture.type, picture.mime, picture.desc, picture.data = 3, "image/png", "Cover", png
    picture.width, picture.height, picture.depth = width, height, 24
    return picture


def _save_id3(file: Any, target: BinaryIO, tags: Tags) -> None:
    from mutagen.id3 import APIC, COMM, TCOP, TIT2, TSSE, TXXX

    if file.tags is None:
        file.add_tags()
    frames = [
        (tags.title, TIT2(encoding=3, text=tags.title)),
        (tags.comment, COMM(encoding=3, lang="eng", desc="", text=tags.comment)),
        (tags.software, TSSE(encoding=3, text=tags.software)),
        (tags.licence, TCOP(encoding=3, text=tags.licence)),
        (tags.cover, APIC(encoding=3, mime="image/png", type=3, desc="Cover", data=tags.cover)),
        (tags.provenance, TXXX(encoding=3, desc=KEY, text=tags.provenance_json)),
    ]
    for wanted, frame in frames:
        if wanted:
            file.tags.add(frame)
    target.seek(0)
    file.save(target)


def _append_info_list(target: BinaryIO, tags: Tags) -> None:
    """Add a RIFF INFO list: INAM, ISFT, ICOP, and ICMT with the provenance (or the comment when there is none).

    Written by hand because libsndfile silently drops texts longer than its header buffer.
    """
    comment = (
        json.dumps({KEY: tags.provenance}, ensure_ascii=False, sort_keys=True) if tags.provenance else tags.comment
    )
    body = b"INFO"
    for name, text in ((b"INAM", tags.title), (b"ISFT", tags.software), (b"ICOP", tags.licence), (b"ICMT", comment)):
        if text:
            data = text.encode("utf-8") + b"\0"
            body += name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    end = target.seek(0, io.SEEK_END)
    target.write(b"\0" * (end % 2) + b"LIST" + struct.pack("<I", len(body)) + body)
    total = target.seek(0, io.SEEK_END)
    target.seek(4)
    target.write(struct.pack("<I", total - 8))


def _provenance_text(file: Any) -> str | None:
    tags = file.tags
    if tags is None:
        return None
    if hasattr(tags, "getall"):  # ID3, in MP3 and WAV
        return next((str(frame.text[0]) for frame in tags.getall(f"TXXX:{KEY}") if frame.text), None)
    try:
        values = tags.get(KEY)
    except (KeyError, ValueError):  # a tag kind that allows no such key
        return None
    return str(values[0]) if values else None


def _info_comment(stream: BinaryIO) -> str | None:
    """The ICMT text of a WAV whose id3 chunk was lost on the way."""
    if stream.read(4) != b"RIFF":
        return None
    stream.seek(12)
    while len(header := stream.read(8)) == 8:
        name, size = header[:4], struct.unpack("<I", header[4:])[0]
        if name == b"LIST" and size <= _MAX_JSON_BYTES and (body := stream.read(size))[:4] == b"INFO":
            return _icmt_of(body)
        if name == b"LIST":
            stream.seek(size % 2, io.SEEK_CUR)
        else:
            stream.seek(size + size % 2, io.SEEK_CUR)
    return None


def _icmt_of(body: bytes) -> str | None:
    at = 4
    while at + 8 <= len(body):
        size = struct.unpack("<I", body[at + 4 : at + 8])[0]
        if body[at : at + 4] == b"ICMT":
            return body[at + 8 : at + 8 + size].rstrip(b"\0").decode("utf-8", errors="replace")
        at += 8 + size + size % 2
    return None


def _parsed(text: str | None) -> dict[str, Any] | None:
    if not text or len(text) > _MAX_JSON_BYTES:
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return None
    if isinstance(value, dict) and set(value) == {KEY}:
        value = value[KEY]
    return value if isinstance(value, dict) else None

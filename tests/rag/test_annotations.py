"""Annotations of GiantSteps and GTZAN are read as mir_eval wants them."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.library_features import Heard, annotated_key, annotation, figures


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Eb minor", "D# minor"),
        ("A major", "A major"),
        ("f# min", "F# minor"),
        ("0", "A major"),
        ("15", "C minor"),
        ("-1", ""),
        ("noise", ""),
    ],
)
def test_a_key_is_read_in_every_spelling(text: str, key: str) -> None:
    assert annotated_key(text) == key


def test_annotations_are_found_by_the_sounds_name(tmp_path: Path) -> None:
    (tmp_path / "1030011.LOFI.bpm").write_text("127.5\n")
    (tmp_path / "1030011.LOFI.key").write_text("C minor\n")
    assert annotation(tmp_path, "1030011.LOFI") == (127.5, "C minor")
    assert annotation(tmp_path, "other") == (0.0, "")


def test_an_octave_counts_only_where_it_may() -> None:
    rows = [Heard("a", 120, 121, 0.95, "C major", "C major", 1.0), Heard("b", 120, 60, 0.5, "C major", "A minor", 1.0)]
    made = figures(rows)
    assert made["tempo within 2 %"] == 0.5
    assert made["tempo within 4 % or an octave"] == 1.0
    assert made["key, MIREX weighted"] == pytest.approx((1.0 + 0.3) / 2)

"""Ableton Link put in a place of its own: the same version everywhere, and a sentence where it cannot be had."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import app
from studio.engines.audiocraft.engine import environment_python
from studio.engines.audiocraft.install import NOTES
from studio.link_install import PACKAGES, python_with_link
from studio.settings import Settings

ROOT = Path(__file__).parents[2]


def test_both_ways_to_install_link_give_the_same_version() -> None:
    wanted = (ROOT / "requirements-link.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in wanted if line and not line.startswith("#")] == list(PACKAGES)


def test_links_own_environment_is_used_before_the_studios(tmp_path: Path) -> None:
    python = environment_python(tmp_path)
    assert python_with_link(tmp_path) in (None, Path(sys.executable))
    python.parent.mkdir(parents=True)
    python.touch()
    assert python_with_link(tmp_path) in (None, Path(sys.executable)), "half an installation is none"
    (tmp_path / NOTES).write_text('["env", "whole"]')
    assert python_with_link(tmp_path) == python


def test_the_command_says_why_it_could_not_install(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert app.main(["install", "link"]) == 1
    said = capsys.readouterr()
    assert "installing" in said.out and "The installation broke off" in said.err
    assert python_with_link(Settings().link_dir) in (None, Path(sys.executable))


def test_a_full_disk_is_named_with_what_it_was_for(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("studio.link_install.NEEDED_BYTES", 10**18)
    assert app.main(["install", "link"]) == 1
    assert "Ableton Link takes about 1000000000 GB" in capsys.readouterr().err

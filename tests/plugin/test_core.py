"""What the instrument does without any host: the C++ tests, run."""

from __future__ import annotations

import subprocess

import pytest

from tests.plugin.built import ROOT, Built


def test_the_core_keeps_its_word(built: Built) -> None:
    ran = subprocess.run([str(built.folder / "core-test")], capture_output=True, text=True)
    assert ran.returncode == 0 and "FAILED" not in ran.stdout, ran.stdout
    assert ran.stdout.count("ok ") >= 15


def test_the_core_is_clean_under_the_address_and_undefined_behaviour_checkers(built: Built, tmp_path) -> None:
    sources = [
        str(ROOT / "plugin" / "src" / f"{name}.cpp")
        for name in ("http", "player", "project", "sound", "studio", "text", "voice", "wav")
    ]
    program = tmp_path / "core-test"
    command = [
        "g++",
        "-std=c++17",
        "-g",
        "-O1",
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover",
        "-pthread",
        "-I",
        str(ROOT / "plugin/src"),
    ]
    compiled = subprocess.run(
        [*command, str(ROOT / "plugin/tests/core_test.cpp"), *sources, "-o", str(program)],
        capture_output=True,
        text=True,
    )
    if compiled.returncode != 0 and "asan" in compiled.stderr:
        pytest.skip("this compiler has no address checker")
    assert compiled.returncode == 0, compiled.stderr
    ran = subprocess.run([str(program)], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr

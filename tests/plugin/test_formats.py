"""The LV2 and the CLAP: what they say of themselves, loaded by tools that are not ours."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.plugin.built import Built
from tests.plugin.conftest import KnownStudio
from tests.plugin.test_hosts import RATE_HZ, first_sounding, sent_by

URI = "urn:musicgen-studio:takes"


def tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        if os.environ.get("MUSICGEN_STUDIO_TESTS_NEED_ALL"):
            pytest.fail(f"{name} is not installed")
        pytest.skip(f"{name} is not installed: apt install lilv-utils sordi lv2-dev")
    return path


def lv2_alone(built: Built, tmp_path: Path) -> dict[str, str]:
    """An LV2_PATH with nothing but the plug-in and LV2's own specifications."""
    folder = tmp_path / "lv2"
    folder.mkdir()
    (folder / "MusicGenStudio.lv2").symlink_to(built.lv2)
    return {**os.environ, "LV2_PATH": f"{folder}:/usr/lib/lv2"}


def test_lilv_finds_the_lv2_and_reads_all_of_it(built: Built, tmp_path: Path) -> None:
    environment = lv2_alone(built, tmp_path)
    listed = subprocess.run([tool("lv2ls")], capture_output=True, text=True, env=environment)
    assert URI in listed.stdout.splitlines(), listed.stderr
    told = subprocess.run([tool("lv2info"), URI], capture_output=True, text=True, env=environment)
    assert told.returncode == 0 and not told.stderr
    for word in ("MusicGen Studio Takes", "Host tempo", "Status", "ext/state#interface", "hardRTCapable"):
        assert word in told.stdout


def test_the_lv2s_turtle_keeps_to_the_specifications(built: Built, tmp_path: Path) -> None:
    """By sord_validate against LV2's own ontologies, as lv2_validate does."""
    validate = tool("sord_validate")
    specifications = [path for folder in Path("/usr/lib/lv2").glob("*.lv2") for path in folder.glob("*.ttl")]
    if not any("lv2core" in str(path) for path in specifications):
        pytest.skip("LV2's specifications are not installed: apt install lv2-dev")
    ran = subprocess.run(
        [validate, *map(str, [*specifications, *built.lv2.glob("*.ttl")])], capture_output=True, text=True
    )
    said = re.split(r"^(?=error|warning)", ran.stdout + ran.stderr, flags=re.M)
    # DPF says its maker and label in words of MOD's, which LV2's own tools do not know.
    ours = [each for each in said if "usicgen-studio" in each.lower() and "moddevices.com" not in each]
    assert "Found" in ran.stderr + ran.stdout and not ours, "\n".join(ours)


def test_the_clap_can_be_loaded_and_asked_what_it_is(built: Built) -> None:
    class Entry(ctypes.Structure):
        _fields_ = [
            ("version", ctypes.c_uint32 * 3), ("init", ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_char_p)),
            ("deinit", ctypes.CFUNCTYPE(None)), ("get_factory", ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_char_p)),
        ]  # fmt: skip

    class Descriptor(ctypes.Structure):
        _fields_ = [("version", ctypes.c_uint32 * 3), *((name, ctypes.c_char_p) for name in ("id", "name", "vendor"))]

    class Factory(ctypes.Structure):
        _fields_ = [
            ("count", ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_void_p)),
            ("descriptor", ctypes.CFUNCTYPE(ctypes.POINTER(Descriptor), ctypes.c_void_p, ctypes.c_uint32)),
        ]

    entry = Entry.in_dll(ctypes.CDLL(str(built.clap)), "clap_entry")
    assert entry.init(str(built.clap).encode())
    place = entry.get_factory(b"clap.plugin-factory")
    factory = ctypes.cast(place, ctypes.POINTER(Factory)).contents
    assert factory.count(place) == 1
    described = factory.descriptor(place, 0).contents
    assert (described.id, described.name) == (b"studio.musicgen.takes", b"MusicGen Studio Takes")
    entry.deinit()


@pytest.mark.parametrize("bpm", [97.0, 120.0])
def test_the_clap_plays_a_take_from_the_sample_it_was_asked_for(built: Built, found: KnownStudio, bpm: float) -> None:
    raw = built.host("hear", built.clap, "1.0", str(bpm), plugin_file=found.plugin_file)
    heard = np.frombuffer(raw, np.float32)
    sent = sent_by(found, found.clicks, bpm=bpm).samples[0]
    assert abs(first_sounding(heard) - (1000 + first_sounding(sent))) <= 1
    assert np.abs(heard[1000 : 1000 + RATE_HZ // 2] - sent[: RATE_HZ // 2]).max() < 1e-6

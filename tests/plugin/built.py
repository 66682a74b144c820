"""The plug-in as the tests use it: built once from this checkout, heard in real hosts."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "plugin" / "build-tests"
_DPF = Path(os.environ.get("DPF_DIR", "/usr/share/dpf"))


@dataclass(frozen=True)
class Built:
    """Where the built things lie."""

    folder: Path

    @property
    def vst3(self) -> Path:
        return self.folder / "bin" / "MusicGenStudio.vst3"

    @property
    def clap(self) -> Path:
        return self.folder / "bin" / "MusicGenStudio.clap"

    @property
    def lv2(self) -> Path:
        return self.folder / "bin" / "MusicGenStudio.lv2"

    def host(self, *words: object, plugin_file: Path, timeout_seconds: float = 200) -> bytes:
        """What the small host writes; see plugin/tests/small_host.cpp."""
        environment = {**os.environ, "MUSICGEN_STUDIO_PLUGIN_FILE": str(plugin_file)}
        command = [str(self.folder / "small-host"), *map(str, words)]
        ran = subprocess.run(command, capture_output=True, env=environment, timeout=timeout_seconds)
        assert ran.returncode == 0, ran.stderr.decode()
        return ran.stdout


def build() -> Built:
    """Build what has changed since the last time; skips the test where that cannot be."""
    missing = [tool for tool in ("cmake", "g++", "make") if shutil.which(tool) is None]
    if not (_DPF / "distrho").is_dir():
        missing.append("dpf-source")
    if platform.system() != "Linux" or missing:
        if os.environ.get("MUSICGEN_STUDIO_TESTS_NEED_ALL"):
            pytest.fail(f"the plug-in cannot be built here; missing: {', '.join(missing) or 'Linux'}")
        pytest.skip(f"the plug-in is not built here: apt install {' '.join(missing) or '(on Linux)'}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with FileLock(FOLDER / "tests.lock"):
        options = ["-DTAKES_TESTS=ON", f"-DDPF_DIR={_DPF}"]
        _run("cmake", "-S", str(ROOT / "plugin"), "-B", str(FOLDER), *options)
        _run("cmake", "--build", str(FOLDER), "--parallel", "2")
    return Built(FOLDER)


def _run(*command: str) -> None:
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]

"""The house stands as the README draws it: imports run one way, heavy ones wait, files stay readable."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = ["audio", "rag", "agents", "studio", "app"]  # each may import itself and those before it
PAGE_ONLY = {"gradio", "gradio_client"}
HEAVY = {
    "torch", "transformers", "librosa", "numba", "pedalboard", "tinysoundfont", "demucs", "llama_cpp", "whisper",
    "huggingface_hub", "sklearn", "scipy", "umap", "plotly", "spotipy", "yt_dlp", "qdrant_edge", "qdrant_client", "sentence_transformers", "soxr", "peft", "accelerate", "mutagen",
}  # fmt: skip

COMPILED = {
    "attention.py",
    "drawing.py",
    "instructions.py",
    "kernel.py",
    "products.py",
    "vectors.py",
}  # numba's own code, which is itself imported only when needed


def sources() -> list[Path]:
    return [ROOT / "app.py", *(p for floor in FLOORS[:-1] for p in sorted((ROOT / floor).rglob("*.py")))]


def imports(tree: ast.AST, *, everywhere: bool = True) -> Iterator[str]:
    """Full module names imported; with everywhere=False only those run when the module itself is imported."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module
        elif everywhere or (
            not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not _typing(node)
        ):
            yield from imports(node, everywhere=everywhere)


def _typing(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def floor_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_run_downstairs(path: Path) -> None:
    allowed = FLOORS[: FLOORS.index(floor_of(path)) + 1]
    named = {name.split(".")[0] for name in imports(ast.parse(path.read_text()))}
    upstairs = {name for name in named & set(FLOORS) if name not in allowed}
    assert not upstairs, f"{path.name} imports from above its floor: {upstairs}"


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_only_the_page_knows_gradio(path: Path) -> None:
    place = path.relative_to(ROOT).as_posix()
    if place == "app.py" or place == "studio/api.py" or place.startswith("studio/ui/"):
        return
    modules = set(imports(ast.parse(path.read_text())))
    assert not {name.split(".")[0] for name in modules} & PAGE_ONLY
    assert not {name for name in modules if name.startswith(("studio.ui", "studio.api"))}


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_heavy_imports_wait_until_they_are_needed(path: Path) -> None:
    at_import = {name.split(".")[0] for name in imports(ast.parse(path.read_text()), everywhere=False)}
    allowed = {"numba"} if path.name in COMPILED else set()
    assert not at_import & HEAVY - allowed


def test_building_the_page_loads_nothing_heavy() -> None:
    script = (
        "import os, sys; os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'\n"
        "from studio.settings import Settings\nfrom studio.studio import Studio\nfrom studio.ui.build import build_page\n"
        "studio = Studio(Settings()); build_page(studio); studio.close()\n"
        "print(sorted({n.split('.')[0] for n in sys.modules}))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    loaded = set(re.findall(r"'(\w+)'", ran.stdout))
    assert not loaded & {"torch", "transformers", "librosa", "numba", "pedalboard", "tinysoundfont", "sklearn"}


def test_files_stay_readable_in_one_sitting() -> None:
    long = {str(p.relative_to(ROOT)): n for p in sources() if (n := len(p.read_text().splitlines())) > 400}
    assert not long


def test_every_setting_is_documented_in_the_readme() -> None:
    sys.path.insert(0, str(ROOT))
    from studio.settings import Settings

    readme = (ROOT / "README.md").read_text()
    missing = [name for name in Settings.model_fields if f"MUSICGEN_STUDIO_{name.upper()}" not in readme]
    assert not missing

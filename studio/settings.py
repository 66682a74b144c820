"""The studio's settings: where data lives, where the page is served, what sharing allows.

The only reader of the environment: every field can be set as MUSICGEN_STUDIO_<NAME>, and the command line overrides
it. Frozen once made.
"""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_data_path
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

VERSION = "0.1.0"


class Settings(BaseSettings):
    """One value object, handed down from `app.py`; nothing below reads the environment itself."""

    model_config = SettingsConfigDict(env_prefix="MUSICGEN_STUDIO_", frozen=True, extra="forbid")

    data_dir: Path = Field(
        default_factory=lambda: user_data_path("musicgen-studio", appauthor=False),
        description="Where takes, history, models and presets are kept.",
    )
    host: str = Field(default="127.0.0.1", description="The address the page is served on.")
    port: int = Field(default=7860, ge=0, le=65535, description="The port the page is served on; 0 takes a free one.")
    share: bool = Field(default=False, description="Also serve the page through a public Gradio link; needs a login.")
    auth: tuple[str, ...] = Field(default=(), description="Guests' logins, each NAME:PASSWORD.")
    engine: str = Field(default="sketch", description="The engine chosen at the start: sketch, or a MusicGen model.")
    soundfont: Path | None = Field(default=None, description="A SoundFont (.sf2) for the sketch engine.")
    device: str = Field(default="auto", description="Where models run: auto, cpu, cuda or mps.")
    precision: str = Field(
        default="auto", description="What MusicGen's weights are kept in: auto, fp32, bf16, int8 or int4-draft."
    )
    agents_memory_gb: float = Field(default=6.0, gt=0, description="The memory that language models may use together.")
    agents_threads: int = Field(default=0, ge=0, description="Threads a language model runs on; 0 takes half of them.")
    agents_context_tokens: int = Field(default=4096, ge=512, description="How much a language model reads and writes.")
    agents_gpu_layers: int = Field(default=0, ge=-1, description="A language model's layers on the GPU; -1 takes all.")
    voice_model: str = Field(default="whisper-base", description="The Whisper model that hears the microphone.")
    library_model: str = Field(
        default="auto",
        description="What hears the library: auto (as chosen in its tab, else a CLAP model that is here), built-in, or a CLAP model.",
    )
    library_qdrant_url: str = Field(
        default="", description="A Qdrant server for the library's vectors; empty keeps them in the data folder."
    )
    library_workers: int = Field(
        default=0, ge=0, description="Processes that listen in an import; 0 is one a processor."
    )
    plugin_file: Path = Field(
        default_factory=lambda: user_data_path("musicgen-studio", appauthor=False) / "plugin.txt",
        description="Where plug-ins in a DAW find the running studio.",
    )
    embed_provenance: bool = Field(default=True, description="Write prompt and settings into exported files' tags.")
    max_upload_mb: int = Field(default=50, ge=1, description="The largest upload accepted when shared.")
    requests_a_minute: int = Field(default=600, ge=10, description="Requests a visitor may make when shared.")
    jobs_per_guest: int = Field(default=3, ge=1, description="Takes a guest may have queued at once.")

    @property
    def takes_dir(self) -> Path:
        return self.data_dir / "takes"

    @property
    def bin_dir(self) -> Path:
        return self.data_dir / "bin"

    @property
    def models_dir(self) -> Path:
        return self.data_dir / "models"

    @property
    def presets_dir(self) -> Path:
        """The user's own presets; the shipped ones lie in the program's `presets/`."""
        return self.data_dir / "presets"

    @property
    def sounds_dir(self) -> Path:
        """Hummed and uploaded melodies."""
        return self.data_dir / "sounds"

    @property
    def adapters_dir(self) -> Path:
        """LoRA adapters, one a folder."""
        return self.data_dir / "adapters"

    @property
    def audiocraft_dir(self) -> Path:
        """AudioCraft's own environment, when it is installed."""
        return self.data_dir / "audiocraft"

    @property
    def link_dir(self) -> Path:
        """What was chosen for Ableton Link, and Link itself when it is installed in a place of its own."""
        return self.data_dir / "link"

    @property
    def library_dir(self) -> Path:
        """What is known of the user's own music."""
        return self.data_dir / "library"

    @property
    def history_path(self) -> Path:
        return self.data_dir / "history.sqlite3"

    @property
    def is_shared(self) -> bool:
        """True when anyone but this machine's user can reach the page: a login is then needed."""
        return self.share or self.host not in ("127.0.0.1", "localhost", "::1")

"""The embedded engine: composes a song plan to notes and renders them with a SoundFont."""

"""Teaching MusicGen a sound of one's own: data sets, runs, and the adapters that come of them."""

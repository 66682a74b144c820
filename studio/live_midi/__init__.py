"""MIDI out and in while something plays: the notes of a take in time with the page or with a beat clock."""

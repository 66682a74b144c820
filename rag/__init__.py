"""The user's own music, as vectors and tracks. Knows no language model and no engine."""

"""The user's own music in the studio: importing, watching, references."""

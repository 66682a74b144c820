"""Music named outside the studio: playlists as tables or from Spotify, and single sounds from YouTube.

Playlists are described and matched to the user's own tracks; nothing of theirs is ever handed to a model. The owner's
alone, and off while the studio is shared.
"""

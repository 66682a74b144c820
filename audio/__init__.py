"""Sound as arrays: reading, measuring, shaping and writing it.

The ground floor: nothing here knows of songs, engines, pages or settings.
"""

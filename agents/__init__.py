"""From a wish to a song plan: plain functions over typed values.

An agent is handed what it uses; it reaches for no file, network or engine itself.
"""

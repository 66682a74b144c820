"""MusicGen through transformers' weights, with decoding and streaming of our own.

Simple and Controllable Music Generation, Copet et al. 2023 (arXiv 2306.05284).
"""

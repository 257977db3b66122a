"""Continuous batching for models that this machine computes. See `engine` for the loop, `scheduler` for the rules.

Which library computes is behind `library`: a backend gives a model, its memory and a cache, and has the rest.
"""

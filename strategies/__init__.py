"""Checkpoint protocols, one a file: plain code on the standard library that a training job could use as it stands."""

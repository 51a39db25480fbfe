"""Searches: sampled and exhaustive, and what each run of them draws."""

"""Campaigns over an unmodified program, whose system calls are held."""

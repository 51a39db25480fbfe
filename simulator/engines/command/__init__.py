"""The engine whose ranks are an unmodified program: its system calls are held. Linux only."""

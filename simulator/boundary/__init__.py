"""Where ordinary Python meets the simulator: os, io, shutil, tempfile, time, random, torch, safetensors."""

from simulator.boundary.installation import install, installed, uninstall

__all__ = ["install", "installed", "uninstall"]

"""Where ordinary Python meets the simulator: os, io, shutil, tempfile, time, random, torch, safetensors."""

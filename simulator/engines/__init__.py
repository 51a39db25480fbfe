"""How ranks execute: greenlets in one process, or processes."""

"""Puts itself under the filter and becomes the program: for programs that are not Python."""

from __future__ import annotations

import os
import sys

import ckptrace_arming

if __name__ == "__main__":
    ckptrace_arming.begin()
    try:
        os.execvp(sys.argv[1], sys.argv[1:])
    except OSError as error:
        sys.stderr.write(f"{sys.argv[1]}: {error.strerror}\n")
        sys.exit(127)

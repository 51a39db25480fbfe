"""The command ``ckptrace``, under a name that nobody else has; ``python -m ckptrace`` is the same.

``simulator`` and ``strategies`` are names that a training repository may well use itself. Where such a package comes
first on the import path (``PYTHONPATH=.``, ``python -m`` in its directory), one line names it here, before it is
imported in place of this project's own and fails in a way that nobody understands.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder

PACKAGES = ("simulator", "strategies")


def shadowing() -> str | None:
    """One line that names the package that stands in for one of this project's, or None."""
    home = os.path.dirname(os.path.realpath(__file__))
    for name in PACKAGES:
        own = os.path.join(home, name, "__init__.py")
        spec = PathFinder.find_spec(name)
        found = None if spec is None else spec.origin or next(iter(spec.submodule_search_locations or ()), None)
        if found is None:
            return f"its package {name!r} is missing: {own}"
        if os.path.realpath(found) != own:
            return f"{found} stands in for its package {name!r}: rename it, or take its directory off the import path"
    return None


def main() -> int:
    """Run the command line. Gives the exit code: 2 if another package stands in for one of this project's."""
    problem = shadowing()
    if problem is not None:
        print(f"ckptrace: {problem}", file=sys.stderr)
        return 2
    from simulator.cli import main as command_line

    return command_line()


if __name__ == "__main__":
    sys.exit(main())

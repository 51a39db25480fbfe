"""``ckptrace init``: a scenario, a race test and a CI workflow for a project, to go on from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from simulator.cli.options import OUTPUT
from simulator.errors import UsageError

_FILES: Final = {
    "scenarios/two-nodes.toml": "two-nodes.toml",
    "tests/test_checkpoint_races.py": "test_checkpoint_races.txt",
}
_WORKFLOWS: Final = {
    "github": {".github/workflows/ckptrace.yml": "github-actions.yml"},
    "gitlab": {".gitlab-ci.yml": "gitlab-ci.yml"},
    "none": {},
}
_VARIABLES: Final = ("${{ vars.CKPTRACE }}", "$CKPTRACE_REQUIREMENT")
"""What stands in a workflow where pip is told what to install, and the CI server's settings would say so."""


def init(
    directory: Annotated[Path, typer.Argument(metavar="[DIR]", help="The project.")] = Path(),
    ci: Annotated[
        str, typer.Option("--ci", metavar="github|gitlab|none", help="Whose workflow to write.", rich_help_panel=OUTPUT)
    ] = "github",
) -> int:
    """Write a scenario, a race test and a CI workflow into a project. What is there already stays as it is."""
    from importlib import resources

    from simulator.reports.terminal import console_for
    from simulator.writing import write_whole

    if ci not in _WORKFLOWS:
        raise UsageError(f"--ci: must be one of {', '.join(_WORKFLOWS)}, is {ci!r}")
    if not directory.is_dir():
        raise UsageError(f"{directory}: no such directory")
    console, told = console_for(), requirement()
    for name, template in {**_FILES, **_WORKFLOWS[ci]}.items():
        path = directory / name
        if path.exists() or path.is_symlink():
            console.print(f"kept    {path}, which is there already", soft_wrap=True)
            continue
        text = (resources.files("simulator") / "data" / "project" / template).read_text(encoding="utf-8")
        for variable in _VARIABLES:
            text = text if told is None else text.replace(variable, told)
        write_whole(path, text.encode())
        console.print(f"wrote   {path}", soft_wrap=True)
        if told is None and any(variable in text for variable in _VARIABLES):
            console.print(
                "        set its variable to what pip shall install: git+URL of ckptrace's repository, say",
                soft_wrap=True,
            )
    console.print("next    ckptrace ci --schedules 200; pytest tests/test_checkpoint_races.py")
    return 0


def requirement() -> str | None:
    """What pip would have to be told to install this ckptrace: where it came from (PEP 610), unless a directory."""
    import json
    from importlib import metadata

    try:
        origin = json.loads(metadata.distribution("ckptrace").read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, ValueError):
        return None
    url, vcs = origin.get("url", ""), origin.get("vcs_info")
    if not url.startswith(("https://", "http://", "ssh://")):
        return None
    return f"ckptrace @ {vcs['vcs']}+{url}@{vcs['commit_id']}" if vcs else f"ckptrace @ {url}"

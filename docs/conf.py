"""How Sphinx builds the documents: Markdown pages, the API from its docstrings, the command line from its help."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata

import typer
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from simulator.cli.application import application

project = "ckptrace"
author = "the developers of ckptrace"
release = metadata.version("ckptrace")

extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
# A link to a page, a heading or an object that is not there fails the build: `make docs` makes errors of warnings.
nitpicky = True
nitpick_ignore_regex = [("py:.*", ".*")]

autodoc_typehints = "signature"
autodoc_member_order = "bysource"

html_theme = "furo"
html_title = f"ckptrace {release}"
exclude_patterns = ["_build"]


class Commands(SphinxDirective):
    """A section for each command, with its help as a terminal of 100 columns shows it."""

    def run(self) -> list[nodes.Node]:
        """The sections."""
        return list(self._sections())

    def _sections(self) -> Iterator[nodes.Node]:
        group = typer.main.get_command(application())
        for name, command in sorted(group.commands.items()):  # type: ignore[attr-defined]
            context = command.make_context(name, [], resilient_parsing=True, max_content_width=100, terminal_width=100)
            context.info_name = f"ckptrace {name}"
            section = nodes.section(ids=[nodes.make_id(name)])
            section += nodes.title(text=f"ckptrace {name}")
            section += nodes.literal_block(text=command.get_help(context), language="text")
            yield section


def setup(app: Sphinx) -> None:
    """Make the directive known."""
    app.add_directive("commands", Commands)

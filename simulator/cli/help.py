"""Help texts in plain lines, options in groups. Drawn boxes would cost as much time as everything else together."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand


class GroupedCommand(TyperCommand):
    """A command whose help lists its options by the group (``rich_help_panel``) that each was given."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write one section per group, in the order in which the groups first appear."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                group = getattr(parameter, "rich_help_panel", None)
                groups.setdefault(group or "Options", []).append(record)
        general = groups.pop("Options", None)
        for group, records in [*groups.items(), *([("Options", general)] if general else [])]:
            with formatter.section(group):
                formatter.write_dl(records)

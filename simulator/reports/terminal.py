"""Reports on a terminal: the verdict in one line, the reason, and the schedule as one lane per rank.

Everything is readable without colour and in a pipe; colour only repeats what characters already say.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import IO, Any

import msgspec
from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.segment import Segment
from rich.text import Text

from simulator.campaigns.replay.divergence import SAME_STEPS
from simulator.campaigns.result import Failure, Result
from simulator.narration import source_line
from simulator.reports.folding import fold_without_lane, folded
from simulator.reports.joining import joined
from simulator.reports.lanes import ASCII, UNICODE, Glyphs, Lanes, ranks_said, shown_ranks
from simulator.reports.printed import printed_by
from simulator.reports.reason import Reason, reason_of
from simulator.reports.setting import per_second
from simulator.reports.timeline import Ended, Fold, Heading, Meeting, Operation, Row, node_of, ranks_of, rows_of
from simulator.trace import Trace, escaped
from simulator.writing import visible

_STYLES = {"lane": "bright_black", "rank": "bold", "switch": "bold cyan", "rule": "bright_black", "bad": "bold red"}
_WIDEST = 160
_LEAST_BESIDE_A_LINE = 32
"""So many columns an operation has at least beside the line of its source."""
MOST_ROWS = 36
"""How many rows of a schedule are shown before it is folded."""


def console_for(file: IO[str] | None = None, *, width: int | None = None) -> Console:
    """A console for reports: colour only on a terminal and never with NO_COLOR, no wrapping, no highlighting."""
    console = Console(file=file, width=width, highlight=False, soft_wrap=False, emoji=False, markup=False)
    if console.width > _WIDEST:
        console = Console(file=file, width=_WIDEST, highlight=False, soft_wrap=False, emoji=False, markup=False)
    console.push_render_hook(_Shown())
    return console


class _Shown(RenderHook):
    """Text from elsewhere (messages, names, what ranks printed) is shown, and never obeyed by the terminal."""

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Visible(each) for each in renderables]


class _Visible:
    """Something to be printed, with its text made visible."""

    def __init__(self, renderable: ConsoleRenderable) -> None:
        self._renderable = renderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


def glyphs_for(console: Console) -> Glyphs:
    """Line-drawing characters where the output can carry them, else ASCII."""
    try:
        "".join(msgspec.structs.astuple(UNICODE)).encode(getattr(console.file, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE


def print_result(console: Console, result: Result) -> None:
    """The verdict of an exploration in one line; for a failure, its reason and its lanes below."""
    if result.failure is None:
        console.print(_clean_line(result), overflow="fold")
        _print_judged(console, result)
        _print_warnings(console, result)
        _print_unseen(console, result)
        return
    reason = reason_of(result.failure.trace)
    spent = f"schedule {result.failure.schedule:,}, {_spent(result)}"
    console.print(_violated(reason))
    console.print(spent)
    _print_judged(console, result)
    _print_warnings(console, result)
    if result.reason is not None:
        console.print(result.reason, soft_wrap=True)
    _print_reason(console, reason)
    print_lanes(console, result.failure.trace, reason)
    _print_unseen(console, result)


def _print_judged(console: Console, result: Result) -> None:
    if result.judged:
        console.print(result.judged_in_words, overflow="fold")


def _print_unseen(console: Console, result: Result) -> None:
    """What changed the directory of a real program without a call that was held: no verdict speaks of that."""
    for each in result.unseen:
        console.print(f"unseen  {each}: no race with it is found", soft_wrap=True)


def print_further(console: Console, failure: Failure) -> None:
    """One of the other failures of a search: the verdict, its schedule and its reason, without the lanes."""
    reason = reason_of(failure.trace)
    console.print(_violated(reason))
    console.print(f"schedule {failure.schedule:,}")
    _print_reason(console, reason)


def _print_warnings(console: Console, result: Result) -> None:
    for warning in result.warnings:
        console.print(f"warning: {warning}", style="yellow", overflow="fold")


def print_replay(console: Console, recorded: Trace, result: Result) -> None:
    """What a replay gave, and how it compares with the recording."""
    trace = result.failure.trace if result.failure is not None else None
    same = trace is not None and result.followed is None and _verdict(trace) == _verdict(recorded)
    if trace is not None:
        console.print(_violated(reason_of(trace)))
    else:
        console.print(Text.assemble((result.verdict, "bold yellow"), _left(result)))
    if same:
        said = f"the recorded failure, the recorded schedule (digest {recorded.digest})"
    else:
        said = result.reason or "no violation" if trace is None else f"differs from the recording: {result.reason}"
    for line in _wrapped(console, f"{result.coverage}, {result.seconds:.1f} s: {said}", ""):
        console.print(line)
    if trace is not None:
        reason = reason_of(trace)
        _print_reason(console, reason)
        print_lanes(console, trace, reason)


def _verdict(trace: Trace) -> Any:
    """As a file holds it."""
    return escaped(msgspec.to_builtins(trace.verdict))


def _left(result: Result) -> str:
    """What a replay without a violation has to say before anything else."""
    if result.verdict != "clean" or result.reason is None:
        return ""
    if result.reason.startswith(SAME_STEPS):
        return "  on the recorded schedule"
    return "  but the run left the recorded schedule: the code, or what it runs on, has changed"


def print_trace(console: Console, trace: Trace, *, most: int = MOST_ROWS) -> None:
    """The verdict, the reason and the lanes of a recorded run."""
    reason = reason_of(trace)
    if trace.verdict is not None:
        console.print(_violated(reason))
        _print_reason(console, reason)
    print_lanes(console, trace, reason, most=most)


def _clean_line(result: Result) -> Text:
    colour = "bold green" if result.verdict in ("clean", "certified") else "bold yellow"
    return Text.assemble(
        (result.verdict, colour),
        f"  {result.coverage}  ({_spent(result)})",
        f"\n{result.reason}" if result.reason else "",
    )


def _spent(result: Result) -> str:
    figures = result.certificate
    if figures is not None:
        rates = ", ".join(
            per_second(figures[f"{noun}s_per_second".replace("sss", "sses")], 1, noun) for noun in ("class", "state")
        )
        return f"{result.seconds:.1f} s, {rates}{_minimised(result)}, digest {figures['digest']}"
    rate = f"{per_second(result.schedules, result.seconds)}, " if result.seconds > 0 else ""
    return f"{result.seconds:.1f} s, {rate}seed {result.seed}{_minimised(result)}"


def _minimised(result: Result) -> str:
    return f", then {result.minimising:.1f} s to minimise and explain" if result.minimising >= 0.05 else ""


def _violated(reason: Reason) -> Text:
    return Text.assemble(("violated", "bold red"), "  ", (reason.invariant, "bold"), f": {reason.meaning}")


def _print_reason(console: Console, reason: Reason) -> None:
    console.print()
    place = f", at {source_line(reason.site)}" if reason.site else ""
    for line in _wrapped(console, reason.message + place, ""):
        console.print(line)
    console.print()
    for one in reason.cited:
        for line in _wrapped(console, one.text, f"  {one.letter}  "):
            console.print(line)
    for sentence in reason.sentences:
        for line in _wrapped(console, sentence, "  "):
            console.print(line)
    if reason.cited or reason.sentences:
        console.print()


def _wrapped(console: Console, text: str, before: str) -> list[str]:
    """A paragraph, its further lines below the first word of the first."""
    return textwrap.wrap(
        _spelled(text, glyphs_for(console)),
        console.width,
        initial_indent=before,
        subsequent_indent=" " * len(before),
        break_on_hyphens=False,
    )


def print_lanes(console: Console, trace: Trace, reason: Reason | None = None, *, most: int = MOST_ROWS) -> None:
    """One lane per rank, one line per operation in the order in which they were carried out."""
    rows = folded(joined(rows_of(trace, reason.marks if reason is not None else None)), most)
    ranks = shown_ranks(rows, ranks_of(trace))
    rows = fold_without_lane(rows, ranks)
    glyphs = glyphs_for(console)
    lanes = Lanes(ranks, glyphs)
    digits = max(4, len(str(max((row.step for row in rows if isinstance(row, Operation | Meeting)), default=0))))
    margin = digits + 4
    console.print(Text(_cut(_header(trace, ranks, margin), console.width, glyphs)), style="bright_black", no_wrap=True)
    for row in rows:
        graph = Text.assemble(*((text, _STYLES[style]) for text, style in lanes.row(row)))
        line = _described(row, console.width - margin - lanes.width - 2, glyphs)
        console.print(
            Text.assemble(_gutter(row, digits), graph, "  ", line), no_wrap=True, overflow="ignore", crop=True
        )
    _print_legend(console, rows, len(ranks_of(trace)) - len(ranks), glyphs)
    for rank, printed in printed_by(trace).items():
        console.print(f"\nrank {rank} printed, in the end:")
        for text in printed:
            console.print(Text("  " + _cut(_spelled(text, glyphs), console.width - 2, glyphs)), no_wrap=True)


def _header(trace: Trace, ranks: Sequence[int], margin: int) -> str:
    nodes: dict[int, list[int]] = {}
    for rank in ranks:
        nodes.setdefault(node_of(trace, rank), []).append(rank)
    said = "; ".join(f"node {node}: {ranks_said(group, '-')}" for node, group in nodes.items())
    return "step".rjust(margin - 2) + "  " + said


def _gutter(row: Row, digits: int) -> Text:
    mark = row.mark if isinstance(row, Operation) else ""
    step = str(row.step) if isinstance(row, Operation | Meeting) else ""
    return Text.assemble(
        (f"{mark:<2}", "bold red" if mark == "!" else "bold"), (f"{step:>{digits}}", "bright_black"), "  "
    )


def _described(row: Row, room: int, glyphs: Glyphs) -> Text:
    """What stands to the right of the lanes, in at most ``room`` columns."""
    if isinstance(row, Operation):
        return _operation(row, room, glyphs)
    if isinstance(row, Meeting):
        return Text(_cut(f"{row.said} of {len(row.ranks)} ranks", room, glyphs), style="bright_black")
    if isinstance(row, Fold):
        return Text(_cut(f"{glyphs.more} {row.said}", room, glyphs), style="bright_black italic")
    if isinstance(row, Heading):
        return Text(_cut(row.said, room, glyphs), style="bold")
    if not isinstance(row, Ended):
        return Text(_cut(row.said, room, glyphs), style="bold red")
    text = Text(_cut(f"rank {row.rank} {row.said}", room, glyphs), style="bold red")
    site = source_line(row.site)
    if site and len(text.plain) + 2 + len(site) <= room:
        text.append(site.rjust(room - len(text.plain)), style="not bold bright_black")
    return text


def _operation(row: Operation, room: int, glyphs: Glyphs) -> Text:
    """The operation and its line. Of one that matters, the paths give way to the line, else the line to the paths."""
    outcome = row.phrase.outcome
    error = row.phrase.refused
    tail = f"  {glyphs.dead + ' ' if row.failed and error else ''}{outcome}" if outcome else ""
    if len(tail) > room // 2:
        tail = _cut(tail, room // 2, glyphs)
    site = source_line(row.site)
    matters = bool(row.mark) or row.failed
    left = room - len(site) - 2 if site and matters and room - len(site) - 2 >= _LEAST_BESIDE_A_LINE else room
    wider = (len(glyphs.arrow) - 1) * (len(row.phrase.paths) - 1)
    line = row.phrase.line(max(left - len(tail) - wider, 16))
    line = _spelled(line, glyphs)
    text = Text.assemble(
        (line, "bold" if row.mark else ""), (tail, "red" if row.failed else "yellow" if error else "bright_black")
    )
    if site and len(text.plain) + 2 + len(site) <= room:
        text.append(site.rjust(room - len(text.plain)), style="bright_black")
    return text


def _print_legend(console: Console, rows: Sequence[Row], hidden_lanes: int, glyphs: Glyphs) -> None:
    notes = []
    switches = sum(1 for row in rows if isinstance(row, Operation) and row.switch == "chosen")
    if switches:
        line = glyphs.branch_right + glyphs.over * 2
        notes.append(f"{line}  {switches} context switch{'es' if switches > 1 else ''} that the schedule chose")
    left_out = sum(row.count for row in rows if isinstance(row, Fold))
    if left_out:
        notes.append(f"{glyphs.more}  {left_out:,} operations left out")
    if hidden_lanes > 0:
        notes.append(f"   {hidden_lanes} ranks have no lane: what they did is left out")
    for note in notes:
        console.print(Text("  " + note, style="bright_black"))


def _cut(text: str, room: int, glyphs: Glyphs) -> str:
    return text if len(text) <= room else text[: max(room - len(glyphs.ellipsis), 0)] + glyphs.ellipsis


def _spelled(text: str, glyphs: Glyphs) -> str:
    """The text in characters that the output can carry."""
    if glyphs is UNICODE:
        return text
    return text.replace("→", glyphs.arrow).replace("…", glyphs.ellipsis).encode("ascii", "backslashreplace").decode()

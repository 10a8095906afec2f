"""Progress bars, messages and text tables for the terminal.

Bars are drawn with rich on stderr where that is a terminal. Elsewhere, in a log file or a pipe, a plain line follows
each tenth of the work. rich is imported when the first bar or table is drawn.
"""

from __future__ import annotations

import io
import math
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cache
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

Item = TypeVar("Item")

REFRESH_SECONDS = 0.1
"""The shortest time between two drawings of a bar."""

TABLE_WIDTH = 10_000
"""Columns of the imaginary terminal that text tables are laid out for: wide enough that no cell is ever wrapped."""


def track(
    items: Iterable[Item], description: str, total: int, *, unit: str = "images", show: bool = True
) -> Iterator[Item]:
    """Iterate over items while stderr shows how many of them are done.

    Args:
        items: the items to iterate over.
        description: the name of the work, such as "predict".
        total: the number of items.
        unit: the plural name of the items.
        show: whether anything is printed.

    Yields:
        The items, unchanged.
    """
    with ProgressBar(description, total, unit=unit, show=show) as bar:
        for item in items:
            yield item
            bar.advance()


class ProgressBar:
    """Progress of a long task on stderr: a bar on a terminal, elsewhere a line for each tenth.

    The bar disappears when it is closed. It is a context manager; bars may be nested.

    Args:
        description: the name of the task, such as "predict".
        total: the number of items to process; None if it is unknown.
        unit: the plural name of the items; "bytes" are shown as kB, MB, … with their rate.
        start: the number of items that are done already.
        show: whether anything is printed.
        plain: whether lines are printed where stderr is not a terminal.
    """

    def __init__(
        self,
        description: str,
        total: int | None,
        *,
        unit: str = "images",
        start: int = 0,
        show: bool = True,
        plain: bool = True,
    ) -> None:
        self.description, self.total, self.unit, self.done = description, total, unit, start
        self._plain = show and plain
        self._progress = _start_progress(unit) if show and sys.stderr.isatty() else None
        self._drawn_at = 0.0
        if self._progress:
            self._task = self._progress.add_task(description, total=total, completed=start, status="")

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def advance(self, number: int = 1, *, description: str | None = None, status: str = "") -> None:
        """Count items as done.

        Args:
            number: how many more are done.
            description: a new name of the task, for the bar.
            status: text behind the bar, such as the current loss.
        """
        before, self.done = self.done, self.done + number
        if self._progress:
            self._progress.update(self._task, completed=self.done, description=description, status=status)
            if time.monotonic() - self._drawn_at >= REFRESH_SECONDS:
                self._progress.refresh()
                self._drawn_at = time.monotonic()
        elif self._plain and self.total and 10 * self.done // self.total > 10 * before // self.total:
            print(f"{self.description}: {self.done} of {self.total} {self.unit}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Remove the bar from the terminal. Closing a second time does nothing."""
        if self._progress:
            self._progress.stop()
            self._progress = None


def print_above(text: str, *, stderr: bool = False) -> None:
    """Print a line without damaging the progress bars: they move down.

    Args:
        text: the line.
        stderr: whether it goes to stderr rather than to stdout.
    """
    stream = sys.stderr if stderr else sys.stdout
    if sys.stderr.isatty() and stream.isatty():
        _terminal().print(text, markup=False, highlight=False, emoji=False, soft_wrap=True)
    else:
        print(text, file=stream, flush=True)


def text_table(rows: Sequence[Sequence[object]], *, left: Collection[int] = (0,)) -> str:
    """Lay out rows as lines of aligned columns, two spaces apart.

    Args:
        rows: the rows, the header first if there is one; all of one length. Floats get four decimals, nan a dash.
        left: the columns that are aligned to the left; all others are aligned to the right.

    Returns:
        One line for each row, without a newline at the end and without spaces at the ends of lines.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for column in range(len(rows[0])):
        table.add_column(justify="left" if column in left else "right", no_wrap=True)
    for row in rows:
        table.add_row(*[Text(format_value(value, ".4f")) for value in row])
    page = io.StringIO()
    Console(file=page, width=TABLE_WIDTH, color_system=None, force_jupyter=False).print(table)
    return "\n".join(line.rstrip() for line in page.getvalue().splitlines())


def format_value(value: object, digits: str = ".4g") -> str:
    """Format a table cell: a float with the given format specification, nan as a dash, anything else as it is."""
    if not isinstance(value, float):
        return str(value)
    return "–" if math.isnan(value) else format(value, digits)


@cache
def _terminal() -> Console:
    """Return the one console that all bars share: nested bars have to know each other."""
    from rich.console import Console

    return Console(stderr=True, force_jupyter=False)


def _start_progress(unit: str) -> Progress:
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    count: tuple[ProgressColumn, ...] = (MofNCompleteColumn(), TextColumn(unit, markup=False))
    if unit == "bytes":
        count = (DownloadColumn(), TransferSpeedColumn())
    progress = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        *count,
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[status]}", markup=False),
        console=_terminal(),
        transient=True,
        # No thread and no replaced sys.stderr: worker processes are forked while a bar is drawn.
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    progress.start()
    progress.console.show_cursor(True)  # rich hides it, and a killed process would leave the terminal without one
    return progress

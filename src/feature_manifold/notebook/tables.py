"""Lists of results that look like tables, in a notebook and in a terminal."""

import html
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar, overload

from feature_manifold.core.display import visible

RowT = TypeVar("RowT")
Cell = str | int | float | bool | None

SHOWN_ROWS = 20
SHOWN_LETTERS = 60


class Table(Sequence[RowT], Generic[RowT]):
    """Results in order, with the columns under which they are shown.

    Indexing gives the results themselves, a slice gives a shorter table.

    Parameters
    ----------
    items
        The results.
    columns
        For each column, how to get its cell from a result.
    title
        What is listed, in a few words.
    most
        Rows that are shown at most.
    """

    def __init__(
        self,
        items: Sequence[RowT],
        columns: Mapping[str, Callable[[RowT], Cell]],
        *,
        title: str,
        most: int = SHOWN_ROWS,
    ) -> None:
        self._items = tuple(items)
        self._columns = dict(columns)
        self._most = most
        self.title = title

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self._columns)

    def to_rows(self) -> list[dict[str, Cell]]:
        """Return a dict a row, by column: what ``pandas.DataFrame`` or ``csv.DictWriter`` take."""
        return [{name: cell(item) for name, cell in self._columns.items()} for item in self._items]

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[RowT]:
        return iter(self._items)

    @overload
    def __getitem__(self, place: int) -> RowT: ...

    @overload
    def __getitem__(self, place: slice) -> "Table[RowT]": ...

    def __getitem__(self, place: int | slice) -> "RowT | Table[RowT]":
        if isinstance(place, slice):
            return Table(self._items[place], self._columns, title=self.title, most=self._most)
        return self._items[place]

    def __repr__(self) -> str:
        rows = [self.columns, *self._shown()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join([self._heading(), *lines])

    def _repr_html_(self) -> str:
        """Return the table as HTML; texts are escaped, whatever they hold."""
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in self._shown()
        )
        caption = f"<caption>{html.escape(self._heading())}</caption>"
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _heading(self) -> str:
        n = len(self)
        shown = f", the first {self._most}" if n > self._most else ""
        return f"{self.title}: {n:,}{shown}"

    def _shown(self) -> list[tuple[str, ...]]:
        return [
            tuple(shown(cell(item)) for cell in self._columns.values())
            for item in self._items[: self._most]
        ]


def shown(value: Cell) -> str:
    """Return a cell as it is read: numbers to three digits, one line of text, nothing for none."""
    if value is None or value != value:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, int):
        return str(value)
    text = visible(value)
    return text if len(text) <= SHOWN_LETTERS else text[: SHOWN_LETTERS - 1] + "…"

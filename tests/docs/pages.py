"""The documentation as tests see it: pages, sections, tables, code, shell commands."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / f"{name}.md" for name in ("README", "ARCHITECTURE", "CONTRIBUTING", "CHANGELOG")),
    *sorted((ROOT / "docs").glob("*.md")),
]
PAGE_IDS = [path.relative_to(ROOT).as_posix() for path in PAGES]

HEADING = re.compile(r"^(#+) (.*)$", re.MULTILINE)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
CELL_BREAK = re.compile(r"(?<!\\)\|")


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def without_fences(text: str) -> str:
    return FENCE.sub("", text)


def headings(text: str) -> list[str]:
    return [match[2] for match in HEADING.finditer(without_fences(text))]


def section(text: str, heading: str) -> str:
    """Return the text below a heading, up to the next one of its level or above."""
    lines = text.splitlines()
    starts = [
        at for at, line in enumerate(lines) if re.fullmatch(r"#+ ", line[: line.find(" ") + 1])
    ]
    for number, at in enumerate(starts):
        marks, _, title = lines[at].partition(" ")
        if title != heading:
            continue
        later = (end for end in starts[number + 1 :] if len(lines[end].split(" ")[0]) <= len(marks))
        return "\n".join(lines[at + 1 : next(later, len(lines))])
    raise AssertionError(f"there is no section '{heading}'")


def blocks(text: str, language: str) -> list[str]:
    return [match[2] for match in FENCE.finditer(text) if match[1] == language]


def spans(text: str) -> list[str]:
    """Return what stands in backquotes, outside of code blocks."""
    return SPAN.findall(without_fences(text))


def tables(text: str) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Yield (header, rows) of every table, cells stripped."""
    lines = [*without_fences(text).splitlines(), ""]
    start = None
    for at, line in enumerate(lines):
        if line.startswith("|") and start is None:
            start = at
        elif not line.startswith("|") and start is not None:
            header, _, *rows = (_cells(row) for row in lines[start:at])
            yield header, rows
            start = None


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in CELL_BREAK.split(line)[1:-1]]


def rows_of(text: str, *header: str) -> list[list[str]]:
    """Return the rows of all tables whose header starts with these cells."""
    found = [rows for have, rows in tables(text) if have[: len(header)] == list(header)]
    assert found, f"there is no table with the header {header}"
    return [row for rows in found for row in rows]


def names_in(cell: str) -> list[str]:
    return SPAN.findall(cell)


def shell_commands(text: str) -> Iterator[list[str]]:
    """Yield the words of every command in bash blocks and in backquotes."""
    lines = [
        line for block in blocks(text, "bash") for line in block.replace("\\\n", " ").splitlines()
    ]
    for line in (*lines, *(span for span in spans(text) if " " in span)):
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            # Prose in backquotes, for instance an apostrophe: no command.
            continue
        while "&&" in words:
            at = words.index("&&")
            yield words[:at]
            words = words[at + 1 :]
        if words:
            yield words


def anchor(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    text = re.sub(r"[^\w\- ]", "", heading.replace("`", "")).strip().lower()
    return text.replace(" ", "-")

"""Read the concepts of a user from a YAML or JSON file.

The file is a list of entries, or a mapping with that list under ``concepts``. An entry has

==============  =====================================================================
``name``        Lower-case letters, digits and hyphens.
``kind``        ``circular`` or ``ordered``.
``words``       Steps in order; a step is a word, or a list of its spellings.
``values``      Optional, one number per step; by default 0, 1, 2, …
``period``      Optional, circular only: what a full turn adds; by default the number of steps.
``ambiguous``   Optional, the spellings that often mean something else.
``about``       Optional, one line.
==============  =====================================================================
"""

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import yaml

from feature_manifold.core.concepts import Concept, Kind, by_name
from feature_manifold.core.errors import ConfigError

MAX_FILE_BYTES = 256 * 1024
MAX_CONCEPTS = 200
MAX_STEPS = 1000
MAX_SPELLINGS = 50
MAX_LETTERS = 200
NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
KEYS = ("name", "kind", "words", "values", "period", "ambiguous", "about")


def load_concepts(path: Path) -> Mapping[str, Concept]:
    """Read the concepts in a file, by name.

    Parameters
    ----------
    path
        JSON if it ends in ``.json``, else YAML, which is never made into objects.

    Raises
    ------
    ConfigError
        Naming the file, the entry and what is wrong with it.
    """
    try:
        content = path.read_bytes()
        if len(content) > MAX_FILE_BYTES:
            raise ConfigError(f"{path} has {len(content):,} bytes; at most {MAX_FILE_BYTES:,}.")
        text = content.decode("utf-8")
        values = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except FileNotFoundError:
        raise ConfigError(f"No concept file {path}.") from None
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        detail = " ".join(str(error).split())[:300]
        raise ConfigError(f"Cannot read the concepts of {path}: {detail}") from error
    entries = values.get("concepts") if isinstance(values, dict) else values
    if not isinstance(entries, list) or not entries:
        raise ConfigError(f"{path} is no list of concepts; docs/search.md shows one.")
    if len(entries) > MAX_CONCEPTS:
        raise ConfigError(f"{path} has {len(entries):,} concepts; at most {MAX_CONCEPTS}.")
    concepts = [make_concept(entry, where=f"{path}, entry {n}") for n, entry in enumerate(entries)]
    names = [concept.name for concept in concepts]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{path}: {names.count(name)} entries are named '{name}'.")
    return by_name(concepts)


def make_concept(entry: Any, *, where: str) -> Concept:
    """Check one entry, as a file or a request has it.

    Parameters
    ----------
    entry
        A mapping with the keys of this module's table.
    where
        What to call it in errors.

    Raises
    ------
    ConfigError
        Naming the entry and what is wrong with it.
    """
    if not isinstance(entry, dict):
        raise ConfigError(f"{where} is no mapping with the keys {', '.join(KEYS)}.")
    name = entry.get("name")
    if not isinstance(name, str) or not NAME_PATTERN.fullmatch(name):
        _refuse(where, f"name: lower-case letters, digits, hyphens, not {_shown(name)}")
    where = f"{where} '{name}'"
    for key in entry:
        if key not in KEYS:
            _refuse(where, f"unknown key {_shown(key)}; there are {', '.join(KEYS)}")
    words = _words(entry.get("words"), where)
    kind, period = _kind(entry, len(words), where)
    return Concept(
        name=name,
        kind=kind,
        words=words,
        values=_values(entry.get("values"), len(words), where),
        period=period,
        ambiguous=_ambiguous(entry.get("ambiguous", []), words, where),
        about=_about(entry.get("about", ""), where),
    )


def _words(given: Any, where: str) -> tuple[tuple[str, ...], ...]:
    if not isinstance(given, list) or not 2 <= len(given) <= MAX_STEPS:
        _refuse(where, f"words: a list of 2 to {MAX_STEPS:,} steps is wanted")
    steps = []
    for number, step in enumerate(given):
        spellings = step if isinstance(step, list) else [step]
        if not 1 <= len(spellings) <= MAX_SPELLINGS:
            _refuse(where, f"words, step {number}: 1 to {MAX_SPELLINGS} spellings are wanted")
        steps.append(tuple(_word(word, f"words, step {number}", where) for word in spellings))
    return tuple(steps)


def _word(given: Any, key: str, where: str) -> str:
    # YAML reads no, yes, on and off as truth values, and dates as dates.
    if isinstance(given, bool) or not isinstance(given, str | int):
        _refuse(where, f"{key}: {_shown(given)} is no word; put it in quotes")
    word = str(given).strip()
    if not 1 <= len(word) <= MAX_LETTERS:
        _refuse(where, f"{key}: a word of 1 to {MAX_LETTERS} letters is wanted")
    return word


def _kind(entry: dict[Any, Any], n_steps: int, where: str) -> tuple[Kind, float | None]:
    kind, period = entry.get("kind"), entry.get("period")
    if kind == "ordered":
        if period is not None:
            _refuse(where, "period: only a circular concept has one")
        return "ordered", None
    if kind != "circular":
        _refuse(where, f"kind: circular or ordered, not {_shown(kind)}")
    if period is None:
        return "circular", float(n_steps)
    if not _is_number(period) or period <= 0:
        _refuse(where, f"period: a positive number, not {_shown(period)}")
    return "circular", float(period)


def _values(given: Any, n_steps: int, where: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    if given is None:
        return np.arange(n_steps, dtype=np.float64)
    if not isinstance(given, list) or len(given) != n_steps or not all(map(_is_number, given)):
        _refuse(where, f"values: a list of {n_steps} finite numbers is wanted, one per step")
    return np.array(given, dtype=np.float64)


def _ambiguous(given: Any, words: tuple[tuple[str, ...], ...], where: str) -> frozenset[str]:
    if not isinstance(given, list) or len(given) > MAX_STEPS * MAX_SPELLINGS:
        _refuse(where, "ambiguous: a list of spellings is wanted")
    listed = frozenset(_word(word, "ambiguous", where) for word in given)
    unknown = listed - {spelling for step in words for spelling in step}
    if unknown:
        _refuse(where, f"ambiguous: {_shown(min(unknown))} is not among the words")
    return listed


def _about(given: Any, where: str) -> str:
    if not isinstance(given, str) or len(given) > MAX_LETTERS:
        _refuse(where, f"about: a text of at most {MAX_LETTERS} letters is wanted")
    return given


def _is_number(given: Any) -> bool:
    if isinstance(given, bool) or not isinstance(given, int | float):
        return False
    try:
        return math.isfinite(float(given))
    except OverflowError:
        return False


def _shown(given: Any) -> str:
    return repr(given)[:60] if isinstance(given, str | int | float | None) else type(given).__name__


def _refuse(where: str, what: str) -> NoReturn:
    raise ConfigError(f"{where}: {what}. See docs/search.md.")

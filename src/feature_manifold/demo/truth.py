"""The true place of every word of the demo language, as shipped in ``ground_truth.json``.

Schema, version 1: ``{"format_version": 1, "groups": [{"name", "kind", "words", "token_ids",
"coordinates"}]}``. ``kind`` is ``circle`` (coordinates ``[[angle in radians], ..]``, from 0 up to
2 pi), ``line`` (``[[position], ..]``, in steps from 0) or ``plane`` (``[[x, y], ..]``, in the unit
square). Words are in group order; every word is one token.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from feature_manifold.core.errors import CorruptArtifactError, MissingArtifactError
from feature_manifold.demo.groups import GROUPS, Kind
from feature_manifold.demo.tokenizer import token_index

FORMAT_VERSION = 1


@dataclass(frozen=True)
class TrueGroup:
    """One group of words with known geometry.

    Attributes
    ----------
    name
        Name of the group.
    kind
        Circle, line or plane.
    words
        Its words, in group order.
    token_ids
        Token id of each word, int64 (n_words,).
    coordinates
        Float64 (n_words, 1): angle in radians on a circle, position on a line; (n_words, 2): x
        and y on a plane.
    """

    name: str
    kind: Kind
    words: tuple[str, ...]
    token_ids: NDArray[np.int64]
    coordinates: NDArray[np.float64]


def save_truth(path: Path) -> None:
    """Write the ground truth of every group of the language."""
    index = token_index()
    groups = [
        {
            "name": group.name,
            "kind": str(group.kind),
            "words": list(group.words),
            "token_ids": [index[word] for word in group.words],
            "coordinates": np.round(group.coordinates, 6).tolist(),
        }
        for group in GROUPS
    ]
    content = {"format_version": FORMAT_VERSION, "groups": groups}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def load_truth(path: Path) -> dict[str, TrueGroup]:
    """Read the ground truth, by group name.

    Raises
    ------
    MissingArtifactError
        If there is no such file.
    CorruptArtifactError
        If it is not ground truth of this version.
    """
    if not path.is_file():
        raise MissingArtifactError(
            f"There is no ground truth at {path}. Make it with: fmi train-demo {path.parent}"
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format_version"] != FORMAT_VERSION:
            raise CorruptArtifactError(
                f"{path} has format version {content['format_version']}, this package reads "
                f"{FORMAT_VERSION}. Make it anew with: fmi train-demo {path.parent}"
            )
        groups = [_group(item) for item in content["groups"]]
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptArtifactError(
            f"{path} is not a ground-truth file ({error}). Make it anew with: "
            f"fmi train-demo {path.parent}"
        ) from error
    return {group.name: group for group in groups}


def _group(item: dict[str, object]) -> TrueGroup:
    words = item["words"]
    if not isinstance(words, list):
        raise TypeError("words is not a list")
    token_ids = np.array(item["token_ids"], dtype=np.int64)
    coordinates = np.array(item["coordinates"], dtype=np.float64)
    kind = Kind(str(item["kind"]))
    if token_ids.shape != (len(words),):
        raise ValueError(f"{item['name']}: one token id a word is expected")
    if coordinates.shape != (len(words), 2 if kind is Kind.PLANE else 1):
        raise ValueError(f"{item['name']}: coordinates have shape {coordinates.shape}")
    return TrueGroup(str(item["name"]), kind, tuple(map(str, words)), token_ids, coordinates)

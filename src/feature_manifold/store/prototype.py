"""Files of the specification's prototype that our own layout has no word for."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from feature_manifold.core.arrays import Array
from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.store.npy import open_npy
from feature_manifold.store.npz import NpzFile

UNKNOWN_TEXT = "�"
"""How a token reads whose text nothing tells."""

TOKEN_IDS = "token_ids.npy"
TOKEN_MAP = "token_map.npy"
LATENT_PATTERN = re.compile(r"[0-9]{5,}\.npz")
MAX_TEXTS = 1 << 24
"""Entries of the largest vocabulary believed."""


@dataclass(frozen=True)
class LatentFile:
    """One ``latents/{id}.npz``.

    Attributes
    ----------
    latent
        Its id, from the file's name.
    path
        The file.
    n_firings
        Its length.
    dtype
        Type of its activations.
    """

    latent: int
    path: Path
    n_firings: int
    dtype: np.dtype[Any]


def latent_file_paths(folder: Path) -> list[tuple[int, Path]]:
    """Return (latent, file) of the per-latent files of a folder, by latent.

    Names have five digits, from latent 100,000 on six, so that they do not sort as text.

    Raises
    ------
    CorruptArtifactError
        If two files are of one latent.
    """
    names = (path for path in folder.glob("*.npz") if LATENT_PATTERN.fullmatch(path.name))
    found = sorted((int(path.stem), path) for path in names)
    for (one, first), (other, second) in itertools.pairwise(found):
        if one == other:
            raise CorruptArtifactError(f"{first} and {second} are both of latent {one}.")
    return found


def latent_files(folder: Path) -> Iterator[LatentFile]:
    """Read the headers of the per-latent files of a folder, by latent.

    Raises
    ------
    CorruptArtifactError
        Naming the file that is not one.
    """
    for latent, path in latent_file_paths(folder):
        with NpzFile(path) as file:
            tokens, activations = file.column("token_indices"), file.column("activations")
        if tokens.dtype.kind not in "iu" or activations.dtype.kind != "f":
            raise CorruptArtifactError(
                f"{path}: token_indices of {tokens.dtype} and activations of {activations.dtype}, "
                "expected integers and floats."
            )
        if len(tokens.shape) != 1 or tokens.shape != activations.shape:
            raise CorruptArtifactError(
                f"{path}: token_indices of shape {tokens.shape} and activations of shape "
                f"{activations.shape}, expected one shape (n,)."
            )
        yield LatentFile(latent, path, tokens.shape[0], activations.dtype)


def read_latent_file(found: LatentFile, *, n_tokens: int, dtype: Any) -> tuple[Array, Array]:
    """Read one latent's firings.

    Returns
    -------
    tokens : numpy.ndarray
        uint32 (n_firings,), rising.
    activations : numpy.ndarray
        ``dtype`` (n_firings,), finite and positive.

    Raises
    ------
    CorruptArtifactError
        Naming the file and the row that cannot be.
    """
    with NpzFile(found.path) as file:
        tokens, activations = file.array("token_indices"), file.array("activations")
    _refuse(found.path, (tokens < 0) | (tokens >= n_tokens), tokens, f"expected below {n_tokens:,}")
    falls = np.zeros(len(tokens), dtype=bool)
    falls[1:] = tokens[1:] <= tokens[:-1]
    _refuse(found.path, falls, tokens, "not above the one before it")
    with np.errstate(over="ignore", under="ignore"):
        stored = activations.astype(dtype)
    bad = ~(np.isfinite(stored) & (stored > 0))
    _refuse(found.path, bad, activations, "expected a finite number above 0", word="activation")
    return tokens.astype(np.uint32), stored


def _refuse(path: Path, wrong: Array, values: Array, what: str, *, word: str = "token") -> None:
    if wrong.any():
        row = int(wrong.argmax())
        raise CorruptArtifactError(f"{path}, row {row:,}: bad {word} {values[row]}, {what}.")


def read_corpus_arrays(folder: Path) -> tuple[Array, Array, Array]:
    """Read ``token_ids.npy`` and, if it is there, ``token_map.npy``.

    Returns
    -------
    token_id, doc_id, position : numpy.ndarray
        int32 (n_tokens,), -1 where unknown.

    Raises
    ------
    MissingArtifactError, CorruptArtifactError
        If the ids are not there, the two differ in length, or a value is below -1.
    """
    integers = ("<i4", "<i8")
    token_id = _int32(
        folder / TOKEN_IDS, open_npy(folder / TOKEN_IDS, dtypes=integers, shape=(None,))
    )
    n_tokens, path = len(token_id), folder / TOKEN_MAP
    if not path.exists():
        unknown = np.full(n_tokens, -1, dtype=np.int32)
        return token_id, unknown, unknown.copy()
    places = _int32(path, open_npy(path, dtypes=integers, shape=(n_tokens, 2)))
    return token_id, places[:, 0].copy(), places[:, 1].copy()


def _int32(path: Path, values: Array) -> Array:
    for wrong in (values < -1, values > np.iinfo(np.int32).max):
        if wrong.any():
            row = int(np.argwhere(wrong)[0][0])
            raise CorruptArtifactError(
                f"{path}, row {row:,}: bad value {values[row]}, expected -1 (unknown) or more."
            )
    return np.asarray(values, dtype=np.int32)


def load_json_object(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    CorruptArtifactError
        If the file is none.
    """
    try:
        content = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise CorruptArtifactError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise CorruptArtifactError(f"{path} is not a JSON object.")
    return content


def load_foreign_vocabulary(path: Path) -> list[str]:
    """Read the text of each token id from another program's file.

    Parameters
    ----------
    path
        ``vocab.json``: an array of texts, an object from id to text, or, as tokenizers write it,
        from text to id. Or ``latent_labels.json``, which tells the texts of some ids.

    Returns
    -------
    list of str
        U+FFFD where the file tells no text.

    Raises
    ------
    CorruptArtifactError
        If it is none of these.
    """
    try:
        content = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise CorruptArtifactError(f"{path} is not JSON: {error}") from error
    pairs = _text_pairs(content)
    if pairs is None or any(not 0 <= token_id < MAX_TEXTS for token_id, _ in pairs):
        raise CorruptArtifactError(
            f"{path} is no vocabulary: expected an array of texts, or an object of ids and texts. "
            "Leave it out, or say whose tokenizer to use: --tokenizer"
        )
    texts = [UNKNOWN_TEXT] * (max((token_id for token_id, _ in pairs), default=-1) + 1)
    for token_id, text in pairs:
        texts[token_id] = text
    return texts


def _text_pairs(content: Any) -> list[tuple[int, str]] | None:
    """Return (id, text) pairs, or None if the content is none of the known forms."""
    try:
        if isinstance(content, list):
            pairs = list(enumerate(content))
        elif all(isinstance(value, dict) for value in content.values()):
            labels = [value for value in content.values() if value["token_id"] is not None]
            pairs = [(label["token_id"], label["token"]) for label in labels]
        elif all(isinstance(value, int) for value in content.values()):
            pairs = [(token_id, text) for text, token_id in content.items()]
        else:
            pairs = [(int(token_id), text) for token_id, text in content.items()]
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    well_formed = all(type(token_id) is int and isinstance(text, str) for token_id, text in pairs)
    return pairs if well_formed else None

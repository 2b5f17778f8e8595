"""The JSON of the static site, key for key as the specification has it."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp

from feature_manifold.core.arrays import Array, Int64Array
from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.core.jobs import even_jobs
from feature_manifold.store.examples import ExampleSet

SEARCH_VERSION = 1
BLOCK_EDGES = 1 << 20
WEIGHT_DECIMALS = 7
"""A float32 weight of at most 1 keeps its precision; its digits beyond are noise."""


def index_payload(
    statistics: Array,
    examples: ExampleSet,
    vocabulary: Sequence[str],
    *,
    num_tokens: int,
    top_k: int,
    sample_percentiles: bool,
    context_size: int,
) -> dict[str, Any]:
    """Return ``index.json``: what there is, and label and counts of every latent.

    Parameters
    ----------
    statistics
        STATISTICS_DTYPE (n_latents,).
    examples
        Of the same latents.
    vocabulary
        Text of every token id.
    num_tokens
        Tokens of the corpus that the firings are of: what a firing rate is relative to.
    top_k, sample_percentiles, context_size
        How the examples were picked.

    Returns
    -------
    dict
        ``latents`` is keyed by decimal id; the label of a latent that never fires is null.
    """
    labels = _texts(vocabulary, statistics["label_token_id"])
    rows = zip(labels, statistics["count"].tolist(), np.diff(examples.indptr).tolist(), strict=True)
    return {
        "n_latents": len(statistics),
        "num_tokens": num_tokens,
        "top_k": top_k,
        "sample_percentiles": sample_percentiles,
        "context_size": context_size,
        "latents": {
            str(latent): {"label": label, "total_firings": count, "n_examples": n_examples}
            for latent, (label, count, n_examples) in enumerate(rows)
        },
    }


def _texts(vocabulary: Sequence[str], token_ids: Array) -> list[str | None]:
    """Return the text of each token id, None for -1."""
    if len(token_ids) and int(token_ids.max()) >= len(vocabulary):
        raise CorruptArtifactError(
            f"Token id {int(token_ids.max()):,} is not in the vocabulary of "
            f"{len(vocabulary):,} entries: vocabulary.json is of another tokenizer. "
            "Make the corpus again."
        )
    return [vocabulary[token_id] if token_id >= 0 else None for token_id in token_ids.tolist()]


def positions_payload(positions: Array) -> dict[str, Any]:
    """Return ``positions.json`` of float32 (n_latents, 2).

    Raises
    ------
    CorruptArtifactError
        If a position is not finite: JSON has no word for it.
    """
    _check_finite("Positions", positions)
    return {"n_latents": len(positions), "positions": np.ascontiguousarray(positions)}


def _check_finite(name: str, values: Array) -> None:
    if not np.isfinite(values).all():
        raise CorruptArtifactError(
            f"{name} are not all finite. Make them again with: "
            "fmi run CONFIG.yaml --only graph --force"
        )


def search_index_payload(examples: ExampleSet, vocabulary: Sequence[str]) -> dict[str, Any]:
    """Return ``search_index.json``: for each token, the latents that fire on it most.

    Parameters
    ----------
    examples
        Whose ``token_ids`` are listed.
    vocabulary
        Text of every token id; ids of equal text share one entry.

    Returns
    -------
    dict
        ``tokens`` maps text to latent ids, those that fire on it most often first; ``n_tokens``
        counts its entries.
    """
    n_latents = len(examples.token_indptr) - 1
    latents = np.repeat(np.arange(n_latents), np.diff(examples.token_indptr))
    texts = _texts(vocabulary, np.asarray(examples.token_ids))
    number: dict[str | None, int] = {}
    entry = np.array([number.setdefault(text, len(number)) for text in texts], dtype=np.int64)
    pairs, place = np.unique(entry * n_latents + latents, return_inverse=True)
    counts = np.zeros(len(pairs), dtype=np.int64)
    np.add.at(counts, place, examples.token_counts)
    entries, ids = np.divmod(pairs, max(n_latents, 1))
    order = np.lexsort((ids, -counts, entries))
    listed = ids[order].tolist()
    ends = np.searchsorted(entries[order], np.arange(len(number) + 1)).tolist()
    lists = (listed[first:last] for first, last in pairwise(ends))
    return {
        "version": SEARCH_VERSION,
        "n_latents": n_latents,
        "n_tokens": len(number),
        "tokens": dict(sorted(zip(number, lists, strict=True))),
    }


def edges_payload(
    edges: sp.csr_matrix, *, max_edges_per_node: int, threshold: float, source_file: str
) -> dict[str, Any]:
    """Return ``edges.json``: the strongest edges of every latent, each edge once.

    Parameters
    ----------
    edges
        Symmetric float32 (n_latents, n_latents).
    max_edges_per_node
        An edge is listed if it is among so many strongest of either of its latents.
    threshold
        Least weight listed.
    source_file
        Name of the file that holds ``edges``.

    Returns
    -------
    dict
        Edges by source, then target, source below target.

    Raises
    ------
    CorruptArtifactError
        If a weight is not finite.
    """
    _check_finite("Edge weights", edges.data)
    source, target, weight = _strongest(edges, max_edges_per_node, threshold)
    rows = zip(
        source.tolist(),
        target.tolist(),
        np.round(weight.astype(np.float64), WEIGHT_DECIMALS).tolist(),
        strict=True,
    )
    return {
        "edges": [{"source": a, "target": b, "weight": value} for a, b, value in rows],
        "n_edges": len(source),
        "max_edges_per_node": max_edges_per_node,
        "threshold": threshold,
        "source_file": source_file,
    }


def _strongest(
    edges: sp.csr_matrix, per_node: int, threshold: float
) -> tuple[Int64Array, Int64Array, Array]:
    n = edges.shape[0]
    # In blocks of rows: sorting 1e7 edges at once takes ten times the memory of the matrix.
    blocks = even_jobs(edges.indptr.astype(np.int64), entries=BLOCK_EDGES, per_row=1)
    parts = [_strongest_of(edges[first:last], first, per_node, threshold) for first, last in blocks]
    one, other, weight = (np.concatenate(column) for column in zip(*parts, strict=True))
    pairs, at = np.unique(np.minimum(one, other) * n + np.maximum(one, other), return_index=True)
    source, target = np.divmod(pairs, max(n, 1))
    return source, target, weight[at]


def _strongest_of(
    rows: sp.csr_matrix, first: int, per_node: int, threshold: float
) -> tuple[Int64Array, Int64Array, Array]:
    """Return latent, other and weight of the strongest edges of each row, the first row first."""
    kept = np.flatnonzero(rows.data >= threshold)
    latents = np.repeat(np.arange(rows.shape[0], dtype=np.int64), np.diff(rows.indptr))[kept]
    order = np.lexsort((rows.indices[kept], -rows.data[kept], latents))
    kept, latents = kept[order], latents[order]
    rank = np.arange(len(kept)) - np.searchsorted(latents, latents)
    strong = rank < per_node
    kept = kept[strong]
    return latents[strong] + first, rows.indices[kept].astype(np.int64), rows.data[kept]


def experiment_entry(
    experiment_id: str, metadata: Mapping[str, Any], *, has_visualizer: bool
) -> dict[str, Any]:
    """Return one entry of ``experiments.json``.

    Raises
    ------
    CorruptArtifactError
        If the metadata lacks a key of the specification.
    """
    keys = {
        "model": "model_name",
        "layer": "layer",
        "sae_width": "sae_width",
        "sae_l0": "sae_l0",
        "num_tokens": "num_tokens",
        "n_latents": "n_latents",
        "d_model": "d_model",
    }
    missing = [name for name in keys.values() if name not in metadata]
    if missing:
        raise CorruptArtifactError(
            f"metadata.json of experiment '{experiment_id}' lacks {', '.join(missing)}. "
            "Make it again with: fmi run CONFIG.yaml --only harvest"
        )
    entry = {name: metadata[key] for name, key in keys.items()}
    return {"id": experiment_id, **entry, "has_visualizer": has_visualizer}


def experiments_payload(entries: Iterable[Mapping[str, Any]], *, updated_at: str) -> dict[str, Any]:
    """Return ``experiments.json`` of some ``experiment_entry``, sorted by id."""
    ordered = sorted((dict(entry) for entry in entries), key=lambda entry: str(entry["id"]))
    return {"experiments": ordered, "updated_at": updated_at}

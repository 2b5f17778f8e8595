"""Edges between latents: sparse symmetric matrices."""

import zipfile
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from feature_manifold.core.errors import CorruptArtifactError, MissingArtifactError

LARGEST_COUNT = 1 << 24
"""Up to here float32 holds every whole number."""


def save_edges(path: Path, edges: sp.csr_matrix) -> None:
    """Write a scipy CSR matrix (n_latents, n_latents), uncompressed.

    Weights are float32, or float64 if one is a count that float32 would round.
    """
    with path.open("wb") as file:
        sp.save_npz(file, _narrowed(sp.csr_matrix(edges)), compressed=False)


def _narrowed(edges: sp.csr_matrix) -> sp.csr_matrix:
    large = edges.data.max(initial=0) > LARGEST_COUNT
    return edges.astype(np.float64 if large else np.float32, copy=False)


def load_edges(path: Path) -> sp.csr_matrix:
    """Read edges written by ``save_edges`` or by any scipy of the specification's prototype.

    Returns
    -------
    scipy.sparse.csr_matrix
        (n_latents, n_latents), float32, or float64 if a weight is a count above 2**24.

    Raises
    ------
    MissingArtifactError, CorruptArtifactError
        If the file is missing, truncated, or not a square matrix of finite weights.
    """
    try:
        edges = _narrowed(sp.csr_matrix(sp.load_npz(path)))
    except FileNotFoundError:
        raise MissingArtifactError(
            f"No file {path}. Make it with: fmi run CONFIG.yaml --only graph"
        ) from None
    except (ValueError, zipfile.BadZipFile, EOFError, KeyError, OSError) as error:
        raise CorruptArtifactError(f"{path} is not a sparse matrix file: {error}") from error
    if edges.shape[0] != edges.shape[1] or not np.isfinite(edges.data).all():
        raise CorruptArtifactError(
            f"{path}: shape {edges.shape}; expected a square matrix of finite weights."
        )
    return edges

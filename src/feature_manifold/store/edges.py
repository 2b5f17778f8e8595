"""Edges between latents: sparse symmetric matrices."""

import zipfile
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from feature_manifold.core.errors import CorruptArtifactError, MissingArtifactError


def save_edges(path: Path, edges: sp.csr_matrix) -> None:
    """Write a scipy CSR matrix, float32 (n_latents, n_latents), uncompressed."""
    with path.open("wb") as file:
        sp.save_npz(file, sp.csr_matrix(edges, dtype=np.float32), compressed=False)


def load_edges(path: Path) -> sp.csr_matrix:
    """Read edges written by ``save_edges`` or by any scipy of the specification's prototype.

    Raises
    ------
    MissingArtifactError, CorruptArtifactError
        If the file is missing, truncated, or not a square matrix of finite weights.
    """
    try:
        edges = sp.csr_matrix(sp.load_npz(path), dtype=np.float32)
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

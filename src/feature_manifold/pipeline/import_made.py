"""Stages that take what cannot be made again: positions and edges, exported JSON."""

from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from feature_manifold.core.arrays import Array
from feature_manifold.core.config import config_hash
from feature_manifold.core.errors import CorruptArtifactError
from feature_manifold.pipeline.adopt import (
    PROCESS_BYTES,
    copied_bytes,
    link_or_copy,
)
from feature_manifold.pipeline.import_source import (
    INDEX_JSON,
    ImportSource,
    identity_of,
)
from feature_manifold.pipeline.stage import Stage, StageContext, StageResult
from feature_manifold.store.edges import load_edges, save_edges
from feature_manifold.store.fingerprint import fingerprint
from feature_manifold.store.layout import (
    EDGES,
    POSITIONS,
)
from feature_manifold.store.npy import open_npy, save_npy
from feature_manifold.store.npz import NpzFile
from feature_manifold.store.prototype import (
    load_json_object,
)
from feature_manifold.store.token_table import (
    save_metadata,
)


def graph_stage(source: ImportSource) -> Stage:
    """Return the stage that takes positions and edges that cannot be computed again."""
    assert source.graph is not None
    folder = source.graph
    files = [folder / name for name in (*POSITIONS.values(), *EDGES.values())]
    return Stage(
        name="adopt-graph",
        version=1,
        does="adopt positions and edges",
        folder=lambda paths: paths.graph,
        inputs=("index",),
        run=lambda context: _adopt_graph(folder, context),
        estimate=lambda config, paths: sum(f.stat().st_size for f in files if f.exists()),
        memory=lambda config, paths: (
            PROCESS_BYTES + 4 * max((f.stat().st_size for f in files if f.exists()), default=0)
        ),
        fingerprints=lambda config, paths: {f.name: fingerprint(f) for f in files if f.exists()},
    )


def _adopt_graph(folder: Path, context: StageContext) -> StageResult:
    n_latents = context.experiment.by_latent.n_latents
    facts: dict[str, Any] = {"n_latents": n_latents, "layouts": [], "edges": []}
    for layout, name in POSITIONS.items():
        if (folder / name).is_file():
            save_npy(context.folder / name, _positions(folder / name, n_latents))
            facts["layouts"].append(layout)
    for kind, name in EDGES.items():
        if (folder / name).is_file():
            edges = _edges(folder / name, n_latents)
            save_edges(context.folder / name, edges)
            facts["edges"].append(kind)
            facts[f"n_{kind}_edges"] = int(edges.nnz) // 2
    save_metadata(context.folder, facts)
    return StageResult(facts=facts)


def _positions(path: Path, n_latents: int) -> Array:
    """Read positions of every latent, finite and in [0, 1]."""
    found = open_npy(path, dtypes=("<f4", "<f8"), shape=(n_latents, 2))
    bad = np.flatnonzero(~((found >= 0) & (found <= 1)).all(axis=1))
    if bad.size:
        raise CorruptArtifactError(
            f"{path}, row {int(bad[0]):,}: bad position {found[bad[0]].tolist()}, expected two "
            "numbers from 0 to 1. Move the file away to import the rest."
        )
    return np.asarray(found, dtype=np.float32)


def _edges(path: Path, n_latents: int) -> sp.csr_matrix:
    """Read edges that are symmetric, finite, above 0 and between two latents each."""
    with NpzFile(path) as file:
        # scipy believes the sizes; here they are checked first.
        for name in file.names:
            file.array(name)
    edges = load_edges(path)
    try:
        edges.check_format(full_check=True)
    except ValueError as error:
        raise CorruptArtifactError(f"{path}: {error}. Move it away to import the rest.") from error
    edges.sort_indices()
    problem = None
    if edges.shape != (n_latents, n_latents):
        problem = f"a matrix of {edges.shape}, expected ({n_latents}, {n_latents})"
    elif not edges.has_canonical_format or edges.diagonal().any():
        problem = "edges that are there twice, or of a latent with itself"
    elif edges.nnz and not (edges.data > 0).all():
        problem = "weights that are not above 0"
    elif (edges != edges.T).nnz:
        problem = "edges that differ between the two directions"
    if problem is not None:
        raise CorruptArtifactError(f"{path}: {problem}. Move the file away to import the rest.")
    return edges


def visualizer_stage(source: ImportSource) -> Stage:
    """Return the stage that takes exported JSON, where there is nothing else."""
    assert source.visualizer is not None
    folder = source.visualizer

    def files() -> list[Path]:
        return [*folder.glob("*.json"), *folder.glob("latents/*.json")]

    return Stage(
        name="adopt-export",
        version=1,
        does="adopt the exported JSON",
        folder=lambda paths: paths.visualizer,
        inputs=(),
        run=lambda context: _adopt_pages(source, folder, files(), context),
        estimate=lambda config, paths: copied_bytes(files(), paths.visualizer.parent),
        memory=lambda config, paths: PROCESS_BYTES,
        fingerprints=lambda config, paths: {
            "source": fingerprint(folder),
            "description": config_hash(source.metadata),
        },
    )


def _adopt_pages(
    source: ImportSource, folder: Path, files: list[Path], context: StageContext
) -> StageResult:
    index = load_json_object(folder / INDEX_JSON)
    if type(index.get("n_latents")) is not int or not isinstance(index.get("latents"), dict):
        raise CorruptArtifactError(f"{folder / INDEX_JSON} has no n_latents and latents.")
    known = {key: index[key] for key in ("n_latents", "num_tokens") if key in index}
    root = context.paths.root
    identity = identity_of(source.metadata, root.name) | {"experiment_id": root.name}
    save_metadata(root, known | identity)
    (context.folder / "latents").mkdir()
    for path in files:
        link_or_copy(path, context.folder / path.relative_to(folder))
    return StageResult(facts={"n_files": len(files)})

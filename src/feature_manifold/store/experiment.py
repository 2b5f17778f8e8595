"""One experiment, opened lazily: arrays are memory-mapped when first asked for."""

import os
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from feature_manifold.core.arrays import Array
from feature_manifold.core.errors import CorruptArtifactError, InputError, MissingArtifactError
from feature_manifold.store.clusters import ClusterSet, open_clusters
from feature_manifold.store.edges import load_edges
from feature_manifold.store.examples import ExampleSet, open_examples
from feature_manifold.store.firings import (
    STATISTICS,
    FiringsByLatent,
    FiringsByToken,
    open_by_latent,
    open_by_token,
)
from feature_manifold.store.layout import (
    ADOPTED,
    EDGES,
    FORMAT_VERSIONS,
    POSITIONS,
    READABLE_VERSIONS,
    ExperimentPaths,
)
from feature_manifold.store.manifest import changed_inputs, read_manifest
from feature_manifold.store.npy import open_npy
from feature_manifold.store.statistics import STATISTICS_DTYPE
from feature_manifold.store.token_table import (
    TokenTable,
    load_metadata,
    load_vocabulary,
    open_token_table,
)
from feature_manifold.store.tokenizer_file import TextEncoder, open_encoder
from feature_manifold.store.type_rows import TYPE_TOKENS, TypeRows, open_type_rows


class Experiment:
    """Read access to one experiment's artifacts.

    Each property opens its files on first use and checks types and sizes, never the whole
    content. A folder without a manifest raises MissingArtifactError: its making was interrupted.
    One made from an earlier state of another folder raises CorruptArtifactError: together the two
    would show the firings of one model on the tokens, or with the decoder, of another.
    """

    def __init__(self, paths: ExperimentPaths) -> None:
        self.paths = paths

    @property
    def id(self) -> str:
        """The experiment's id: the name of its folder."""
        return self.paths.root.name

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """Contents of ``metadata.json``."""
        return load_metadata(self.paths.root)

    @cached_property
    def tokens(self) -> TokenTable:
        """The token table."""
        return open_token_table(self._finished(self.paths.corpus, "corpus"))

    @cached_property
    def vocabulary(self) -> list[str]:
        """Text of every token id."""
        return load_vocabulary(self._finished(self.paths.corpus, "corpus"))

    @cached_property
    def encoder(self) -> TextEncoder | None:
        """What cuts text into token ids as the harvest did; None where there is none."""
        return open_encoder(self._finished(self.paths.corpus, "corpus"))

    @cached_property
    def by_latent(self) -> FiringsByLatent:
        """Firings sorted by latent."""
        return open_by_latent(self._finished(self.paths.latents, "index"))

    @cached_property
    def by_token(self) -> FiringsByToken:
        """Firings sorted by token."""
        return open_by_token(self._finished(self.paths.latents, "index"))

    @cached_property
    def statistics(self) -> Array:
        """STATISTICS_DTYPE (n_latents,)."""
        path = self._finished(self.paths.latents, "index") / STATISTICS
        return open_npy(path, dtypes=(STATISTICS_DTYPE,), shape=(self.by_latent.n_latents,))

    @cached_property
    def decoder(self) -> Array:
        """float32 (n_latents, d_model)."""
        if self.paths.raw_activations.exists():
            # While a harvest runs, the decoder that lies there may be that of another SAE.
            self._finished(self.paths.raw_activations, "harvest")
        return open_npy(self.paths.decoder, dtypes=("<f4",), shape=(None, None))

    @cached_property
    def clusters(self) -> ClusterSet:
        """Groups of latents that were found without labels, best first, with their measures."""
        clusters = open_clusters(self._finished(self.paths.clusters, "clusters"))
        last = int(clusters.latents.max(initial=0))
        if last >= self.by_latent.n_latents:
            raise CorruptArtifactError(
                f"Experiment '{self.id}': a cluster with latent {last:,} and an index of "
                f"{self.by_latent.n_latents:,}. Make it again with: "
                f"fmi run CONFIG.yaml --only clusters --force"
            )
        return clusters

    @cached_property
    def examples(self) -> ExampleSet:
        """Picked examples, histograms and search tokens."""
        examples = open_examples(self._finished(self.paths.examples, "examples"))
        if len(examples.indptr) != len(self.by_latent.indptr):
            raise CorruptArtifactError(
                f"Experiment '{self.id}': examples of {len(examples.indptr) - 1:,} latents and an "
                f"index of {self.by_latent.n_latents:,}. Make them again with: "
                f"fmi run CONFIG.yaml --only examples --force"
            )
        return examples

    @cached_property
    def type_rows(self) -> TypeRows:
        """Token rows by token id."""
        folder = self._finished(self.paths.examples, "examples")
        if not (folder / TYPE_TOKENS).exists():
            raise MissingArtifactError(
                f"Experiment '{self.id}' has no examples/{TYPE_TOKENS}: its examples are of an "
                "earlier version. Make them again with: fmi run CONFIG.yaml --only examples"
            )
        return open_type_rows(folder)

    def latent(self, latent: int) -> tuple[Array, Array]:
        """Return the tokens, uint32 (n,), and activations, float16 (n,), of one latent.

        Raises
        ------
        InputError
            If there is no such latent.
        """
        self._check_latent(latent)
        return self.by_latent.latent(latent)

    def neighbours(self, latent: int, kind: str = "cosine") -> tuple[Array, Array]:
        """Return the latents joined to one, int32 (n,), and the weights, float32, falling.

        Raises
        ------
        InputError, MissingArtifactError
            If there is no such latent or kind of edge, or the edges are not made.
        """
        self._check_latent(latent)
        edges = self.edges(kind)
        span = slice(edges.indptr[latent], edges.indptr[latent + 1])
        order = np.lexsort((edges.indices[span], -edges.data[span]))
        return edges.indices[span][order], edges.data[span][order]

    def layouts(self) -> list[str]:
        """Return the names of the layouts that exist."""
        return self._existing(POSITIONS)

    def edge_kinds(self) -> list[str]:
        """Return the kinds of edges that exist."""
        return self._existing(EDGES)

    def positions(self, layout: str) -> Array:
        """Return float32 (n_latents, 2) in [0, 1].

        Raises
        ------
        InputError, MissingArtifactError
            If the layout is unknown, or not made.
        """
        return open_npy(self._graph_file(POSITIONS, layout), dtypes=("<f4",), shape=(None, 2))

    def edges(self, kind: str) -> sp.csr_matrix:
        """Return symmetric weights, float32 (n_latents, n_latents).

        Raises
        ------
        InputError, MissingArtifactError
            If the kind is unknown, or not made.
        """
        return load_edges(self._graph_file(EDGES, kind))

    def _check_latent(self, latent: int) -> None:
        last = self.by_latent.n_latents - 1
        if not 0 <= latent <= last:
            raise InputError(f"No latent {latent}: experiment '{self.id}' has 0 to {last}.")

    def _graph_file(self, names: dict[str, str], key: str) -> Path:
        if key not in names:
            raise InputError(f"'{key}' is not one of {', '.join(names)}.")
        path = self._finished(self.paths.graph, "graph") / names[key]
        if not path.exists():
            raise MissingArtifactError(
                f"Experiment '{self.id}' has no graph/{names[key]}. Make it with: "
                "fmi run CONFIG.yaml --only graph, without --skip-coactivation and --skip-jaccard"
            )
        return path

    def _existing(self, names: dict[str, str]) -> list[str]:
        folder = self.paths.graph
        manifest = read_manifest(folder)
        if manifest is None or changed_inputs(manifest, self.paths.by_stage):
            return []
        return [key for key, name in names.items() if (folder / name).exists()]

    def _finished(self, folder: Path, stage: str) -> Path:
        manifest = read_manifest(folder)
        if manifest is None:
            raise MissingArtifactError(
                f"Experiment '{self.id}' has no finished {folder.name}/. Make it with: "
                f"fmi run CONFIG.yaml --only {stage}"
            )
        readable = (FORMAT_VERSIONS[stage], *READABLE_VERSIONS.get(stage, ()))
        if manifest.format_version not in readable:
            raise CorruptArtifactError(
                f"{folder} is of format version {manifest.format_version}, expected "
                f"{FORMAT_VERSIONS[stage]}. Make it again with: fmi run CONFIG.yaml --only {stage}"
            )
        changed = changed_inputs(manifest, self.paths.by_stage)
        if changed:
            raise CorruptArtifactError(
                f"Experiment '{self.id}': {folder.name}/ was made from another "
                f"{self.paths.by_stage[changed[0]].name}/ than the one that is there. Make it "
                "again with: fmi run CONFIG.yaml"
            )
        return folder


def open_experiment(path: str | os.PathLike[str]) -> Experiment:
    """Open the experiment in a folder.

    Raises
    ------
    MissingArtifactError
        If the folder has no finished index.
    """
    root = Path(path)
    adopted = root / ADOPTED
    paths = ExperimentPaths(root, root / "visualizer", adopted if adopted.is_dir() else None)
    if read_manifest(paths.latents) is None:
        raise MissingArtifactError(
            f"No experiment with a finished index in {root}. See those that exist with: fmi list"
        )
    return Experiment(paths)

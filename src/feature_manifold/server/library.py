"""The experiments under the data root, opened when asked for and kept while they are current."""

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
import scipy.sparse as sp
from fastapi import Depends, Query, Request

from feature_manifold import __version__
from feature_manifold.core.arrays import Int64Array
from feature_manifold.core.config import config_hash
from feature_manifold.core.errors import CorruptArtifactError, FmiError, MissingArtifactError
from feature_manifold.examples.latent_search import LatentSearch
from feature_manifold.examples.search import TokenSearch
from feature_manifold.server.cache import BoundedCache
from feature_manifold.store.experiment import Experiment
from feature_manifold.store.layout import DataRoot, ExperimentPaths
from feature_manifold.store.manifest import read_manifest

MAX_EXPERIMENTS = 8
# 65,536 latents with 150 edges each: 80 MB a matrix.
MAX_EDGE_BYTES = 1 << 30
MAX_SEARCHES = 4
MAX_IDS_NAMED = 20
MAPPED = ("by_latent", "by_token", "statistics", "tokens", "vocabulary", "decoder", "examples")


@dataclass(frozen=True)
class OpenExperiment:
    """An experiment, and the digest of everything that its answers depend on."""

    experiment: Experiment
    digest: str

    @cached_property
    def occurrences(self) -> Int64Array:
        """int64 (n_types,), tokens of each vocabulary entry in the corpus."""
        token_id = self.experiment.tokens.token_id
        return np.bincount(token_id[token_id >= 0], minlength=len(self.experiment.vocabulary))


class Library:
    """Opens experiments; a re-run experiment is opened anew, as its digest differs.

    Parameters
    ----------
    data_root
        Folder that holds ``experiments/``.
    """

    def __init__(self, data_root: Path) -> None:
        self._data_root = DataRoot(data_root)
        self._experiments: BoundedCache[tuple[str, str], OpenExperiment]
        self._experiments = BoundedCache(MAX_EXPERIMENTS)
        self._edges: BoundedCache[tuple[str, str, str], sp.csr_matrix]
        self._edges = BoundedCache(MAX_EDGE_BYTES, size=_matrix_bytes)
        self._searches: BoundedCache[tuple[str, str], TokenSearch]
        self._searches = BoundedCache(MAX_SEARCHES)
        self._latent_searches: BoundedCache[tuple[str, str], LatentSearch]
        self._latent_searches = BoundedCache(MAX_SEARCHES)

    @property
    def data_root(self) -> Path:
        """Folder that holds ``experiments/``."""
        return self._data_root.path

    def experiments(self) -> list[Experiment]:
        """Return all experiments, unopened, by id."""
        root = self._data_root
        return [Experiment(root.experiment(found)) for found in root.experiment_ids()]

    def open(self, experiment_id: str | None) -> OpenExperiment:
        """Open one experiment, by default the first.

        Raises
        ------
        MissingArtifactError
            If there is no such experiment, or none at all.
        CorruptArtifactError
            If a manifest is damaged.
        """
        known = self._data_root.experiment_ids()
        if not known:
            raise MissingArtifactError(
                f"No experiments in {self._data_root.experiments}. Make one with: fmi demo"
            )
        chosen = known[0] if experiment_id is None else experiment_id
        if chosen not in known:
            names = ", ".join(known[:MAX_IDS_NAMED]) + (", …" if len(known) > MAX_IDS_NAMED else "")
            raise MissingArtifactError(f"No experiment '{chosen[:200]}'. There are: {names}")
        paths = self._data_root.experiment(chosen)
        digest = _digest(paths)
        return self._experiments.get(
            (chosen, digest), lambda: OpenExperiment(_mapped(Experiment(paths)), digest)
        )

    def edges(self, opened: OpenExperiment, kind: str) -> sp.csr_matrix:
        """Return the edges of one kind, read once.

        Raises
        ------
        CorruptArtifactError
            If they are of another number of latents than the index.
        """
        experiment = opened.experiment

        def read() -> sp.csr_matrix:
            matrix, n_latents = experiment.edges(kind), experiment.by_latent.n_latents
            if matrix.shape[0] != n_latents:
                raise CorruptArtifactError(
                    f"The edges '{kind}' are of {matrix.shape[0]:,} latents, expected "
                    f"{n_latents:,}. Make them again with: fmi run CONFIG.yaml --only graph --force"
                )
            return matrix

        return self._edges.get((experiment.id, opened.digest, kind), read)

    def token_search(self, opened: OpenExperiment) -> TokenSearch:
        """Return the search over the tokens of the latents, built once."""
        experiment = opened.experiment

        def build() -> TokenSearch:
            totals = experiment.statistics["count"]
            return TokenSearch(experiment.examples, experiment.vocabulary, totals)

        return self._searches.get((experiment.id, opened.digest), build)

    def latent_search(self, opened: OpenExperiment) -> LatentSearch:
        """Return the searches for latents; what they share is built once."""

        def build() -> LatentSearch:
            search = LatentSearch(opened.experiment, edges=lambda kind: self.edges(opened, kind))
            # Now, for all who wait: 0.5 s at 262,144 entries.
            search.vocabulary.alike("")
            search.by_label("a", limit=1)
            return search

        return self._latent_searches.get((opened.experiment.id, opened.digest), build)


def _matrix_bytes(matrix: sp.csr_matrix) -> int:
    return int(matrix.data.nbytes + matrix.indices.nbytes + matrix.indptr.nbytes)


def _mapped(experiment: Experiment) -> Experiment:
    """Map what is there, so that requests at the same time do not each do it."""
    for name in MAPPED:
        # Who asks for what is not there, or damaged, is told when asking.
        with suppress(FmiError):
            getattr(experiment, name)
    return experiment


def _digest(paths: ExperimentPaths) -> str:
    folders = (
        *(paths.corpus, paths.raw_activations, paths.latents),
        *(paths.graph, paths.clusters, paths.examples),
    )
    manifests = [read_manifest(folder) for folder in folders]
    decoder = paths.decoder.stat() if paths.decoder.exists() else None
    return config_hash(
        {
            "version": __version__,
            # A copy under another name is first by name, and so at the same address.
            "id": paths.root.name,
            "metadata": paths.metadata.read_bytes().hex(),
            # The one file that belongs to no folder's manifest in every layout.
            "decoder": None if decoder is None else [decoder.st_size, decoder.st_mtime_ns],
            "folders": [None if found is None else found.digest for found in manifests],
        }
    )


def _library(request: Request) -> Library:
    library: Library = request.app.state.library
    return library


LibraryOfApp = Annotated[Library, Depends(_library)]


def _opened(
    library: LibraryOfApp,
    experiment_id: Annotated[
        str | None,
        Query(max_length=300, description="Id of the experiment; by default the first."),
    ] = None,
) -> OpenExperiment:
    return library.open(experiment_id)


ChosenExperiment = Annotated[OpenExperiment, Depends(_opened)]

"""Every path of the data root, named once."""

import os
from dataclasses import dataclass
from pathlib import Path

from feature_manifold.core.errors import MissingArtifactError

DATA_ROOT_VARIABLE = "FMI_DATA"

MANIFEST = "manifest.json"
METADATA = "metadata.json"
LATENT_LABELS = "latent_labels.json"
DECODER = "decoder.npy"
VOCABULARY = "vocabulary.json"
TOKENIZER = "tokenizer"
POSITIONS = {"cosine": "positions.npy", "coactivation": "positions_coactivation.npy"}
EDGES = {
    "cosine": "decoder_similarity.npz",
    "jaccard": "jaccard_similarity.npz",
    "coactivation": "coactivation.npz",
}
EXPERIMENT_LIST = "experiments.json"
WORKSPACE = "workspace.sqlite"
LIST_LOCK = ".lock"
FORMAT_VERSIONS = {
    "corpus": 1,
    "harvest": 1,
    "index": 1,
    "graph": 1,
    "clusters": 1,
    "examples": 2,
    "export": 1,
}
"""Version of each stage's folder, as docs/data-format.md describes it."""

READABLE_VERSIONS = {"examples": (1,)}
"""Earlier versions that can still be read, but for what they lack."""

ADOPTED = "adopted"
"""Folder in which adopted raw activations are kept beside what is made from them."""


@dataclass(frozen=True)
class ExperimentPaths:
    """Folders and files of one experiment.

    Attributes
    ----------
    root
        The experiment's folder; the documented scripts use any folder of the same layout.
    visualizer
        Where its exported JSON goes.
    source
        Where its corpus and raw activations lie, if not in ``root``.
    """

    root: Path
    visualizer: Path
    source: Path | None = None

    @property
    def corpus(self) -> Path:
        """Token table, vocabulary and tokenizer."""
        return (self.source or self.root) / "corpus"

    @property
    def raw_activations(self) -> Path:
        """Shards of firings as harvested."""
        return (self.source or self.root) / "raw_activations"

    @property
    def latents(self) -> Path:
        """Firings by latent and by token, statistics."""
        return self.root / "latents"

    @property
    def graph(self) -> Path:
        """Positions and edges."""
        return self.root / "graph"

    @property
    def clusters(self) -> Path:
        """Groups of latents, ranked, with their measures."""
        return self.root / "clusters"

    @property
    def examples(self) -> Path:
        """Picked examples, histograms, tokens to search by."""
        return self.root / "examples"

    @property
    def by_stage(self) -> dict[str, Path]:
        """Folder of each stage that others read, by the name that manifests give it."""
        return {
            "corpus": self.corpus,
            "harvest": self.raw_activations,
            "adopt-corpus": self.corpus,
            "adopt-harvest": self.raw_activations,
            "index": self.latents,
            "graph": self.graph,
            "clusters": self.clusters,
            "examples": self.examples,
        }

    @property
    def decoder(self) -> Path:
        """Decoder rows, float32 (n_latents, d_model)."""
        return self.root / DECODER

    @property
    def metadata(self) -> Path:
        """What the experiment is."""
        return self.root / METADATA

    @property
    def lock(self) -> Path:
        """Held by the one run that may write."""
        return self.root / ".lock"


@dataclass(frozen=True)
class DataRoot:
    """The folder that holds all experiments."""

    path: Path

    @property
    def experiments(self) -> Path:
        """Parent of the experiment folders."""
        return self.path / "experiments"

    @property
    def visualizer_data(self) -> Path:
        """Parent of the exported static data."""
        return self.path / "visualizer_data"

    @property
    def workspace(self) -> Path:
        """What people save."""
        return self.path / WORKSPACE

    def experiment(self, experiment_id: str) -> ExperimentPaths:
        """Return the paths of one experiment, there or not.

        Raises
        ------
        MissingArtifactError
            If the id could point outside the data root.
        """
        if experiment_id in {"", ".", ".."} or "/" in experiment_id or "\\" in experiment_id:
            raise MissingArtifactError(
                f"'{experiment_id}' is not an experiment id. See those that exist with: fmi list"
            )
        return ExperimentPaths(
            self.experiments / experiment_id, self.visualizer_data / experiment_id
        )

    def experiment_ids(self) -> list[str]:
        """Return the ids of all experiments that have metadata, sorted."""
        if not self.experiments.is_dir():
            return []
        found = (path.parent.name for path in self.experiments.glob(f"*/{METADATA}"))
        return sorted(found)


def data_root(given: Path | None) -> DataRoot:
    """Return the data root: the given folder, else the variable FMI_DATA, else ``./data``."""
    if given is not None:
        return DataRoot(given)
    return DataRoot(Path(os.environ.get(DATA_ROOT_VARIABLE) or "data"))


def latent_name(latent: int) -> str:
    """Return the stem of one latent's file: five digits, more if the id needs them."""
    return f"{latent:05d}"


def shard_name(number: int) -> str:
    """Return the stem of one shard's file or folder."""
    return f"shard_{number:05d}"

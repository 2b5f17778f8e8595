"""The clusters that were found without labels, ranked, as a table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from feature_manifold.core.arrays import Int64Array
from feature_manifold.core.errors import InputError
from feature_manifold.notebook.cloud import Cloud
from feature_manifold.notebook.tables import Table

if TYPE_CHECKING:
    from feature_manifold.export.figures.drawing import Drawing
    from feature_manifold.notebook.experiment import Experiment

SCORE = "score"
SHOWN_TOKENS = 12
SHOWN_MEASURES = (SCORE, "p", "loop", "ring", "sheet", "core_mass")


@dataclass(frozen=True, eq=False)
class Manifold:
    """A cluster found without labels.

    Attributes
    ----------
    experiment
        Where it was found.
    rank
        Its place by score, from 0: the number by which the cluster is known.
    latents
        Members, int64 (k,), rising.
    core
        Core tokens: ids of the token types on which it usually fires strongly, rising.
    measures
        By column name, as ``store.clusters.ClusterSet`` has them: ``score``, its parts, p-values.
        NaN where one does not apply.
    """

    experiment: "Experiment"
    rank: int
    latents: Int64Array
    core: Int64Array
    measures: Mapping[str, float]

    @property
    def score(self) -> float:
        """What it is ranked by."""
        return self.measures.get(SCORE, float("nan"))

    def texts(self) -> list[str]:
        """Return the texts of the core tokens."""
        return self.experiment.texts(self.core)

    def cloud(self) -> Cloud:
        """Return its cloud."""
        return self.experiment.cloud(self.latents)

    def plot(self) -> "Drawing":
        """Draw its cloud; see ``Cloud.plot`` for what can be chosen."""
        return self.cloud().plot(title=f"manifold {self.rank}: {len(self.latents)} latents")

    def __repr__(self) -> str:
        tokens = " ".join(text.strip() for text in self.texts()[:SHOWN_TOKENS])
        return f"Manifold {self.rank}: {len(self.latents)} latents, {tokens!r}"


def manifold_table(
    experiment: "Experiment", *, by: str | None, limit: int | None
) -> Table[Manifold]:
    """List the clusters of an experiment; see ``Experiment.manifolds``."""
    clusters = experiment.clusters
    order = np.arange(clusters.n_clusters)
    if by is not None:
        if by not in clusters.measures:
            raise InputError(f"No measure '{by}'. There are: {', '.join(clusters.measures)}.")
        is_p = by == "p" or "_p_" in by
        column = np.asarray(clusters.measures[by])
        # NaN is last whichever way: it does not apply.
        order = np.argsort(column if is_p else -column, kind="stable")
    found = [
        Manifold(
            experiment,
            rank,
            clusters.members(rank),
            clusters.core(rank),
            {name: float(column[rank]) for name, column in clusters.measures.items()},
        )
        for rank in order[:limit].tolist()
    ]
    names = dict.fromkeys((by or SCORE, *SHOWN_MEASURES))
    shown = [name for name in names if name in clusters.measures]
    return Table(
        found,
        {
            "rank": lambda manifold: manifold.rank,
            "latents": lambda manifold: len(manifold.latents),
            "core tokens": _core_tokens,
            **{name: _measure(name) for name in shown},
        },
        title=f"manifolds of '{experiment.id}'",
    )


def _measure(name: str) -> Callable[[Manifold], float]:
    return lambda manifold: manifold.measures[name]


def _core_tokens(manifold: Manifold) -> str:
    texts = [text.strip() or text for text in manifold.texts()[:SHOWN_TOKENS]]
    more = len(manifold.core) - len(texts)
    return " ".join(texts) + (f" … {more} more" if more > 0 else "")

"""The latents of a concept: a list of words with places on a circle or a line."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from feature_manifold.core.arrays import Int64Array
from feature_manifold.core.concepts import Concept
from feature_manifold.examples.concept_cluster import ConceptCluster, ConceptMember, StepCoverage
from feature_manifold.notebook.cloud import Cloud
from feature_manifold.notebook.tables import Table

if TYPE_CHECKING:
    from feature_manifold.export.figures.drawing import Drawing
    from feature_manifold.notebook.experiment import Experiment


@dataclass(frozen=True, eq=False)
class ConceptLatents:
    """Latents whose activation lies mostly on the words of a concept.

    Attributes
    ----------
    experiment
        Where they were looked for.
    found
        The cluster as ``examples.concept_cluster`` has it, with tuning of every member.
    """

    experiment: "Experiment"
    found: ConceptCluster

    @property
    def concept(self) -> Concept:
        """The concept."""
        return self.found.match.concept

    @property
    def latents(self) -> Int64Array:
        """Members, int64 (k,), by the step on which they peak."""
        return np.array(self.found.latents, dtype=np.int64)

    def members(self) -> Table[ConceptMember]:
        """Return the members: the step on which each peaks, and how much of it is the concept."""
        labels = self.concept.labels
        return Table(
            self.found.members,
            {
                "latent": lambda member: member.latent,
                "label": lambda member: self.experiment.label(member.latent),
                "peak": lambda member: labels[member.peak],
                "of its activation": lambda member: member.share,
                "firings": lambda member: member.firings,
            },
            title=f"latents of {self.concept.name}",
        )

    def steps(self) -> Table[StepCoverage]:
        """Return the steps: which tokens spell each, and on how many of them a member fires."""
        return Table(
            self.found.steps,
            {
                "step": lambda step: step.label,
                "tokens": lambda step: " ".join(self.experiment.texts(step.token_ids)),
                "in the corpus": lambda step: step.n_occurrences,
                "a member fires": lambda step: step.covered,
                "members that peak": lambda step: step.n_peaks,
            },
            title=f"steps of {self.concept.name}",
        )

    def cloud(self) -> Cloud:
        """Return the cloud of the members; it is coloured by the concept.

        Raises
        ------
        InputError
            If no latent is about the concept.
        """
        exact = self.experiment.cloud(self.latents).exact
        return Cloud(self.experiment, exact, self.concept)

    def plot(self) -> "Drawing":
        """Draw their cloud; see ``Cloud.plot`` for what can be chosen."""
        return self.cloud().plot()

    def __repr__(self) -> str:
        return f"{self.concept.name}\n{self.steps()!r}\n{self.members()!r}"

    def _repr_html_(self) -> str:
        return self.steps()._repr_html_() + self.members()._repr_html_()

"""The fitted coordinate of a cluster: the order of its tokens, and what each latent does there."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from feature_manifold.core.arrays import Float64Array
from feature_manifold.core.errors import InputError
from feature_manifold.geometry.coordinate.coordinate import Coordinate, fit_coordinate
from feature_manifold.geometry.coordinate.impostors import Influence, influences
from feature_manifold.geometry.coordinate.missing import MissingMember, missing_members
from feature_manifold.geometry.coordinate.order import Gap, largest_gaps, ordered_types
from feature_manifold.geometry.coordinate.tuning import TuningCurves, tuning_curves
from feature_manifold.notebook.cloud import Cloud
from feature_manifold.notebook.tables import Table

if TYPE_CHECKING:
    from feature_manifold.export.figures.drawing import Drawing

SEED = 0
"""Of everything that is drawn at random for one cluster in a notebook."""


@dataclass(frozen=True, eq=False)
class FittedCoordinate:
    """A circle, curve or surface through the core tokens of a cloud.

    Attributes
    ----------
    cloud
        The cloud.
    fit
        The coordinate as ``geometry.coordinate`` has it.
    """

    cloud: Cloud
    fit: Coordinate

    @property
    def kind(self) -> str:
        """``circle``, ``curve`` or ``surface``."""
        return self.fit.kind

    @property
    def values(self) -> Float64Array:
        """Coordinate of every point, float64 (n, 1), on a surface (n, 2).

        Radians where it closes, else in the cloud's units.
        """
        return self.fit.values

    def order(self) -> list[str]:
        """Return the texts of the core tokens in the order of the coordinate.

        Raises
        ------
        InputError
            On a surface, whose tokens have no order.
        """
        return self.cloud.experiment.texts(ordered_types(self.fit))

    @cached_property
    def tuning(self) -> TuningCurves:
        """How strongly each latent fires along the coordinate."""
        return tuning_curves(self.cloud.exact, self.fit)

    def gaps(self, n: int = 3) -> Table[Gap]:
        """Return the largest stretches without a core token.

        Raises
        ------
        InputError
            On a surface.
        """
        texts = self.cloud.experiment.texts
        return Table(
            largest_gaps(self.fit, n=n),
            {
                "after": lambda gap: texts([gap.before])[0],
                "before": lambda gap: texts([gap.after])[0],
                "size": lambda gap: gap.size,
                "expected": lambda gap: gap.expected,
                "p": lambda gap: gap.p,
            },
            title="gaps",
        )

    def missing(self, most: int = 10) -> Table[MissingMember]:
        """Return latents outside the cluster that fire, along the coordinate, where they point."""
        experiment = self.cloud.experiment
        found = missing_members(
            self.cloud.exact,
            self.fit,
            self.tuning,
            experiment.by_token,
            experiment.decoder,
            n_firings=np.array(experiment.statistics["count"]),
            seed=SEED,
            most=most,
        )
        return Table(
            found.members,
            {
                "latent": lambda member: member.latent,
                "label": lambda member: experiment.label(member.latent),
                "lift": lambda member: member.lift,
                "of core tokens": lambda member: member.share,
                "adds": lambda member: member.adds,
                "points there": lambda member: member.alignment,
                "p": lambda member: member.p,
            },
            title="missing members",
        )

    def influences(self) -> Table[Influence]:
        """Return what the fit would lose without each member, least first: impostors lose none."""
        experiment = self.cloud.experiment
        return Table(
            influences(self.cloud.exact, self.fit),
            {
                "latent": lambda member: member.latent,
                "label": lambda member: experiment.label(member.latent),
                "impostor": lambda member: member.is_impostor,
                "moves a token by": lambda member: member.moves,
                "of core tokens": lambda member: member.on_core,
                "of its firings": lambda member: member.of_own,
            },
            title="influence of members",
        )

    def plot(self) -> "Drawing":
        """Draw the tuning curve of every latent along the coordinate.

        Raises
        ------
        InputError
            On a surface.
        """
        from feature_manifold.notebook.figures import tuning_drawing

        if self.fit.n_axes != 1:
            raise InputError("Tuning curves are drawn along a circle or a curve, not on a surface.")
        return tuning_drawing(self)

    def __repr__(self) -> str:
        return (
            f"FittedCoordinate: a {self.kind} through {len(self.fit.types)} token types, which "
            f"explains {100 * self.fit.explained:.0f} % of their variance"
        )


def fitted(cloud: Cloud, kind: str | None) -> FittedCoordinate:
    """Fit a coordinate; see ``Cloud.coordinate``."""
    fit = fit_coordinate(cloud.exact, cloud.token_ids, core_types=cloud.core, kind=kind, seed=SEED)
    return FittedCoordinate(cloud, fit)

"""How much a cluster looks like a manifold: one formula for all shapes, without labels.

    score = guard x core_mass x own_share x token_share x (closure + ring + sheet)

The first four factors say that there is one thing: enough latents, that fire on few token types
(core_mass), to which few others answer (own_share), and that tell these types apart (token_share).
The bracket says that it has a shape: a loop in three PCs, a ring in one plane, or a curve or sheet
of any kind. A latent per word has directions as different as can be, and no shape; one direction in
several strengths is a straight line, which no manifold needs latents for.
"""

from dataclasses import dataclass

from feature_manifold.geometry.clusters.shape import Spread, View, spread_of, view_of
from feature_manifold.geometry.clusters.tuning import Tuning

GUARD_LATENTS = 6
"""Clusters of fewer latents count less, in proportion."""

PARTS = (
    "n_latents",
    "n_core",
    "core_mass",
    "own_share",
    "token_share",
    "closure",
    "ring",
    "sheet",
    "closed",
    "smooth",
    "dimension",
)
"""Names of the numbers that the score is made of, and those behind them, in order of display."""


@dataclass(frozen=True)
class Evidence:
    """All that the score of a cluster is made of.

    Attributes
    ----------
    tuning, view, spread
        What was measured.
    own_share
        Share of the activation on the core tokens, of all latents that are about token types, that
        is of members: 1 if nobody else answers to these types.
    """

    tuning: Tuning
    view: View
    spread: Spread
    own_share: float

    @property
    def closure(self) -> float:
        """H1 bar in three PCs, over a regular polygon's, times their share of the variance."""
        return self.view.closed * self.spread.three

    @property
    def ring(self) -> float:
        """The same in the best plane, at most 1."""
        return self.view.ring

    @property
    def sheet(self) -> float:
        """Smooth, low-dimensional against the number of types, and not a straight line; in [0, 1].

        smooth x (1 - (D - 1) / (n - 1)) x four x min(1, D - 1), with D the participation ratio of
        the n mean points and four their share of the variance in four PCs.
        """
        spread, n = self.spread, len(self.tuning.core)
        compressed = 1 - (spread.dimension - 1) / (n - 1)
        bent = min(1.0, max(0.0, spread.dimension - 1))
        return spread.smooth * compressed * spread.four * bent

    @property
    def score(self) -> float:
        """The score; 0 and more, about 3 for a perfect circle."""
        tuning = self.tuning
        guard = min(1.0, len(tuning.latents) / GUARD_LATENTS)
        one_thing = guard * tuning.core_mass * self.own_share * tuning.token_share
        return one_thing * (self.closure + self.ring + self.sheet)

    @property
    def parts(self) -> dict[str, float]:
        """Every part by the names of `PARTS`."""
        values = (
            len(self.tuning.latents),
            len(self.tuning.core),
            self.tuning.core_mass,
            self.own_share,
            self.tuning.token_share,
            self.closure,
            self.ring,
            self.sheet,
            self.view.closed,
            self.spread.smooth,
            self.spread.dimension,
        )
        return dict(zip(PARTS, map(float, values), strict=True))


def evidence_of(tuning: Tuning, *, own_share: float) -> Evidence:
    """Measure the mean points of a cluster's core tokens, of which there are 3 or more."""
    points = tuning.points
    return Evidence(tuning, view_of(points), spread_of(points), own_share)

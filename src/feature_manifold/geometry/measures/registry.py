"""Every measure in one list: what it is called, what it means, where it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ENGELS = "Engels et al. (2024), arXiv 2405.14860"


@dataclass(frozen=True)
class Measure:
    """What a measure is.

    Attributes
    ----------
    name
        Its key in results and its column in a cluster set.
    title
        A few words for a table's head.
    unit
        Empty for a pure number.
    low, high
        Its range; None where there is no bound.
    higher_means
        What a high value says, as a phrase.
    level
        What it is measured on: all ``points`` of the cloud, a ``plane`` of two principal
        components, mean points of token ``types``, or ``concept``: types with known coordinates.
    evidence
        Values that speak for a manifold, or for the concept: ``high`` or ``low``; None where the
        measure describes and there is no p.
    nulls
        What it is compared with, by name.
    interval
        ``confidence``: 95 %. ``stability``: how far it moves between halves of the tokens; it
        converges at no known rate. ``none``.
    formula
        In one line.
    source
        Of the formula.
    """

    name: str
    title: str
    unit: str
    low: float | None
    high: float | None
    higher_means: str
    level: Literal["points", "plane", "types", "concept"]
    evidence: Literal["high", "low"] | None
    nulls: tuple[str, ...]
    interval: Literal["confidence", "stability", "none"]
    formula: str
    source: str


BOTH = ("shuffle", "spectrum")
CONCEPT = ("labels", "spectrum")
LOOPS_SOURCE = "Bauer (2021), Ripser; landmarks: Gonzalez (1985)"

MEASURES: tuple[Measure, ...] = (
    Measure(
        "separability", "Separability S", "bits", 0, 3.33,
        "the plane's coordinates depend on each other at every rotation",
        "plane", "high", BOTH, "confidence",
        "min over 100 rotations of the mutual information of a 10 x 10 histogram; best plane",
        ENGELS,
    ),
    Measure(
        "separability_corrected", "S, corrected", "bits", None, 3.33,
        "as S, comparable between clusters of different size",
        "plane", "high", BOTH, "confidence",
        "S less (K - K_x - K_y + 1) / (2 n ln 2), K occupied cells, at each rotation",
        "Miller (1955), Note on the bias of information estimates",
    ),
    Measure(
        "mixture", "Mixture M", "", 0, 1,
        "a thin slab holds much of the plane's data: two features, or one",
        "plane", None, BOTH, "confidence",
        "max over 90 directions and 161 offsets of P(|v f + c| < 0.1 rms(v f + c)); best plane",
        ENGELS,
    ),
    Measure(
        "mixture_published", "Mixture M, published", "", 0, 1,
        "as M, but at most that: where the published search stopped",
        "plane", None, (), "none",
        "10,000 steps of gradient ascent on mean sigmoid(0.1 - |z|), z = (a f + b) / rms, from a "
        "random a and b = 0; share with |z| < 0.1; best plane, sampled points",
        ENGELS + ", code",
    ),
    Measure(
        "plane", "Best plane", "", 1, 4,
        "the plane of components (i, i + 1) lies further down the spectrum",
        "plane", None, (), "none",
        "i with the greatest (1 - M) S, S corrected, of the first five components",
        "this project",
    ),
    Measure(
        "engels_score", "Engels score", "bits", 0, None,
        "more planes are irreducible",
        "plane", "high", BOTH, "confidence",
        "sum of (1 - M) S over planes with M >= 0.01, over their number + 1; M by all slabs",
        ENGELS + ", code",
    ),
    Measure(
        "intrinsic_dimension", "Intrinsic dimension", "", 0, None,
        "more directions in which neighbours differ",
        "points", "low", BOTH, "confidence",
        "TwoNN: slope of -ln(1 - F) on ln(r2 / r1), no duplicates, largest 10 % dropped; "
        "mean over sets of 512 points",
        "Facco et al. (2017)",
    ),
    Measure(
        "participation_ratio", "Participation ratio", "", 1, None,
        "variance in more directions",
        "points", "low", ("shuffle",), "confidence",
        "(sum of variances)^2 / sum of their squares",
        "as usual for covariance spectra",
    ),
    Measure(
        "loop", "Longest loop", "", 0, None,
        "a large hole is enclosed",
        "points", "high", BOTH, "stability",
        "death - birth of the longest H1 bar of landmarks of points at length one",
        LOOPS_SOURCE,
    ),
    Measure(
        "loop_second", "Second loop", "", 0, None,
        "there is another hole, as in a torus",
        "points", "high", BOTH, "stability",
        "death - birth of the second longest bar",
        LOOPS_SOURCE,
    ),
    Measure(
        "loop_ratio", "Second / longest loop", "", 0, 1,
        "no single loop stands out",
        "points", None, BOTH, "stability",
        "second over longest bar",
        "this project",
    ),
    Measure(
        "loop_death_over_birth", "Loop death / birth", "", 1, None,
        "the loop is sampled finely for its size",
        "points", "high", BOTH, "stability",
        "death over birth of the longest bar; 1 if there is none",
        LOOPS_SOURCE,
    ),
    Measure(
        "angular_regularity", "Angular regularity", "", None, 1,
        "token types stand as evenly round a centre as the corners of a polygon",
        "types", "high", BOTH, "confidence",
        "1 - sd / mean of the gaps between angles of type means; best plane with >= 10 % variance",
        "this project",
    ),
    Measure(
        "type_loop", "Loop of types", "", 0, None,
        "the token types close a ring: 1 is a regular polygon of as many corners",
        "types", "high", BOTH, "confidence",
        "longest H1 bar of type means in four components, over RMS radius, over a polygon's",
        LOOPS_SOURCE + "; polygon: Adamaszek and Adams (2017)",
    ),
    Measure(
        "type_loop_second", "Second loop of types", "", 0, None,
        "there is another ring, as in a torus",
        "types", "high", BOTH, "confidence",
        "the same of the second longest bar",
        LOOPS_SOURCE,
    ),
    Measure(
        "type_loop_ratio", "Second / longest of types", "", 0, 1,
        "no single ring stands out",
        "types", None, BOTH, "confidence",
        "second over longest bar",
        "this project",
    ),
    Measure(
        "type_dimension", "Dimension of types", "", 0, None,
        "token types lie on a surface rather than on a curve, or fill a space",
        "types", "low", BOTH, "confidence",
        "slope of ln C(r) on ln r over type means, between the nearest 5 % and 30 % of the pairs",
        "Grassberger and Procaccia (1983)",
    ),
    Measure(
        "type_participation_ratio", "Participation of types", "", 1, None,
        "token types differ in more directions; as many as types less one if they have no order",
        "types", "low", ("shuffle",), "confidence",
        "participation ratio of the type means",
        "as usual for covariance spectra",
    ),
    Measure(
        "token_entropy", "Token entropy", "bits", 0, None,
        "the cluster fires on more kinds of token",
        "points", None, (), "confidence",
        "- sum p log2 p, p the share of the points on each token type",
        "Shannon (1948)",
    ),
)  # fmt: skip
"""Measures of a cluster that need no concept, in the order in which they are shown."""

CONCEPT_MEASURES: tuple[Measure, ...] = (
    Measure(
        "angular_r2", "Angular R2", "", None, 1,
        "the position of a step left out can be told from the others",
        "concept", "high", CONCEPT, "confidence",
        "ridge from components to (cos, sin) of the step's angle; steps left out in turn",
        ENGELS + "; SMIXAE",
    ),
    Measure(
        "circular_correlation", "Circular correlation", "", 0, 1,
        "angles in the best plane follow the concept's",
        "concept", "high", CONCEPT, "confidence",
        "|(R(a - b) - R(a + b)) / (2 sqrt(sum sin^2(a - a0) sum sin^2(b - b0)))|",
        "Jammalamadaka and SenGupta (2001), Topics in circular statistics, 8.2",
    ),
    Measure(
        "cyclic_adjacency", "Cyclic adjacency", "", 0, 1,
        "successive steps are neighbours round the circle",
        "concept", "high", CONCEPT, "confidence",
        "share of successive steps that are neighbours in the order of angles, in that plane",
        "Manifold-SAE",
    ),
    Measure(
        "ordinal_r2", "Ordinal R2", "", None, 1,
        "the value of a step left out can be told from the others",
        "concept", "high", CONCEPT, "confidence",
        "ridge from components to the value; steps left out in turn",
        "Gurnee et al. (2025)",
    ),
    Measure(
        "isometry", "Isometry", "", -1, 1,
        "steps that are near in the concept have similar directions",
        "concept", "high", CONCEPT, "confidence",
        "Spearman correlation of concept distance and 1 - cosine, over pairs of step means",
        "Modell et al. (2025), arXiv 2505.18235",
    ),
    Measure(
        "periodic_gain", "Periodic gain", "", None, None,
        "the circle fits better than a line: > 0.1 notable, > 0.5 strong",
        "concept", None, CONCEPT, "confidence",
        "angular R2 - ordinal R2",
        "SMIXAE",
    ),
    Measure(
        "concept_coverage", "Steps found", "", 0, 1,
        "the cluster fires on more of the concept's steps",
        "concept", None, (), "none",
        "share of the steps with at least one point",
        "this project",
    ),
)  # fmt: skip
"""Measures of a cluster against a concept."""

BY_NAME: Mapping[str, Measure] = {measure.name: measure for measure in MEASURES + CONCEPT_MEASURES}

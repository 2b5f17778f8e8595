"""The cloud of a cluster in a notebook: its points, their text, its axes, its figure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import scipy.sparse as sp

from feature_manifold.core.arrays import Array, Float32Array, Float64Array, Int64Array
from feature_manifold.core.concepts import Concept
from feature_manifold.core.errors import InputError
from feature_manifold.examples.passages import Passage, passages_of
from feature_manifold.geometry import cloud as engine
from feature_manifold.geometry.clusters.core import core_tokens
from feature_manifold.geometry.pca import Pca, arrows, fit_pca, project
from feature_manifold.notebook.tables import Table

if TYPE_CHECKING:
    from feature_manifold.export.figures.drawing import Drawing
    from feature_manifold.notebook.coordinate import FittedCoordinate
    from feature_manifold.notebook.experiment import Experiment
    from feature_manifold.notebook.measures import Measures

SHOWN_MEMBERS = 12


@dataclass(frozen=True, eq=False)
class Cloud:
    """Reconstructions of a cluster of latents, on every token where one of them fires.

    Made by ``Experiment.cloud``. It never changes: ``add`` and ``remove`` return another cloud.

    Attributes
    ----------
    experiment
        Whose latents they are.
    exact
        The cloud as ``geometry.cloud`` has it.
    concept
        What tokens are coloured by, if the cluster was found as one of a concept.
    """

    experiment: "Experiment"
    exact: engine.Cloud
    concept: Concept | None = None

    @property
    def latents(self) -> Int64Array:
        """Members, int64 (k,), ascending."""
        return self.exact.latents

    @property
    def n_points(self) -> int:
        """Number of points."""
        return self.exact.n_points

    @property
    def tokens(self) -> Array:
        """Token-table row of every point, uint32 (n,), ascending."""
        return self.exact.tokens

    @property
    def activations(self) -> sp.csr_matrix:
        """Activation of every member at every point, float32 (n, k)."""
        return self.exact.activations

    @cached_property
    def token_ids(self) -> Int64Array:
        """Vocabulary id of every point, int64 (n,); -1 where it is not known."""
        return self.experiment.tokens.token_id[self.tokens].astype(np.int64)

    @cached_property
    def core(self) -> Int64Array:
        """Core tokens: ids of the token types on which the cluster usually fires strongly."""
        mass = np.asarray(self.activations.sum(axis=1)).ravel()
        return core_tokens(mass, self.token_ids, occurrences=self.experiment.type_counts)

    def points(self) -> Float64Array:
        """Return the reconstructions, float64 (n, r), in an orthonormal basis of their span.

        Distances and angles are those of the model's space. ``points() @ exact.basis`` is there.
        """
        return self.exact.points()

    def texts(self) -> list[str]:
        """Return the text of the token at every point."""
        return self.experiment.texts(self.token_ids)

    def passages(self, n: int = 10, *, context: int = 10) -> Table[Passage]:
        """Return the text round the points that are furthest from the origin.

        Parameters
        ----------
        n
            How many.
        context
            Tokens on either side.
        """
        furthest = np.argsort(-self.exact.norms(), kind="stable")[:n]
        source = self.experiment
        rows = self.tokens[furthest].astype(np.int64)
        found = passages_of(source.tokens, source.vocabulary, rows, context=context)
        return Table(
            found,
            {
                "token": lambda passage: passage.row,
                "before": lambda passage: "".join(passage.tokens[: passage.marked]),
                "at": lambda passage: passage.tokens[passage.marked],
                "after": lambda passage: "".join(passage.tokens[passage.marked + 1 :]),
            },
            title="passages",
        )

    def add(self, *latents: int) -> "Cloud":
        """Return the cloud with more members; those that are in it already change nothing.

        Raises
        ------
        InputError
            If a latent does not exist.
        """
        grown = self.exact
        for latent in latents:
            grown = grown.add(latent, self.experiment.by_latent, self.experiment.decoder)
        return replace(self, exact=grown)

    def remove(self, *latents: int) -> "Cloud":
        """Return the cloud without some members.

        Raises
        ------
        InputError
            If a latent is not in it, or none would be left.
        """
        left = self.exact
        for latent in latents:
            left = left.remove(latent, self.experiment.decoder)
        return replace(self, exact=left)

    def pca(
        self,
        n_components: int = 13,
        *,
        fit_on: Literal["points", "core"] = "points",
        centred: bool = True,
        unit: bool = False,
        reference: "Projection | None" = None,
    ) -> "Projection":
        """Fit principal axes, exactly and on all points, and project all points on them.

        Parameters
        ----------
        n_components
            Axes wanted; there are fewer if the points vary in fewer directions.
        fit_on
            ``points``; or ``core``, the means of the core tokens, each counting once, which keeps
            frequent and stray tokens from taking an axis.
        centred
            Subtract the mean first.
        unit
            Give every point length one first.
        reference
            Another cloud's projection, whose order and signs of axes are kept where they are close.

        Raises
        ------
        InputError
            If ``n_components`` is below 1.
        """
        fitted = fit_pca(
            self.exact,
            n_components,
            centred=centred,
            unit=unit,
            fit_on="type_means" if fit_on == "core" else "points",
            token_ids=self.token_ids,
            types=self.core if fit_on == "core" else None,
            reference=None if reference is None else reference.axes,
        )
        return Projection(self, fitted)

    def measures(
        self,
        *,
        concept: Concept | str | None = None,
        effort: Literal["survey", "full"] = "survey",
        seed: int = 0,
    ) -> "Measures":
        """Measure the cloud: every measure with its interval and its nulls.

        Parameters
        ----------
        concept
            Name of a concept, or a concept, to measure it against as well; else the one by which
            the cluster was found, if any.
        effort
            ``survey``: 19 draws of each null, as for each of a thousand candidates; ``full``: 199,
            and some tens of seconds.
        seed
            Of the draws.

        Raises
        ------
        InputError
            If there is no such concept.
        """
        from feature_manifold.notebook.measures import measured

        return measured(self, self._concept(concept), effort=effort, seed=seed)

    def coordinate(
        self, kind: Literal["circle", "curve", "surface"] | None = None
    ) -> "FittedCoordinate":
        """Fit a circle, curve or surface through the means of the core tokens.

        Parameters
        ----------
        kind
            The kind that makes left-out tokens likeliest, if None.

        Raises
        ------
        InputError
            If there are fewer than three core tokens, or the kind cannot be fitted.
        """
        from feature_manifold.notebook.coordinate import fitted

        return fitted(self, kind)

    def plot(
        self,
        planes: Sequence[tuple[int, int]] | None = None,
        *,
        concept: Concept | str | None = None,
        max_points: int = 20_000,
        title: str | None = None,
    ) -> "Drawing":
        """Draw the cloud in planes of its principal axes, as Engels et al. (2024), Figure 1.

        Axes are fitted to the means of the core tokens, if there are three; tokens are coloured by
        the steps of a concept, or else core tokens by their place on the fitted coordinate.

        Parameters
        ----------
        planes
            Pairs of axes, from 0; the first three pairs of neighbours, or fewer, if None.
        concept
            Name of a concept, or a concept; else the one by which the cluster was found, if any.
        max_points
            Points drawn at most: a seeded sample, the same for clouds that share tokens.
        title
            Else the number of latents, and the concept's name.

        Raises
        ------
        InputError
            If the points vary along fewer than two axes, there is no such axis or concept.
        """
        from feature_manifold.notebook.figures import cloud_figure

        return cloud_figure(
            self,
            planes=planes,
            concept=self._concept(concept),
            max_points=max_points,
            title=title,
        )

    def _concept(self, concept: Concept | str | None) -> Concept | None:
        return self.concept if concept is None else self.experiment.find_concept(concept)

    def __len__(self) -> int:
        return self.n_points

    def __repr__(self) -> str:
        members = ", ".join(map(str, self.latents[:SHOWN_MEMBERS].tolist()))
        more = len(self.latents) - SHOWN_MEMBERS
        return (
            f"Cloud of {len(self.latents)} latents ({members}{', …' * (more > 0)}): "
            f"{self.n_points:,} points"
        )


@dataclass(frozen=True, eq=False)
class Projection:
    """A cloud along its principal axes.

    Attributes
    ----------
    cloud
        The cloud.
    axes
        The axes as ``geometry.pca`` has them.
    """

    cloud: Cloud
    axes: Pca

    @cached_property
    def points(self) -> Float32Array:
        """Coordinates of all points, float32 (n, c)."""
        return project(self.cloud.exact, self.axes)

    @property
    def n_components(self) -> int:
        """Number of axes."""
        return self.axes.n_components

    @property
    def variances(self) -> Float64Array:
        """Variance along each axis, float64 (c,)."""
        return self.axes.variances

    @property
    def share(self) -> Float64Array:
        """Its share of the variance in all directions, float64 (c,)."""
        return self.axes.share

    def directions(self) -> Float64Array:
        """Return the axes in the model's space, float64 (c, d_model)."""
        return self.axes.directions()

    def arrows(self) -> Float64Array:
        """Return the members' decoder directions along the axes, float64 (k, c)."""
        return arrows(self.cloud.exact, self.axes)

    def plot(self) -> "Drawing":
        """Draw the share of variance of every axis.

        Raises
        ------
        InputError
            If the points do not vary.
        """
        from feature_manifold.export.figures.curves import spectrum_figure

        if not self.n_components:
            raise InputError("The points of this cloud do not vary: there is no axis to draw.")
        return spectrum_figure(self.share)

    def __repr__(self) -> str:
        shares = ", ".join(f"{100 * share:.0f} %" for share in self.share[:6])
        more = ", …" if self.n_components > 6 else ""
        return f"Projection on {self.n_components} axes, variance {shares}{more}"

"""Planted things: manifolds and decoys, as tables of who answers to which word how strongly."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from feature_manifold.core.rng import generator
from feature_manifold.testing.planted.shapes import Float64Array, Shape, circle, grid, line, torus
from feature_manifold.testing.planted.spec import PlantedSpec

N_VARIANTS = 16
"""Kinds of occurrence of a word: each shifts its coordinate, and says which of two sharing latents
fires. An occurrence is of one kind for all latents."""

AMPLITUDE = 8.0
"""Length of a manifold's reconstruction from its centre, in activations of unit rows."""

LATENTS_PER_SET = 3000
"""One more thing of each kind for so many latents."""

MOST_SETS = 64
MOST_PLANTED_SHARE = 0.6
"""Of the latents, in a small experiment; kinds that do not fit are left out."""

BLOB_NOISE = 0.35
INTENSITY_SPAN = 1.2
"""The single latent's intensities run from exp(-1.2) to exp(1.2) of its middle one."""


@dataclass(frozen=True)
class Role:
    """What one latent does in a planted thing.

    Attributes
    ----------
    role
        ``spoke`` (tuned to a place), ``split`` (shares the role of another spoke), ``absorber``
        (fires for another on one word), ``hub`` (fires on all words), ``exclusive`` (fires on one
        word), ``independent`` (fires on all words, each time for itself) or ``intensity``.
    coordinate
        Where its tuning curve peaks; empty if it has none.
    partner
        Place, in the thing, of the spoke that it splits or absorbs; -1 if none.
    word
        Place, in the thing, of the word that it absorbs or is exclusive to; -1 if none.
    """

    role: str
    coordinate: tuple[float, ...] = ()
    partner: int = -1
    word: int = -1


@dataclass(frozen=True)
class Thing:
    """One planted manifold or decoy.

    Attributes
    ----------
    name, kind
        For instance ``circle7-0`` of kind ``circle7``.
    is_decoy
        There is no manifold in it.
    coordinates
        float64 (n_words, n_axes); no axes where words have no place.
    periodic
        Whether each axis closes.
    roles
        One per latent.
    responses
        float32 (n_latents, n_words, N_VARIANTS), activations before noise; 0 where silent.
    directions
        float64 (n_latents, n_dims), unit decoder rows in the thing's own basis, before noise; the
        first dimension is the shared one.
    noise
        Scatter of an activation, relative to it.
    """

    name: str
    kind: str
    is_decoy: bool
    coordinates: Float64Array
    periodic: tuple[bool, ...]
    roles: tuple[Role, ...]
    responses: npt.NDArray[np.float32]
    directions: Float64Array
    noise: float

    @property
    def n_latents(self) -> int:
        """Latents that it takes."""
        return len(self.roles)

    @property
    def n_words(self) -> int:
        """Words that it owns."""
        return int(self.responses.shape[1])

    @property
    def n_dims(self) -> int:
        """Dimensions of its basis."""
        return int(self.directions.shape[1])

    def basis(self, seed: int, d_model: int) -> Float64Array:
        """Return its orthonormal basis, float64 (n_dims, d_model)."""
        rng = generator(seed, "planted", "basis", self.name)
        columns, _ = np.linalg.qr(rng.standard_normal((d_model, self.n_dims)))
        return np.ascontiguousarray(columns.T)


def plan_things(spec: PlantedSpec) -> tuple[Thing, ...]:
    """Return what is planted: sets of one of each kind, as many as the latents allow."""
    n_sets = min(max(spec.n_latents // LATENTS_PER_SET, 1), MOST_SETS)
    left = int(MOST_PLANTED_SHARE * spec.n_latents)
    chosen = []
    for number in range(n_sets):
        for kind, make in (KINDS if spec.manifolds else DECOYS).items():
            thing = replace(make(spec, f"{kind}-{number}"), kind=kind)
            if thing.n_latents <= left and thing.n_dims <= spec.d_model:
                left -= thing.n_latents
                chosen.append(thing)
    return tuple(chosen)


def _manifold(shape: Shape, spec: PlantedSpec, name: str) -> Thing:
    """Return a manifold: spokes with tuning curves, a hub, split and absorbed spokes."""
    coordinates = _occurrences(shape, spec)
    shares = shape.tuning(coordinates.reshape(-1, shape.n_axes))
    shares = shares.reshape(len(shape.centres), len(shape.words), N_VARIANTS)
    roles = [Role("spoke", tuple(centre)) for centre in shape.centres.tolist()]
    extra = list(_imperfections(shape, spec, name, shares))
    for role, _, taken in extra:
        shares[role.partner] -= taken
        roles.append(role)
    shares = np.stack([*shares, *(taken for _, _, taken in extra)])
    places = np.stack([*shape.embed(shape.centres), *(place for _, place, _ in extra)])
    rows = np.column_stack([np.full(len(places), spec.hub), places])
    lengths = np.linalg.norm(rows, axis=1)
    hub = np.eye(1, rows.shape[1])
    return Thing(
        name=name,
        kind=shape.kind,
        is_decoy=False,
        coordinates=shape.words,
        periodic=shape.periodic,
        roles=(*roles, Role("hub")),
        responses=_with_hub(AMPLITUDE * lengths[:, None, None] * shares),
        directions=np.concatenate([rows / lengths[:, None], hub]),
        noise=spec.noise,
    )


def _occurrences(shape: Shape, spec: PlantedSpec) -> Float64Array:
    """Return the coordinates of each kind of occurrence, float64 (n_words, N_VARIANTS, n_axes)."""
    rng = generator(spec.seed, "planted", "jitter", shape.kind)
    shifts = rng.standard_normal((len(shape.words), N_VARIANTS, shape.n_axes))
    shifts -= shifts.mean(axis=1, keepdims=True)
    coordinates = shape.words[:, None, :] + spec.jitter * shape.step(shape.words) * shifts
    return np.where(np.array(shape.periodic), coordinates % 1.0, np.clip(coordinates, 0, 1))


def _imperfections(
    shape: Shape, spec: PlantedSpec, name: str, shares: Float64Array
) -> Iterator[tuple[Role, Float64Array, Float64Array]]:
    """Yield latents that take part of a spoke's firings: role, place in space, shares taken."""
    n_spokes = len(shape.centres)
    n_split, n_absorbed = (
        round(share * n_spokes) for share in (spec.split_share, spec.absorbed_share)
    )
    order = generator(spec.seed, "planted", "imperfections", name).permutation(n_spokes).tolist()
    odd = np.arange(N_VARIANTS) % 2 == 1
    for spoke in order[:n_split]:
        role = Role("split", tuple(shape.centres[spoke].tolist()), partner=spoke)
        yield role, shape.embed(shape.centres[spoke : spoke + 1])[0], shares[spoke] * odd
    for spoke in order[n_split : n_split + n_absorbed]:
        word = int(shares[spoke].mean(axis=1).argmax())
        role = Role("absorber", tuple(shape.words[word].tolist()), partner=spoke, word=word)
        only = np.zeros((len(shape.words), 1))
        only[word] = 1
        yield role, shape.embed(shape.words[word : word + 1])[0], shares[spoke] * odd * only


def _with_hub(responses: Float64Array) -> npt.NDArray[np.float32]:
    """Append the hub: it fires on every word, about as strongly as the others together."""
    hub = np.full((1, *responses.shape[1:]), AMPLITUDE)
    return np.concatenate([responses, hub]).astype(np.float32)


def _one_hot(spec: PlantedSpec, name: str, *, n_words: int = 7) -> Thing:
    """Return a decoy: a hub, and a latent for each word, in directions that have no order."""
    roles = [Role("exclusive", word=word) for word in range(n_words)]
    responses = np.zeros((n_words, n_words, N_VARIANTS))
    responses[np.arange(n_words), np.arange(n_words)] = AMPLITUDE
    return _scattered(spec, name, roles, responses, noise=spec.noise)


def _blob(spec: PlantedSpec, name: str, *, n_words: int = 5) -> Thing:
    """Return a decoy: latents that all fire on the same words, each as strongly as it likes."""
    n_latents = 6
    roles = [Role("independent") for _ in range(n_latents)]
    responses = np.full((n_latents, n_words, N_VARIANTS), AMPLITUDE)
    return _scattered(spec, name, roles, responses, noise=BLOB_NOISE)


def _scattered(
    spec: PlantedSpec, name: str, roles: list[Role], responses: Float64Array, *, noise: float
) -> Thing:
    rows = np.column_stack([np.full(len(roles), spec.hub), np.eye(len(roles))])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return Thing(
        name=name,
        kind="",
        is_decoy=True,
        coordinates=np.empty((responses.shape[1], 0)),
        periodic=(),
        roles=(*roles, Role("hub")),
        responses=_with_hub(responses),
        directions=np.concatenate([rows, np.eye(1, rows.shape[1])]),
        noise=noise,
    )


def _intensity(spec: PlantedSpec, name: str) -> Thing:
    """Return a decoy: one latent that fires on three words, with intensities of a wide range."""
    n_words = 3
    strengths = AMPLITUDE * np.exp(np.linspace(-INTENSITY_SPAN, INTENSITY_SPAN, N_VARIANTS))
    return Thing(
        name=name,
        kind="",
        is_decoy=True,
        coordinates=np.empty((n_words, 0)),
        periodic=(),
        roles=(Role("intensity"),),
        responses=np.tile(strengths, (1, n_words, 1)).astype(np.float32),
        directions=np.ones((1, 1)),
        noise=spec.noise,
    )


def _planted(shape: Shape) -> Callable[[PlantedSpec, str], Thing]:
    return lambda spec, name: _manifold(shape, spec, name)


KINDS: dict[str, Callable[[PlantedSpec, str], Thing]] = {
    "circle7": _planted(circle("circle7", 7, 7)),
    "onehot": _one_hot,
    "blob": _blob,
    "intensity": _intensity,
    "circle12": _planted(circle("circle12", 12, 8)),
    "line100": _planted(line("line100", 100, 16)),
    "circle24": _planted(circle("circle24", 24, 12)),
    "grid": _planted(grid("grid", 8, 5)),
    "torus": _planted(torus("torus", 8, 6)),
}
"""What can be planted, in the order in which it is while latents last."""

DECOYS: dict[str, Callable[[PlantedSpec, str], Thing]] = {
    "onehot": _one_hot,
    "blob": _blob,
    "intensity": _intensity,
    **{f"onehot{n}": partial(_one_hot, n_words=n) for n in (12, 24, 48)},
    **{f"blob{n}": partial(_blob, n_words=n) for n in (12, 24)},
}
"""What is planted instead where there are to be no manifolds."""

"""Measure a trained demo model and its autoencoders, and hold the figures against the bars."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from feature_manifold.core.progress import Progress
from feature_manifold.core.rng import generator
from feature_manifold.demo import groups
from feature_manifold.demo.activations import Residuals, residuals
from feature_manifold.demo.bars import (
    GroupResult,
    Ring,
    group_results,
    null_rings,
    principal_ring,
    ranked_clusters,
    word_ids,
)
from feature_manifold.demo.questions import accuracies
from feature_manifold.demo.tokenizer import token_index
from feature_manifold.demo.train_sae import Sae

if TYPE_CHECKING:
    from transformers import Gemma3ForCausalLM

ENCODE_ROWS = 8192
#: A group counts as found when its best cluster overlaps it this well.
FOUND_F1 = 0.5
NOT_FOUND = -1000.0
#: By circle: least R and least share of neighbours in order, and whether they must be met.
RING_BARS = {
    "weekdays": (0.98, 1.0, True),
    "months": (0.98, 1.0, True),
    "notes": (0.98, 1.0, True),
    "number-words": (0.95, 1.0, True),
    "hues": (0.97, 0.8, False),
    "clock": (0.95, 0.7, False),
    "compass": (0.95, 1.0, False),
}


@dataclass(frozen=True)
class SaeResult:
    """Quality of one autoencoder on held-out text.

    Attributes
    ----------
    layer, l0
        Layer number; mean active latents per token.
    explained
        1 - squared error / variance, over all tokens but the first of each document.
    dead
        Share of latents that never fire.
    """

    layer: int
    l0: float
    explained: float
    dead: float


@dataclass(frozen=True)
class Measurements:
    """Everything that the bars need.

    Attributes
    ----------
    accuracies
        By topic, share of right answers.
    saes
        Quality by layer.
    clouds
        By group, what the label-free clusters of layer 0 show.
    n_clusters
        Length of the ranked list.
    raw
        By ring, order of the residual stream's own token means after layer 0, in their first two
        PCs.
    oclock
        By layer, the twelve-hour ring on the single token "o'clock", by the word before it.
    null_decoder, null_firings
        The rings again with the decoder's rows dealt to other latents, and with every latent's
        activations dealt to other tokens.
    """

    accuracies: dict[str, float]
    saes: tuple[SaeResult, ...]
    clouds: dict[str, GroupResult]
    n_clusters: int
    raw: dict[str, Ring]
    oclock: dict[int, Ring]
    null_decoder: dict[str, Ring]
    null_firings: dict[str, Ring]


@dataclass(frozen=True)
class Bar:
    """One requirement: what, how much, how much is needed, and whether it must be met."""

    name: str
    value: float
    at_least: float
    must: bool

    @property
    def passed(self) -> bool:
        """Whether the value reaches the bar."""
        return bool(self.value >= self.at_least)


def measure(
    model: "Gemma3ForCausalLM",
    saes: dict[int, Sae],
    documents: list[list[int]],
    *,
    seed: int,
    progress: Progress,
) -> Measurements:
    """Measure a model and its autoencoders (by layer) on held-out ``documents``."""
    stream = residuals(model, documents, layers=tuple(saes), progress=progress)
    fired = {layer: encode(sae, stream.by_layer[layer]) for layer, sae in saes.items()}
    quality = tuple(
        sae_result(layer, sae, stream.by_layer[layer], fired[layer]) for layer, sae in saes.items()
    )
    ids = stream.token_ids
    found = ranked_clusters(fired[0], saes[0].w_dec, ids, seed=seed)
    decoder = saes[0].w_dec
    clouds = group_results(found, fired[0], decoder, ids)
    rng = generator(seed, "demo", "null")
    dealt = rng.permutation(len(decoder))
    return Measurements(
        accuracies=accuracies(model, seed=seed),
        saes=quality,
        clouds=clouds,
        n_clusters=len(found),
        raw=raw_rings(stream),
        oclock={layer: oclock_ring(stream, layer) for layer in stream.by_layer},
        null_decoder=null_rings(clouds, fired[0], decoder[dealt], ids),
        null_firings=null_rings(clouds, shuffled_firings(fired[0], rng), decoder, ids),
    )


def shuffled_firings(firings: sp.csr_matrix, rng: np.random.Generator) -> sp.csr_matrix:
    """Deal each latent's activations to random tokens: same sizes, no joint structure."""
    coo = firings.tocoo()
    tokens = rng.integers(firings.shape[0], size=coo.nnz)
    return sp.csr_matrix((coo.data, (tokens, coo.col)), shape=firings.shape)


def encode(sae: Sae, x: NDArray[np.float32]) -> sp.csr_matrix:
    """Sparse activations of many tokens, (n_tokens, n_latents) float32."""
    blocks = [
        sp.csr_matrix(sae.encode(x[start : start + ENCODE_ROWS]))
        for start in range(0, len(x), ENCODE_ROWS)
    ]
    return sp.vstack(blocks, format="csr")


def sae_result(layer: int, sae: Sae, x: NDArray[np.float32], firings: sp.csr_matrix) -> SaeResult:
    """Reconstruction and sparsity of one autoencoder."""
    error = firings @ sae.w_dec + sae.b_dec - x
    variance = ((x - x.mean(0, dtype=np.float64)) ** 2).sum()
    return SaeResult(
        layer=layer,
        l0=firings.nnz / len(x),
        explained=float(1 - (error.astype(np.float64) ** 2).sum() / variance),
        dead=float((firings.getnnz(axis=0) == 0).mean()),
    )


def raw_rings(stream: Residuals) -> dict[str, Ring]:
    """Order of each ring's token means in the residual stream after layer 0, in their first PCs."""
    return {
        group.name: principal_ring(_means(stream.by_layer[0], stream.token_ids, word_ids(group)))[0]
        for group in groups.GROUPS
        if group.kind is groups.Kind.CIRCLE
    }


def oclock_ring(stream: Residuals, layer: int) -> Ring:
    """The hours on the one token "o'clock": pure context, told apart by the word before."""
    here = stream.token_ids == token_index()["o'clock"]
    x = stream.by_layer[layer][here]
    return principal_ring(_means(x, stream.previous[here], word_ids(groups.HOURS)))[0]


def _means(
    x: NDArray[np.float32], token_ids: NDArray[np.int64], types: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Mean row of ``x`` at each of ``types``, (n_types, d); zero where a type does not occur."""
    slots = np.full(int(max(token_ids.max(), types.max())) + 1, -1)
    slots[types] = np.arange(len(types))
    slot = slots[token_ids]
    here = np.flatnonzero(slot >= 0)
    count = np.maximum(1, np.bincount(slot[here], minlength=len(types)))
    pick = sp.csr_matrix((1 / count[slot[here]], (slot[here], here)), (len(types), len(x)))
    means: NDArray[np.float64] = pick @ x.astype(np.float64)
    return means


def bars(measured: Measurements) -> tuple[Bar, ...]:
    """Hold measurements against every bar that needs no clock or scale."""
    clouds, accuracy = measured.clouds, measured.accuracies
    found: list[Bar] = []

    def need(name: str, value: float, at_least: float, *, must: bool = True) -> None:
        found.append(Bar(name, value, at_least, must))

    for name, (resultant, order, must) in RING_BARS.items():
        ring = clouds[name].ring
        if ring is not None:
            need(f"{name}: R in the displayed plane", ring.resultant, resultant, must=must)
            need(f"{name}: neighbours in order", ring.order, order, must=must)
    days = clouds["weekdays"]
    need("weekdays: share of harmonic 1", days.ring.harmonic if days.ring else 0.0, 0.6)
    need("weekdays: variance share of the displayed plane", days.share, 0.6)
    need("weekdays: cluster F1", days.f1, 0.85)
    _need_rank(need, clouds)
    months = clouds["months"]
    need("months: longest H1 bar / RMS radius", months.loop, 0.5)
    need(
        "months: 1 - second / longest H1 bar", 1 - months.second_loop / max(months.loop, 1e-9), 0.75
    )
    need("towns: R2 of x, y from two PCs", clouds["towns"].fit, 0.95)
    need("towns: cluster F1", clouds["towns"].f1, 0.85)
    need("o'clock token, layer 0, raw: R", measured.oclock[0].resultant, 0.85)
    need("o'clock token, layer 0, raw: in order", measured.oclock[0].order, 1.0)
    for name in ("weekdays", "months", "notes", "hues", "compass", "number-words"):
        need(f"{name}: accuracy on facts", accuracy[name], 0.95)
    for name in ("clock", "ordinals"):
        need(f"{name}: accuracy on facts", accuracy[name], 0.9)
    first = measured.saes[0]
    need("layer 0: variance explained", first.explained, 0.93)
    need("layer 0: 10 - L0", 10 - first.l0, 0.0)
    for what, null in (
        ("decoder rows dealt to other latents", measured.null_decoder),
        ("activations dealt to other tokens", measured.null_firings),
    ):
        need(f"null, {what}: share of ring bars failed", _failures(null), 1.0)
    return tuple(found)


def _need_rank(need: Callable[[str, float, float], None], clouds: dict[str, GroupResult]) -> None:
    """Bars on places in the ranked list, as negative ranks so that more is better."""
    for name, worst in (("weekdays", 10), ("months", 5), ("notes", 10)):
        found = clouds[name].f1 > FOUND_F1
        need(f"{name}: minus its rank", -clouds[name].rank if found else NOT_FOUND, -worst)
    ranks = [result.rank for result in clouds.values() if result.f1 > FOUND_F1]
    near = sum(rank <= 20 for rank in ranks)
    need("groups in the top 20 of 11", near, 9)
    need("minus the mean rank of groups found", -float(np.mean(ranks)) if ranks else NOT_FOUND, -10)


def _failures(rings: dict[str, Ring]) -> float:
    """Share of circles that miss their bar on R or on order."""
    failed = [
        name not in rings or rings[name].resultant < resultant or rings[name].order < order
        for name, (resultant, order, _) in RING_BARS.items()
    ]
    return float(np.mean(failed))

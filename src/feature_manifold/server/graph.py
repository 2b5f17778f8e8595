"""Routes of the graph: where the latents lie, and the edges between them."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import scipy.sparse as sp
from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from feature_manifold.core.arrays import Array, check_array
from feature_manifold.core.errors import InputError
from feature_manifold.server.bodies import (
    BINARY_ANSWER,
    binary_answer,
    finite,
    json_answer,
    wants_binary,
)
from feature_manifold.server.faults import AnswerTooLongError, fault_examples
from feature_manifold.server.library import ChosenExperiment, LibraryOfApp, OpenExperiment
from feature_manifold.server.schemas import EdgeList, Positions
from feature_manifold.server.work import WorkOfApp
from feature_manifold.store.layout import POSITIONS

# JSON of 262,144 positions: 4.5 MB; the binary body of 1,048,576: 8.4 MB.
MAX_JSON_POSITIONS = 1 << 18
MAX_JSON_EDGES = 10_000
MAX_EDGES = 200_000
FLOAT32_MAX = float(np.finfo(np.float32).max)

router = APIRouter(tags=["graph"])


@router.get(
    "/api/graph",
    summary="Position of every latent on the map",
    response_model=Positions,
    responses={200: BINARY_ANSWER, **fault_examples(401, 404, 409, 413, 422)},
)
def graph(
    request: Request,
    opened: ChosenExperiment,
    layout: Annotated[
        Literal["cosine", "coactivation"],
        Query(description="Laid out by decoder cosine, or by cosine and overlap of firings."),
    ] = "cosine",
) -> Response:
    """Send positions in [0, 1], in order of latent id.

    With ``Accept: application/octet-stream`` they come as one array ``positions``, float32
    (n_latents, 2), in the binary body.
    """
    if wants_binary(request):
        return binary_answer(
            request, opened.digest, lambda: {"positions": _positions(opened, layout)}
        )

    def body() -> dict[str, Any]:
        positions = _positions(opened, layout)
        if len(positions) > MAX_JSON_POSITIONS:
            raise AnswerTooLongError(
                f"{len(positions):,} positions are too many for JSON (at most "
                f"{MAX_JSON_POSITIONS:,}). Send the header Accept: application/octet-stream for "
                "the binary body."
            )
        return {
            "experiment_id": opened.experiment.id,
            "n_latents": len(positions),
            "layout": layout,
            "positions": np.ascontiguousarray(positions),
        }

    return json_answer(request, opened.digest, body)


def _positions(opened: OpenExperiment, layout: str) -> Array:
    experiment = opened.experiment
    name, positions = POSITIONS[layout], experiment.positions(layout)
    shape = (experiment.by_latent.n_latents, 2)
    check_array(name, positions, dtypes=(positions.dtype,), shape=shape)
    return finite(name, positions)


@router.get(
    "/api/edges",
    summary="Edges of one latent, or the strongest of all",
    response_model=EdgeList,
    responses={200: BINARY_ANSWER, **fault_examples(401, 404, 409, 422, 429, 503)},
)
async def edges(
    request: Request,
    opened: ChosenExperiment,
    library: LibraryOfApp,
    work: WorkOfApp,
    kind: Annotated[
        Literal["cosine", "jaccard", "coactivation"],
        Query(alias="type", description="Decoder cosine, Jaccard overlap or joint firings."),
    ] = "cosine",
    latent: Annotated[
        int | None, Query(ge=0, description="Only the edges of this latent, as source.")
    ] = None,
    threshold: Annotated[
        float | None, Query(allow_inf_nan=False, description="Least weight.")
    ] = None,
    limit: Annotated[
        int, Query(ge=1, le=MAX_EDGES, description="At most so many, strongest first.")
    ] = 100,
) -> Response:
    """Send edges, strongest first, each once; JSON holds at most 10,000.

    With ``Accept: application/octet-stream`` they come as ``source`` and ``target`` (uint32) and
    ``weight`` (float32) in the binary body.
    """
    is_binary = wants_binary(request)
    if limit > MAX_JSON_EDGES and not is_binary:
        raise InputError(
            f"limit: at most {MAX_JSON_EDGES:,} edges as JSON. Send the header "
            f"Accept: application/octet-stream for up to {MAX_EDGES:,} in the binary body."
        )

    # Weights are float32, and a threshold beyond them would be no number of that kind.
    least = None if threshold is None else float(np.clip(threshold, -FLOAT32_MAX, FLOAT32_MAX))

    def found() -> EdgeColumns:
        matrix = library.edges(opened, kind)
        if latent is None:
            return strongest_edges(matrix, threshold=least, limit=limit)
        return edges_of(matrix, latent, threshold=least, limit=limit)

    def body() -> dict[str, Any]:
        columns = found()
        return {
            "experiment_id": opened.experiment.id,
            "type": kind,
            "n_edges": columns.n_edges,
            "edges": columns.records(),
        }

    def send() -> Response:
        if is_binary:
            return binary_answer(request, opened.digest, lambda: found().columns())
        return json_answer(request, opened.digest, body)

    if latent is None:
        return await work.run(request, lambda _: send())
    return await run_in_threadpool(send)


@dataclass(frozen=True)
class EdgeColumns:
    """Edges, strongest first: uint32, uint32, float32 (n,); ``n_edges`` fitted the question."""

    source: Array
    target: Array
    weight: Array
    n_edges: int

    def columns(self) -> dict[str, Array]:
        """Return the columns by name."""
        return {"source": self.source, "target": self.target, "weight": self.weight}

    def records(self) -> list[dict[str, Any]]:
        """Return one JSON object per edge."""
        rows = zip(self.source.tolist(), self.target.tolist(), self.weight, strict=True)
        return [{"source": a, "target": b, "weight": weight} for a, b, weight in rows]


def edges_of(
    matrix: sp.csr_matrix, latent: int, *, threshold: float | None, limit: int
) -> EdgeColumns:
    """Return the strongest edges of one latent, which is the source of each.

    Parameters
    ----------
    matrix
        Symmetric weights, float32 (n_latents, n_latents).

    Raises
    ------
    InputError
        If there is no such latent.
    """
    n_latents = matrix.shape[0]
    if latent >= n_latents:
        raise InputError(f"latent: there is no latent {latent}; ids run from 0 to {n_latents - 1}.")
    row = slice(int(matrix.indptr[latent]), int(matrix.indptr[latent + 1]))
    targets, weights = matrix.indices[row], matrix.data[row]
    if threshold is not None:
        targets, weights = targets[weights >= threshold], weights[weights >= threshold]
    return _strongest(np.full(len(targets), latent), targets, weights, limit=limit)


def strongest_edges(matrix: sp.csr_matrix, *, threshold: float | None, limit: int) -> EdgeColumns:
    """Return the strongest edges of all, each once, with the lower latent as source."""
    rows = np.repeat(np.arange(matrix.shape[0], dtype=matrix.indices.dtype), np.diff(matrix.indptr))
    fits = matrix.indices > rows
    if threshold is not None:
        fits &= matrix.data >= threshold
    return _strongest(rows[fits], matrix.indices[fits], matrix.data[fits], limit=limit)


def _strongest(source: Array, target: Array, weight: Array, *, limit: int) -> EdgeColumns:
    n_edges = len(weight)
    if n_edges > limit:
        # Everything at least as strong as the weakest kept, so that ties are cut by id.
        weakest = np.partition(weight, n_edges - limit)[n_edges - limit]
        kept = weight >= weakest
        source, target, weight = source[kept], target[kept], weight[kept]
    order = np.lexsort((target, source, -weight))[:limit]
    return EdgeColumns(
        source=source[order].astype(np.uint32),
        target=target[order].astype(np.uint32),
        weight=weight[order].astype(np.float32),
        n_edges=n_edges,
    )

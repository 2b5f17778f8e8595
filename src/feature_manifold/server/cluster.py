"""Routes of a cluster that the request names: its cloud, and its principal axes."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from starlette.responses import Response

from feature_manifold.server.bodies import BINARY_ANSWER, binary_body, json_body, wants_binary
from feature_manifold.server.clouds import CloudsOfApp
from feature_manifold.server.cluster_schemas import (
    CloudAnswer,
    CloudQuestion,
    PcaAnswer,
    PcaQuestion,
)
from feature_manifold.server.concepts import concept_of
from feature_manifold.server.coordinate_schemas import CoordinateAnswer, CoordinateQuestion
from feature_manifold.server.faults import fault_examples
from feature_manifold.server.library import LibraryOfApp
from feature_manifold.server.measure_schemas import (
    DefinitionList,
    MeasureAnswer,
    MeasureQuestion,
)
from feature_manifold.server.work import Job, SlowWorkOfApp, WorkOfApp

if TYPE_CHECKING:
    from feature_manifold.server.points import PointsAnswer

FAULTS = fault_examples(401, 404, 409, 413, 422, 429, 503)

router = APIRouter(tags=["cluster"])


@router.post(
    "/api/cluster/cloud",
    summary="Point cloud of a cluster",
    response_model=CloudAnswer,
    responses={200: BINARY_ANSWER, **FAULTS},
)
async def cluster_cloud(
    request: Request,
    asked: CloudQuestion,
    library: LibraryOfApp,
    clouds: CloudsOfApp,
    work: WorkOfApp,
) -> Response:
    """Send one point for each token on which at least one member fires.

    A point is the sum of the members' decoder rows times their activations, without decoder bias,
    in an orthonormal basis of the span of these rows: exact, with as many coordinates as there are
    members, or d_model if that is less.

    With ``Accept: application/octet-stream`` the lists of points come as arrays in the binary body,
    ``points`` as float32 (n_shown, n_dimensions), and the rest under ``facts`` in its header.
    """

    def answer(job: Job) -> "PointsAnswer":
        # Imported here and below: it pulls in numba, which most routes do without.
        from feature_manifold.server.points import cloud_answer

        return cloud_answer(clouds, library.open(asked.experiment_id), asked, job)

    return await work.run(request, _sent(request, answer))


@router.post(
    "/api/cluster/pca",
    summary="Points of a cluster along its principal axes",
    response_model=PcaAnswer,
    responses={200: BINARY_ANSWER, **FAULTS},
)
async def cluster_pca(
    request: Request,
    asked: PcaQuestion,
    library: LibraryOfApp,
    clouds: CloudsOfApp,
    work: WorkOfApp,
) -> Response:
    """Fit the axes in float64 on all points, and send the points along them.

    The same as a PCA of the reconstructions in the model's space. The member that reaches furthest
    along an axis does so upwards; with ``reference``, signs follow those of another cluster.

    With ``Accept: application/octet-stream`` the lists of points come as arrays in the binary body,
    ``points`` as float32 (n_shown, number of axes), and the rest under ``facts`` in its header.
    """

    def answer(job: Job) -> "PointsAnswer":
        from feature_manifold.server.points import pca_answer

        return pca_answer(clouds, library.open(asked.experiment_id), asked, job)

    return await work.run(request, _sent(request, answer))


@router.post(
    "/api/cluster/coordinate",
    summary="Circle, curve or surface through a cluster, and what its latents do along it",
    response_model=CoordinateAnswer,
    responses={200: BINARY_ANSWER, **FAULTS},
)
async def cluster_coordinate(
    request: Request,
    asked: CoordinateQuestion,
    library: LibraryOfApp,
    clouds: CloudsOfApp,
    work: WorkOfApp,
) -> Response:
    """Fit a coordinate to the core token types, and place every token on it.

    Also sent: the order of the types, the largest gaps, the tuning curve of every member, how the
    members share the coordinate, which do nothing for it, and which latents outside may be missing.

    With ``Accept: application/octet-stream`` the lists of points come as arrays in the binary body:
    ``tokens`` uint32, ``values`` float32 (n_shown, axes), ``distance`` float32; the rest under
    ``facts`` in its header.
    """

    def answer(job: Job) -> "PointsAnswer":
        from feature_manifold.server.measuring import coordinate_answer

        return coordinate_answer(clouds, library.open(asked.experiment_id), asked, job)

    return await work.run(request, _sent(request, answer))


@router.post(
    "/api/cluster/measures",
    summary="Measures of a cluster, each with its interval and its nulls",
    responses=FAULTS,
)
async def cluster_measures(
    request: Request,
    asked: MeasureQuestion,
    library: LibraryOfApp,
    clouds: CloudsOfApp,
    work: SlowWorkOfApp,
) -> MeasureAnswer:
    """Measure all points, and compare with what chance would give.

    Takes seconds, with the effort `full` tens of them; so that nobody's clicks wait for it, it has
    a queue of its own.
    """
    concept = None if asked.concept is None else concept_of(asked.concept)

    def answer(job: Job) -> MeasureAnswer:
        from feature_manifold.server.measuring import measure_answer

        return measure_answer(library, clouds, asked, concept, job)

    return await work.run(request, answer)


@router.get("/api/measures", summary="What every measure is", responses=fault_examples(401))
def measures() -> DefinitionList:
    """Send names, units, bounds, formulas and sources."""
    from feature_manifold.server.measuring import definitions

    return definitions()


def _sent(request: Request, answer: Callable[[Job], "PointsAnswer"]) -> Callable[[Job], Response]:
    """Return the work that makes an answer and puts it into the form asked for."""
    is_binary = wants_binary(request)

    def make(job: Job) -> Response:
        made = answer(job)
        job.check()
        return binary_body(*made.to_binary()) if is_binary else json_body(made.to_json())

    return make

"""Routes of the server itself: whether it lives, and what it allows."""

from fastapi import APIRouter, Request

from feature_manifold import __version__
from feature_manifold.server.clouds import MAX_FIRINGS, MAX_MEMBERS
from feature_manifold.server.cluster_schemas import MAX_COMPONENTS, MAX_POINTS
from feature_manifold.server.faults import fault_examples
from feature_manifold.server.intake import MAX_BODY_BYTES
from feature_manifold.server.schemas import Health, Limits, ServerState
from feature_manifold.server.work import SlowWorkOfApp, WorkOfApp

router = APIRouter(tags=["server"])


@router.get("/api/health", summary="Whether the server answers", responses=fault_examples(401))
async def health() -> Health:
    """Answer at once, whatever else the server is doing."""
    return Health(status="ok")


@router.get("/api/server", summary="What the server allows", responses=fault_examples(401))
async def server(request: Request, work: WorkOfApp, slow_work: SlowWorkOfApp) -> ServerState:
    """Say whether work can be saved here, and how much one request may ask for."""
    return ServerState(
        version=__version__,
        is_read_only=request.app.state.settings.is_read_only,
        n_jobs=work.n_jobs + slow_work.n_jobs,
        limits=Limits(
            members=MAX_MEMBERS,
            firings=MAX_FIRINGS,
            points=MAX_POINTS,
            components=MAX_COMPONENTS,
            body_bytes=MAX_BODY_BYTES,
            seconds=work.seconds,
            jobs=work.capacity,
        ),
    )

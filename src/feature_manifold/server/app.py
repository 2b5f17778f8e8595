"""The application: routes, guards and the web app, made from settings."""

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.middleware import Middleware
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware

from feature_manifold import __version__
from feature_manifold.server import (
    cluster,
    concepts,
    contexts,
    discovered,
    experiments,
    graph,
    latents,
    saved,
    search,
    state,
)
from feature_manifold.server.binary import MEDIA_TYPE
from feature_manifold.server.clouds import Clouds
from feature_manifold.server.faults import add_fault_handlers
from feature_manifold.server.guards import SECURITY_HEADERS, Guards, SecurityHeaders
from feature_manifold.server.intake import BodyBounds
from feature_manifold.server.library import Library
from feature_manifold.server.settings import ServerSettings
from feature_manifold.server.web_app import find_web_app, mount_web_app
from feature_manifold.server.work import WorkPool, slow_pool
from feature_manifold.store.layout import DataRoot
from feature_manifold.store.workspace import Workspace

# The low bits of floats are noise: compressing the binary body costs time and saves little.
UNCOMPRESSED = (*DEFAULT_EXCLUDED_CONTENT_TYPES, MEDIA_TYPE)
MODULES = (
    *(state, experiments, latents, graph, search, contexts),
    *(concepts, discovered, cluster, saved),
)
GZIP_LEVEL = 5
GZIP_MIN_BYTES = 1000


def build_app(settings: ServerSettings) -> FastAPI:
    """Make the application.

    Nothing is read from the data root before a request asks for it.

    Parameters
    ----------
    settings
        Where the data are, where the server will listen, and who may ask.

    Returns
    -------
    FastAPI
        The application; its state is its own, so that several may live in one process.

    Raises
    ------
    ServerError
        If the settings name a folder for the web app that holds none.
    """
    app = FastAPI(
        title="Feature Manifold Interface",
        version=__version__,
        summary="Latents of sparse autoencoders: map, edges, examples, search.",
        openapi_url="/api/openapi.json",
        # Both pages load scripts from other hosts.
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(Guards, settings=settings),
            Middleware(BodyBounds),
            Middleware(
                GZipMiddleware,
                minimum_size=GZIP_MIN_BYTES,
                compresslevel=GZIP_LEVEL,
                exclude_content_types=UNCOMPRESSED,
            ),
        ],
    )
    app.state.settings = settings
    app.state.library = Library(settings.data_root)
    app.state.clouds = Clouds()
    app.state.work = WorkPool()
    app.state.slow_work = slow_pool()
    app.state.workspace = Workspace(DataRoot(settings.data_root).workspace)
    add_fault_handlers(app, data_root=settings.data_root, last_headers=SECURITY_HEADERS)
    for module in MODULES:
        app.include_router(module.router)
    mount_web_app(app, find_web_app(settings.static_folder))
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name

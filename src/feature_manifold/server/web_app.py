"""The built web app: static files at ``/``, or a page that says how to build them."""

import re
from pathlib import Path

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from feature_manifold.core.errors import ServerError

ENTRY = "index.html"
# The bundler's names, for instance assets/index-BQ2x9fKe.js: a new content has a new name.
HASHED_NAME = re.compile(r"assets/.+-[A-Za-z0-9_-]{8,}\.[a-z0-9]+")
ONE_YEAR = "public, max-age=31536000, immutable"

NO_APP_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Feature Manifold Interface</title>
<h1>The web app is not built</h1>
<p>Build it in the folder of the project with <code>make web</code>, then start
<code>fmi serve</code> again.</p>
<p>The API answers: see <a href="/api/experiments">/api/experiments</a> and
<a href="/api/openapi.json">/api/openapi.json</a>.</p>
</html>
"""


class WebApp(StaticFiles):
    """Files of the app. Links that lead out of the folder and hidden files are not served."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer with a file; those with a hash in their name may be kept for good."""
        if any(part.startswith(".") and part != "." for part in path.split("/")):
            raise HTTPException(status_code=404)
        response = await super().get_response(path, scope)
        is_kept = response.status_code in {200, 304} and HASHED_NAME.fullmatch(path)
        response.headers["Cache-Control"] = ONE_YEAR if is_kept else "no-cache"
        return response


def find_web_app(given: Path | None) -> Path | None:
    """Return the folder of the built app: the given one, the package's, or the checkout's.

    Raises
    ------
    ServerError
        If a folder is given and holds no app.
    """
    if given is not None:
        if not (given / ENTRY).is_file():
            raise ServerError(f"{given} holds no {ENTRY}. Build the web app with: make web")
        return given
    package = Path(__file__).resolve().parent
    checkout = package.parents[2]
    folders = (package / "static", checkout / "visualizer", checkout / "web" / "dist")
    return next((folder for folder in folders if (folder / ENTRY).is_file()), None)


def mount_web_app(app: FastAPI, folder: Path | None) -> None:
    """Serve the app below ``/``, after all other routes."""
    if folder is not None:
        app.mount("/", WebApp(directory=folder, html=True))
        return

    @app.get("/", include_in_schema=False)
    def no_app() -> HTMLResponse:
        return HTMLResponse(NO_APP_PAGE)

"""Optional dependencies: which extra brings a module that is missing."""

import json
import sys
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from feature_manifold.core.errors import MissingExtraError

DISTRIBUTION = "feature-manifold-interface"


def missing_extra(error: ModuleNotFoundError, *, work: str, extra: str) -> MissingExtraError:
    """Make the error that says what to install.

    Parameters
    ----------
    error
        What the import raised.
    work
        What the module is needed for.
    extra
        Extra of this package that brings it.
    """
    return MissingExtraError(
        f"{work} needs {error.name}, which is not installed: {install_command(extra)}"
    )


def install_command(extra: str) -> str:
    """Return what to type for an extra: from the folder that was installed, else by name."""
    source = f'"{DISTRIBUTION}[{extra}]"'
    record = _installed_from()
    if "dir_info" in record:
        editable = "--editable " if record["dir_info"].get("editable") else ""
        source = f'{editable}"{url2pathname(urlsplit(record["url"]).path)}[{extra}]"'
    return f"{sys.executable} -m pip install {source}"


def _installed_from() -> dict[str, Any]:
    """Return what pip recorded of an install that did not come from a package index."""
    try:
        text = distribution(DISTRIBUTION).read_text("direct_url.json")
    except PackageNotFoundError:
        text = None
    return dict(json.loads(text)) if text else {}

"""Failures of the Hugging Face hub, told in one line that says what to do."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from feature_manifold.core.config import resolve_path
from feature_manifold.core.errors import FmiError
from feature_manifold.core.extras import missing_extra

REACH_S = 10.0
"""Seconds to wait for the hub's first answer."""


@contextmanager
def hub_access(repo_id: str, *, kind: str, error: type[FmiError]) -> Iterator[None]:
    """Turn what the hub libraries raise into one line of the package's error family.

    Parameters
    ----------
    repo_id
        Repository that the block reads, ``owner/name``. A path on this machine needs no hub:
        then nothing is changed.
    kind
        What it is, for the message: ``model``, ``SAE``, ``data set``.
    error
        Class to raise.

    Raises
    ------
    FmiError
        Of class ``error``, for a gated, unknown or unreachable repository, or one that lacks a
        file. Everything else passes through.
    """
    if resolve_path(repo_id) is not None:
        yield
        return
    try:
        with _offline_if_unreachable():
            yield
    except Exception as failure:
        message = _explain(failure, repo_id, kind)
        if message is None:
            raise
        raise error(message) from failure


def hub_file(repo_id: str, name: str, *, kind: str, error: type[FmiError]) -> Path:
    """Return a file of a repository from the local cache, downloading it if it is not there.

    Parameters
    ----------
    repo_id, name
        Repository and path inside it.
    kind
        ``data set``, or anything else for a model repository.
    error
        Class to raise.

    Raises
    ------
    FmiError
        As ``hub_access`` says.
    """
    try:
        from huggingface_hub import hf_hub_download
    except ModuleNotFoundError as missing:
        raise missing_extra(missing, work="Reading the hub", extra="harvest") from missing
    repo_type = "dataset" if kind == "data set" else "model"
    with hub_access(repo_id, kind=kind, error=error):
        return Path(hf_hub_download(repo_id, name, repo_type=repo_type))


@contextmanager
def _offline_if_unreachable() -> Iterator[None]:
    """Read the cache alone when there is no network.

    huggingface_hub would try every file six times, 23 seconds each, even those it has cached.
    """
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not _is_reachable()
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


@cache
def _is_reachable() -> bool:
    """Ask the hub for anything, once."""
    from huggingface_hub import constants, get_session

    try:
        get_session().head(constants.ENDPOINT, timeout=REACH_S)
    except (_hub_errors().HTTPError, OSError):
        return False
    return True


def _hub_errors() -> Any:
    """Return the hub's error module; its HTTPError is that of the HTTP library it uses."""
    return importlib.import_module("huggingface_hub.errors")


def _explain(failure: BaseException, repo_id: str, kind: str) -> str | None:
    """Return the line for a failure of the hub, or None for a failure of something else."""
    errors = _hub_errors()
    page = f"https://huggingface.co/{'datasets/' if kind == 'data set' else ''}{repo_id}"
    chain: list[BaseException] = []
    link: BaseException | None = failure
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__ or link.__context__
    for link in chain:
        if isinstance(link, errors.GatedRepoError):
            return (
                f"The {kind} '{repo_id}' is gated. Accept its terms at {page}, then log in with: "
                "hf auth login   (or set HF_TOKEN)"
            )
        if isinstance(link, errors.LocalEntryNotFoundError | errors.OfflineModeIsEnabled):
            break
        if isinstance(link, errors.RepositoryNotFoundError):
            return (
                f"The hub has no {kind} '{repo_id}', or it is private. Check the name at {page}, "
                "or log in with: hf auth login"
            )
        if isinstance(link, errors.EntryNotFoundError):
            return f"The {kind} '{repo_id}' lacks a file: {' '.join(str(link).split())}"
    unreachable = (
        errors.LocalEntryNotFoundError,
        errors.OfflineModeIsEnabled,
        errors.HTTPError,
        ConnectionError,
    )
    if any(isinstance(link, unreachable) for link in chain):
        return (
            f"The {kind} '{repo_id}' is not in the local cache and the hub cannot be reached. "
            f"Connect and try again, or fetch it first with: hf download {repo_id}"
            f"{' --repo-type dataset' if kind == 'data set' else ''}"
        )
    return None

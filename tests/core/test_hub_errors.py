"""Failures of the hub end in one line that says what to do."""

import time

import httpx2
import pytest
from huggingface_hub import constants
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)

from feature_manifold.core import hub
from feature_manifold.core.errors import ModelError
from feature_manifold.core.hub import hub_access, hub_file


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


RESPONSE = httpx2.Response(403, request=httpx2.Request("GET", "https://huggingface.co/a/b"))

FAILURES = {
    "gated": (GatedRepoError("no", response=RESPONSE), "hf auth login"),
    "unknown": (RepositoryNotFoundError("no", response=RESPONSE), "The hub has no model 'a/b'"),
    "lacking": (EntryNotFoundError("no\nfile"), "lacks a file: no file"),
    "offline": (OfflineModeIsEnabled("no"), "hf download a/b"),
    "not cached": (LocalEntryNotFoundError("no"), "hf download a/b"),
    "unreachable": (httpx2.ConnectError("no"), "the hub cannot be reached"),
}


def fail(failure: Exception, *, is_wrapped: bool) -> None:
    with hub_access("a/b", kind="model", error=ModelError):
        if is_wrapped:
            # transformers hides the cause behind an OSError of its own.
            raise OSError("we could not\nload it") from failure
        raise failure


@pytest.mark.parametrize("case", FAILURES)
@pytest.mark.parametrize("is_wrapped", [False, True])
def test_a_failure_of_the_hub_says_what_to_do(case: str, is_wrapped: bool) -> None:
    failure, expected = FAILURES[case]
    with pytest.raises(ModelError, match=expected) as raised:
        fail(failure, is_wrapped=is_wrapped)
    assert "\n" not in str(raised.value)


def test_other_failures_pass_through() -> None:
    with pytest.raises(ZeroDivisionError):
        fail(ZeroDivisionError(), is_wrapped=False)


def test_without_a_network_the_cache_is_asked_once_and_not_for_minutes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    hub._is_reachable.cache_clear()
    start = time.monotonic()
    with pytest.raises(ModelError, match="hf download"):
        hub_file("nobody/nothing", "config.json", kind="model", error=ModelError)
    hub._is_reachable.cache_clear()
    assert time.monotonic() - start < 10
    assert constants.HF_HUB_OFFLINE is False

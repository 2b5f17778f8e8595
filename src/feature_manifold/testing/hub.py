"""A Hugging Face cache made by hand, and a way to use it without a network."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import huggingface_hub.constants as hub_constants


@dataclass(frozen=True)
class LocalHub:
    """A folder laid out like ``~/.cache/huggingface/hub``."""

    cache: Path

    def repository(self, repo_id: str, *, kind: str = "model") -> Path:
        """Make the snapshot folder of a repository, empty at first, and return it.

        Parameters
        ----------
        repo_id
            ``owner/name``.
        kind
            ``model`` or ``dataset``.
        """
        revision = hashlib.sha1(repo_id.encode(), usedforsecurity=False).hexdigest()
        root = self.cache / f"{kind}s--{repo_id.replace('/', '--')}"
        snapshot = root / "snapshots" / revision
        snapshot.mkdir(parents=True, exist_ok=True)
        (root / "refs").mkdir(exist_ok=True)
        (root / "refs" / "main").write_text(revision)
        return snapshot

    @property
    def environment(self) -> dict[str, str]:
        """Variables that make a subprocess use this cache, offline."""
        return {"HF_HUB_CACHE": str(self.cache), "HF_HUB_OFFLINE": "1"}


@contextmanager
def use_hub(hub: LocalHub) -> Iterator[None]:
    """Make this process read ``hub`` and nothing else, for the length of a ``with`` block.

    huggingface_hub reads its environment variables once, on import; hence its constants.
    """
    saved = hub_constants.HF_HUB_CACHE, hub_constants.HF_HUB_OFFLINE
    hub_constants.HF_HUB_CACHE, hub_constants.HF_HUB_OFFLINE = str(hub.cache), True
    try:
        yield
    finally:
        hub_constants.HF_HUB_CACHE, hub_constants.HF_HUB_OFFLINE = saved

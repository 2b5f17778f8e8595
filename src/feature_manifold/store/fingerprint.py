"""Cheap digests of files outside the data root: models, SAEs and corpora on this machine."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from feature_manifold.core.config import config_hash, matching_files, resolve_path

SAMPLE_BYTES = 1 << 16


def fingerprint(path: Path) -> str:
    """Digest a file or folder by names, sizes, and the first and last 64 KiB of each file.

    A retrained model or edited corpus changes it; reading 50 GB of weights to say that nothing
    changed would take minutes. Hidden files and folders do not count.

    Returns
    -------
    str
        SHA-256, hexadecimal.
    """
    digest = hashlib.sha256()
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    for file in files:
        name = file.relative_to(path).as_posix()
        if not file.is_file() or any(part.startswith(".") for part in Path(name).parts):
            continue
        size = file.stat().st_size
        digest.update(f"{name}\x00{size}\x00".encode())
        with file.open("rb") as content:
            digest.update(content.read(SAMPLE_BYTES))
            content.seek(max(size - SAMPLE_BYTES, 0))
            digest.update(content.read(SAMPLE_BYTES))
    return digest.hexdigest()


def local_fingerprints(sources: Mapping[str, str | None]) -> dict[str, str]:
    """Digest those config values that name files of this machine, by the given names."""
    found = {name: _source_fingerprint(source) for name, source in sources.items() if source}
    return {name: digest for name, digest in found.items() if digest is not None}


def _source_fingerprint(source: str) -> str | None:
    """Digest a file, a folder, or all files that a glob matches."""
    path = resolve_path(source)
    if path is not None:
        return fingerprint(path)
    files = matching_files(source)
    digests = [(file.name, fingerprint(file)) for file in files]
    return config_hash({"files": digests}) if files else None

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from feature_manifold.core.errors import CorruptArtifactError, MissingArtifactError
from feature_manifold.store.manifest import make_manifest, write_manifest
from feature_manifold.store.shards import (
    Shard,
    drop_shards,
    is_shard_current,
    open_shard,
    open_shards,
    shard_records,
    write_shard,
)

CONFIG = {"layer": 1}
INPUTS = {"corpus": "abc"}


def shard(start: int, stop: int, n_latents: int = 3) -> Shard:
    tokens = np.arange(start, stop, dtype=np.uint32)
    indptr = np.array([0, *[len(tokens)] * n_latents], dtype=np.int64)
    return Shard(indptr, tokens, np.ones(len(tokens), dtype=np.float16), start, stop)


def finish(raw: Path) -> None:
    manifest = make_manifest(
        raw, format="harvest", format_version=1, config={}, inputs={}, seed=None, facts={}
    )
    write_manifest(raw, manifest)


def test_shards_come_back_in_order(tmp_path: Path) -> None:
    write_shard(tmp_path, 0, shard(0, 5), config=CONFIG, inputs=INPUTS)
    write_shard(tmp_path, 1, shard(5, 9), config=CONFIG, inputs=INPUTS)
    with pytest.raises(MissingArtifactError, match="No finished harvest"):
        open_shards(tmp_path)
    finish(tmp_path)
    shards = open_shards(tmp_path)
    assert [(part.start, part.stop) for part in shards] == [(0, 5), (5, 9)]
    assert np.array_equal(shards[1].tokens, [5, 6, 7, 8])


def test_a_harvest_without_shards_is_refused(tmp_path: Path) -> None:
    finish(tmp_path)
    with pytest.raises(CorruptArtifactError, match="has no shards"):
        open_shards(tmp_path)


def test_a_gap_or_a_foreign_width_is_refused(tmp_path: Path) -> None:
    write_shard(tmp_path, 0, shard(0, 5), config=CONFIG, inputs=INPUTS)
    write_shard(tmp_path, 1, shard(6, 9), config=CONFIG, inputs=INPUTS)
    finish(tmp_path)
    with pytest.raises(CorruptArtifactError, match="missing or stale"):
        open_shards(tmp_path)
    write_shard(tmp_path, 1, shard(5, 9, n_latents=4), config=CONFIG, inputs=INPUTS)
    with pytest.raises(CorruptArtifactError, match="different SAEs"):
        open_shards(tmp_path)


def test_a_shard_is_current_only_for_its_range_config_inputs_and_bytes(tmp_path: Path) -> None:
    write_shard(tmp_path, 0, shard(0, 5), config=CONFIG, inputs=INPUTS)

    def current(**changes: object) -> bool:
        asked = {"start": 0, "stop": 5, "config": CONFIG, "inputs": INPUTS, **changes}
        return is_shard_current(tmp_path, 0, **asked)  # type: ignore[arg-type]

    assert current()
    assert not current(stop=6)
    assert not current(config={"layer": 2})
    assert not current(inputs={"corpus": "abd"})
    file = tmp_path / "shard_00000" / "activations.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(bytes(content))
    assert not current()


def test_a_shard_that_does_not_say_what_it_covers_is_refused(tmp_path: Path) -> None:
    write_shard(tmp_path, 0, shard(0, 5), config=CONFIG, inputs=INPUTS)
    manifest = tmp_path / "shard_00000" / "manifest.json"
    values = json.loads(manifest.read_text().replace('"start"', '"begin"'))
    del values["manifest_sha256"]
    manifest.write_text(json.dumps(values))
    with pytest.raises(CorruptArtifactError, match="which tokens the shard covers"):
        open_shard(tmp_path / "shard_00000")


def test_stale_shards_and_leftovers_are_dropped(tmp_path: Path) -> None:
    for number in range(3):
        write_shard(tmp_path, number, shard(number, number + 1), config=CONFIG, inputs=INPUTS)
    (tmp_path / "shard_00001.partial").mkdir()
    drop_shards(tmp_path, from_number=1)
    assert [path.name for path in tmp_path.iterdir()] == ["shard_00000"]


def test_records_cover_every_file_of_every_shard(tmp_path: Path) -> None:
    write_shard(tmp_path, 0, shard(0, 5), config=CONFIG, inputs=INPUTS)
    names = ("activations.npy", "indptr.npy", "manifest.json", "tokens.npy")
    assert sorted(shard_records(tmp_path)) == [f"shard_00000/{name}" for name in names]


def test_more_shards_than_files_may_be_open_are_opened(tmp_path: Path) -> None:
    """In a process of its own: a limit once raised may not be lowered again."""
    for number in range(30):
        write_shard(tmp_path, number, shard(number, number + 1), config={}, inputs={})
    program = (
        "import resource, sys, pathlib\n"
        "from feature_manifold.store import shards\n"
        "_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))\n"
        "assert len(shards.open_committed(pathlib.Path(sys.argv[1]))) == 30\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)

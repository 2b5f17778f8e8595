"""The configuration of one experiment: YAML keys, types, bounds, defaults and what they affect.

Every field names the stages whose output it changes. A stage's manifest records just those
fields, so that changing a key re-runs exactly the stages downstream of it. Fields that affect no
output (where data lies, how it is batched) name none.
"""

import difflib
import hashlib
import importlib.resources
import json
import os
import re
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from feature_manifold.core.errors import ConfigError

ModelT = TypeVar("ModelT", bound=BaseModel)

PACKAGE_PREFIX = "package:"
WIDTH_PATTERN = re.compile(r"[0-9]+[km]?")
NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
MAX_TOKENS = 2_000_000_000
"""Firings hold a row of the token table in 32 bits; put-in BOS tokens at most double the rows."""

CLUSTER_METHODS = (
    "leiden-jaccard",
    "leiden-phi",
    "leiden-combined",
    "leiden-cosine",
    "knn",
    "spectral",
)
"""Ways to look for groups of latents; the first four by default."""


def _hyphenate(name: str) -> str:
    return name.replace("_", "-")


def _field(default: Any, text: str, *stages: str, **bounds: Any) -> Any:
    return Field(default, description=text, json_schema_extra={"stages": list(stages)}, **bounds)


class ExperimentConfig(BaseModel):
    """One experiment. Frozen; YAML keys are the field names with hyphens."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=_hyphenate,
        populate_by_name=True,
        validate_default=True,
    )

    model: str = _field(
        "google/gemma-3-27b-pt",
        "Language model: Hugging Face id, local folder, or package:PATH.",
        "corpus",
        "harvest",
    )
    layer: int = _field(31, "Block after which the residual stream is read.", "harvest", ge=0)
    sae_width: str = _field("65k", "SAE width as published: 16k, 65k, 262k, 1m.", "harvest")
    sae_l0: str = _field("medium", "SAE sparsity as published: small, medium, big.", "harvest")
    sae_release: str | None = _field(
        None,
        "SAE release; by default the Gemma Scope 2 residual release of the model.",
        "harvest",
    )
    sae_id: str | None = _field(
        None, "Id of the SAE in its release; by default made of layer, width and l0.", "harvest"
    )
    sae_path: str | None = _field(
        None, "Local SAE folder (Gemma Scope 2 or SAELens files) or package:PATH.", "harvest"
    )
    experiment_suffix: str | None = _field(
        None, "Added to the experiment id, to tell apart SAEs of the same name."
    )
    corpus: str = _field(
        "monology/pile-uncopyrighted",
        "Corpus: a data set id, a .txt, .jsonl, .jsonl.zst, .jsonl.gz or .parquet file, a folder "
        "or glob of them, or package:PATH.",
        "corpus",
    )
    corpus_split: str = _field("val", "Split of a hub data set: train, val or test.", "corpus")
    text_key: str = _field("text", "Field or column that holds the text.", "corpus")
    num_tokens: int = _field(
        10_000_000, "Corpus tokens to run, at most.", "corpus", ge=1, le=MAX_TOKENS
    )
    seq_len: int = _field(1024, "Tokens in a model window, its BOS included.", "corpus", ge=2)
    shard_tokens: int = _field(
        131_072, "Token rows in a shard, about; the unit of resumption.", "harvest", ge=1
    )
    dtype: Literal["float32", "bfloat16"] = _field(
        "bfloat16", "Precision of the language model; the SAE is always float32.", "harvest"
    )
    attention: Literal["sdpa", "eager"] = _field(
        "sdpa", "Attention implementation of the language model.", "harvest"
    )
    edges_top_k: int = _field(
        100, "Neighbours kept per latent and kind of edge.", "graph", ge=1, le=10_000
    )
    skip_coactivation: bool = _field(False, "Leave out co-activation edges.", "graph")
    skip_jaccard: bool = _field(False, "Leave out Jaccard edges.", "graph", "clusters")
    umap_neighbors: int = _field(15, "Neighbours that UMAP looks at.", "graph", ge=2, le=1000)
    umap_min_dist: float = _field(0.1, "UMAP's least distance of points.", "graph", ge=0, le=1)
    top_k: int = _field(
        50, "Strongest firings shown per latent.", "examples", "export", ge=1, le=10_000
    )
    context_size: int = _field(
        10, "Tokens shown on either side of a firing.", "examples", "export", ge=0, le=1000
    )
    sample_percentiles: bool = _field(
        True, "Also sample examples of high, medium and low activation.", "examples", "export"
    )
    percentile_examples: int = _field(
        10, "Firings sampled per percentile group.", "examples", ge=1, le=1000
    )
    cluster_methods: str = _field(
        ",".join(CLUSTER_METHODS[:4]),
        "How to look for groups of latents, with commas: leiden-jaccard, leiden-phi, "
        "leiden-combined, leiden-cosine, knn, spectral.",
        "clusters",
    )
    cluster_resolutions: str = _field(
        "1,2,4,8",
        "Resolutions of the leiden- methods, with commas: more gives smaller groups.",
        "clusters",
    )
    cluster_draws: int = _field(
        199, "Draws from each null that a group is compared with.", "clusters", ge=19, le=9999
    )
    clusters_kept: int = _field(
        1000, "Groups kept, at most, from the best down.", "clusters", ge=1, le=100_000
    )
    seed: int = _field(
        0, "Seed of every random choice.", "graph", "clusters", "examples", ge=0, lt=2**63
    )
    data_root: Path | None = _field(
        None, "Folder of all data; by default the variable FMI_DATA, else ./data."
    )
    device: str = _field(
        "auto", "Where model and graph are computed: auto, cpu, mps, cuda or cuda:N."
    )
    batch_size: int = _field(8, "Windows in a forward pass.", ge=1, le=4096)
    latent_chunk: int = _field(4096, "Latents encoded at a time.", ge=1)
    n_workers: int = _field(
        0, "Threads for the stages that use several; 0 takes every processor.", ge=0, le=1024
    )

    @field_validator("sae_width")
    @classmethod
    def _check_width(cls, value: str) -> str:
        if not WIDTH_PATTERN.fullmatch(value):
            raise ValueError("expected digits with k or m, for instance 65k")
        return value

    @field_validator("sae_l0", "experiment_suffix")
    @classmethod
    def _check_name(cls, value: str | None) -> str | None:
        if value is not None and not NAME_PATTERN.fullmatch(value):
            raise ValueError("expected letters, digits, dots, hyphens and underscores")
        return value

    @field_validator("cluster_methods")
    @classmethod
    def _check_methods(cls, value: str) -> str:
        names = [name.strip() for name in value.split(",")]
        if not set(names) <= set(CLUSTER_METHODS) or len(set(names)) < len(names):
            raise ValueError(f"expected some of {', '.join(CLUSTER_METHODS)}, each once")
        return ",".join(names)

    @field_validator("cluster_resolutions", mode="before")
    @classmethod
    def _check_resolutions(cls, value: Any) -> str:
        numbers = str(value).replace(" ", "").split(",")
        if not all(re.fullmatch(r"[0-9]+(\.[0-9]+)?", number) for number in numbers) or not all(
            0.01 <= float(number) <= 1000 for number in numbers
        ):
            raise ValueError("expected numbers from 0.01 to 1000, with commas, for instance 1,2,4")
        return ",".join(numbers)

    @field_validator("device")
    @classmethod
    def _check_device(cls, value: str) -> str:
        if not re.fullmatch(r"auto|cpu|mps|cuda(:[0-9]+)?", value):
            raise ValueError("expected auto, cpu, mps, cuda or cuda:N")
        return value

    @property
    def model_name(self) -> str:
        """Last part of the model's id or folder."""
        return PurePosixPath(self.model.removeprefix(PACKAGE_PREFIX)).name

    @property
    def experiment_id(self) -> str:
        """``{model}_layer{N}_{width}_{l0}``, and the suffix if there is one."""
        parts = [self.model_name, f"layer{self.layer}", self.sae_width, self.sae_l0]
        if self.experiment_suffix:
            parts.append(self.experiment_suffix)
        return "_".join(parts)

    @property
    def threads(self) -> int:
        """Threads for the stages that use several: ``n_workers``, or one per processor."""
        return self.n_workers or processors()

    @property
    def nominal_latents(self) -> int:
        """Latents that ``sae-width`` stands for, about: 65k is taken for 66,560."""
        units = {"k": 1 << 10, "m": 1 << 20}
        return int(self.sae_width.rstrip("km")) * units.get(self.sae_width[-1], 1)

    def stage_config(self, stage: str) -> dict[str, Any]:
        """Return the fields that affect one stage's output, hyphenated, as JSON values."""
        values = self.model_dump(mode="json", by_alias=True)
        return {
            _hyphenate(name): values[_hyphenate(name)]
            for name, field in type(self).model_fields.items()
            if stage in _stages_of(field.json_schema_extra)
        }

    def replaced(self, **changes: Any) -> Self:
        """Return a validated copy with some fields changed; None values change nothing."""
        given = {name: value for name, value in changes.items() if value is not None}
        return _validated(type(self), {**self.model_dump(), **given}, where="options")


def _stages_of(extra: Any) -> list[str]:
    return list(extra["stages"]) if isinstance(extra, dict) else []


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def width_names(n_latents: int) -> list[str]:
    """Return how a width may be written, the way of published SAEs first.

    65,536 is 65k, 64k or 65536.
    """
    units = (("m", 10**6), ("m", 1 << 20), ("k", 10**3), ("k", 1 << 10))
    names = [
        f"{n_latents // size}{unit}"
        for unit, size in units
        if n_latents >= size and (size % 10 == 0 or n_latents % size == 0)
    ]
    return [*names, str(n_latents)]


def config_hash(values: dict[str, Any]) -> str:
    """Return the SHA-256, hexadecimal, of a config part as canonical JSON."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def config_keys() -> list[str]:
    """Return the YAML keys, in the order of the fields."""
    return [_hyphenate(name) for name in ExperimentConfig.model_fields]


def load_config(path: Path, **overrides: Any) -> ExperimentConfig:
    """Read a YAML file and put command-line values (those that are not None) over it.

    Raises
    ------
    ConfigError
        If the file is missing, not YAML, or has an unknown key or bad value; the message names
        the nearest known key.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"No config file {path}. The documented ones are in experiments/."
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        detail = " ".join(str(error).split())
        raise ConfigError(f"Cannot read the config {path}: {detail}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} is not a mapping of keys to values; see docs/pipeline.md.")
    given = {name: value for name, value in overrides.items() if value is not None}
    return make_config({**values, **given}, where=str(path))


def make_config(values: dict[str, Any], *, where: str = "options") -> ExperimentConfig:
    """Validate a mapping of YAML keys or field names.

    Raises
    ------
    ConfigError
        Naming the key, what was wrong, and the nearest known key.
    """
    return _validated(ExperimentConfig, values, where=where)


def _validated(cls: type[ModelT], values: dict[str, Any], *, where: str) -> ModelT:
    named = {str(key).replace("-", "_"): value for key, value in values.items()}
    for name in named:
        if name not in cls.model_fields:
            raise ConfigError(f"{where}: unknown key '{_hyphenate(name)}'.{_nearest(name, cls)}")
    try:
        return cls.model_validate(named)
    except ValidationError as error:
        first = error.errors()[0]
        key = _hyphenate(str(first["loc"][0])) if first["loc"] else "?"
        raise ConfigError(
            f"{where}: {key}: {first['msg']} (got {first['input']!r}). See docs/pipeline.md."
        ) from error


def _nearest(name: str, cls: type[BaseModel]) -> str:
    near = difflib.get_close_matches(name, cls.model_fields, n=1, cutoff=0.5)
    if near:
        return f" Did you mean '{_hyphenate(near[0])}'?"
    return f" Known keys: {', '.join(_hyphenate(field) for field in cls.model_fields)}."


def resolve_path(value: str) -> Path | None:
    """Turn a config value into a path on this machine, if it names one.

    Parameters
    ----------
    value
        ``package:PATH`` for a file shipped inside the installed package, or any string.

    Returns
    -------
    Path or None
        The package's file; an existing local path; None when the value is neither, for instance
        a hub id.

    Raises
    ------
    ConfigError
        If a ``package:`` path does not exist.
    """
    if value.startswith(PACKAGE_PREFIX):
        root = Path(str(importlib.resources.files("feature_manifold")))
        path = root / value.removeprefix(PACKAGE_PREFIX)
        if not path.exists():
            raise ConfigError(f"'{value}': the installed package has no such file or folder.")
        return path
    path = Path(value).expanduser()
    return path if path.exists() else None


def matching_files(pattern: str) -> list[Path]:
    """Return the files of this machine that a glob matches, sorted; none if it is no glob."""
    if not any(letter in pattern for letter in "*?["):
        return []
    path = Path(pattern).expanduser()
    base = Path(path.anchor)
    return sorted(file for file in base.glob(str(path.relative_to(base))) if file.is_file())

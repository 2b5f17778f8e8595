"""What lies in a folder from elsewhere, what of it will be taken, and what is missing."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from feature_manifold.core.errors import ConfigError, CorruptArtifactError, MissingArtifactError
from feature_manifold.pipeline.adopt import NATIVE, RAW, RawFolder, check_finished
from feature_manifold.store.layout import (
    ADOPTED,
    DECODER,
    EDGES,
    LATENT_LABELS,
    METADATA,
    POSITIONS,
    ExperimentPaths,
)
from feature_manifold.store.npy import open_npy
from feature_manifold.store.prototype import TOKEN_IDS, latent_file_paths, load_json_object
from feature_manifold.store.shards import shard_folders
from feature_manifold.store.spec_layout import spec_shard_paths
from feature_manifold.store.token_table import load_metadata

VOCAB = "vocab.json"
VISUALIZER = "visualizer"
INDEX_JSON = "index.json"
ID_PATTERN = re.compile(
    r"(?P<model>.+)_layer(?P<layer>\d+)_(?P<width>\d+[km]?)_(?P<l0>[^_]+)(_.+)?"
)
SAE_ID_PATTERN = re.compile(r".*width_(?P<width>\d+[km]?)_l0_(?P<l0>[A-Za-z0-9]+)")


@dataclass(frozen=True)
class Note:
    """One line about one thing that was looked for.

    Attributes
    ----------
    item
        What.
    text
        What was found and becomes of it, or what its absence costs.
    """

    item: str
    text: str


@dataclass(frozen=True)
class ImportSource:
    """A folder in the specification's layout or the prototype's.

    Attributes
    ----------
    folder
        As the user named it.
    raw
        Shards of either layout; None if there are none.
    latents
        Folder of per-latent files, where there are no shards.
    corpus
        Folder of ``token_ids.npy``, where there are no shards.
    decoder, vocabulary
        Files; None if there are none.
    graph
        Folder of positions and edges that cannot be computed again.
    visualizer
        Folder of exported JSON, where there is nothing else.
    metadata
        What the folder says of itself.
    notes
        One line per item, for the user.
    """

    folder: Path
    raw: RawFolder | None
    latents: Path | None
    corpus: Path | None
    decoder: Path | None
    vocabulary: Path | None
    graph: Path | None
    visualizer: Path | None
    metadata: dict[str, Any]
    notes: tuple[Note, ...]


def find_source(
    folder: Path, *, tokenizer: str | None, identity: Mapping[str, Any]
) -> ImportSource:
    """Look through a folder and decide what will be taken from it; nothing is written.

    Parameters
    ----------
    folder
        An experiment's folder, a folder of shards, or the output of the manual steps.
    tokenizer
        Model whose tokenizer tells the texts of token ids; None to look for a file.
    identity
        What the user says of the experiment, under the keys of ``metadata.json``.

    Raises
    ------
    MissingArtifactError, CorruptArtifactError
        If there is nothing to adopt, or what is there is unfinished or not whole.
    """
    if not folder.is_dir():
        raise MissingArtifactError(f"No folder {folder}.")
    raw = _shards(folder)
    latents = None if raw else _first(folder, ("latents",), _has_latent_files)
    places = (folder, folder / RAW)
    decoder = _first_file(places, DECODER)
    visualizer = None
    if raw is None and latents is None:
        visualizer = _first(folder, (VISUALIZER, "data", "."), _has_pages)
        if visualizer is None:
            raise MissingArtifactError(
                f"Nothing to import in {folder}: neither shards (shard_*.npz or shard_*/, there or "
                f"in {RAW}/), nor latents/*.npz, nor {VISUALIZER}/{INDEX_JSON}."
            )
    described = next((place for place in places if (place / METADATA).is_file()), None)
    vocabulary = _vocabulary(folder) if tokenizer is None else None
    if raw is not None and raw.native is None:
        raw = replace(raw, decoder_file=decoder, tokenizer=tokenizer, vocabulary=vocabulary)
        raw = replace(raw, described=described or folder)
    elif raw is not None:
        decoder = raw.decoder if raw.decoder.is_file() else decoder
        raw = replace(raw, decoder_file=decoder)
        described = raw.described if (raw.described / METADATA).is_file() else described
    corpus = None if raw else _first(folder, ("corpus",), lambda at: (at / TOKEN_IDS).is_file())
    graph = None if decoder or visualizer else _first(folder, ("graph",), _has_graph)
    source = ImportSource(
        folder=folder,
        raw=raw,
        latents=latents,
        corpus=corpus,
        decoder=decoder,
        vocabulary=vocabulary,
        graph=graph,
        visualizer=visualizer,
        metadata=(load_metadata(described) if described else {}) | dict(identity),
        notes=(),
    )
    _check_whole(source)
    return replace(source, notes=tuple(_notes(source, tokenizer)))


def experiment_id_of(source: ImportSource) -> str:
    """Return the id that the folder states, or that follows from its metadata or name."""
    stated = source.metadata.get("experiment_id")
    if isinstance(stated, str):
        return stated
    name = source.folder.resolve().name
    facts = identity_of(source.metadata, name)
    parts = [facts.get(key) for key in ("model_name", "layer", "sae_width", "sae_l0")]
    if ID_PATTERN.fullmatch(name) or None in parts:
        return name
    model = str(parts[0]).rstrip("/").rpartition("/")[2]
    return f"{model}_layer{parts[1]}_{parts[2]}_{parts[3]}"


def identity_of(metadata: dict[str, Any], name: str) -> dict[str, Any]:
    """Return what the metadata, the SAE's id and an experiment's id say, in that order."""
    facts: dict[str, Any] = {}
    if found := ID_PATTERN.fullmatch(name):
        facts |= {"model_name": found["model"], "layer": int(found["layer"])}
        facts |= {"sae_width": found["width"], "sae_l0": found["l0"]}
    if found := SAE_ID_PATTERN.fullmatch(str(metadata.get("sae_id", ""))):
        facts |= {"sae_width": found["width"], "sae_l0": found["l0"]}
    return facts | metadata


def count_latents(source: ImportSource) -> int | None:
    """Return the number of latents that the folder tells: by its decoder, metadata or labels.

    Raises
    ------
    CorruptArtifactError
        If the decoder is not a float32 matrix, or the metadata states another number.
    """
    stated = source.metadata.get("n_latents")
    if stated is not None and (type(stated) is not int or stated < 1):
        raise CorruptArtifactError(
            f"{source.folder}: n_latents of {METADATA} is {stated!r}, expected a number of latents."
        )
    if source.decoder is not None:
        rows = len(open_npy(source.decoder, dtypes=("<f4",), shape=(None, None)))
        if stated not in (None, rows):
            raise CorruptArtifactError(
                f"{source.decoder} has {rows:,} rows and {METADATA} states {stated:,} latents: "
                "they do not belong together."
            )
        return rows
    if stated is None:
        labels = _first_file((source.folder, source.folder / RAW), LATENT_LABELS)
        # Silent latents have a label, too.
        stated = len(load_json_object(labels)) if labels is not None else None
    return stated


def _shards(folder: Path) -> RawFolder | None:
    """Return the shards that are there, ours before the specification's."""
    parent = folder.resolve().parent
    ours = [(folder / NATIVE, folder / NATIVE), (folder / ADOPTED, folder), (folder, folder)]
    if folder.resolve().name == RAW:
        ours.append((parent, parent))
    for native, described in ours:
        if shard_folders(native / RAW):
            check_finished(ExperimentPaths(native, folder))
            return RawFolder(folder, native, described)
    for place in (folder, folder / RAW):
        if spec_shard_paths(place):
            return RawFolder(place, None, place)
    return None


def _check_whole(source: ImportSource) -> None:
    """Refuse the specification's shards of which some are missing."""
    if source.raw is None or source.raw.native is not None:
        return
    files = source.raw.files
    numbers = [int(path.stem[6:]) for path in files]
    stated = source.metadata.get("num_shards", len(files))
    if numbers != list(range(len(files))) or stated != len(files):
        wanted = max(stated if type(stated) is int else 0, *(number + 1 for number in numbers))
        missing = sorted(set(range(wanted)) - set(numbers))
        detail = f"shard number {missing[0]} is not there" if missing else "some are there twice"
        raise CorruptArtifactError(
            f"{source.raw.folder} has {len(files):,} files shard_*.npz where {METADATA} and their "
            f"numbers tell of {wanted:,}: {detail}. Copy the folder again, or correct num_shards."
        )


def _vocabulary(folder: Path) -> Path | None:
    for path in (folder / "corpus" / VOCAB, folder / VOCAB, folder / RAW / VOCAB):
        if path.is_file():
            return path
    return _first_file((folder, folder / RAW), LATENT_LABELS)


def _first_file(places: tuple[Path, ...], name: str) -> Path | None:
    return next((place / name for place in places if (place / name).is_file()), None)


def _first(folder: Path, names: tuple[str, ...], holds: Callable[[Path], bool]) -> Path | None:
    return next((folder / name for name in names if holds(folder / name)), None)


def _has_latent_files(folder: Path) -> bool:
    return folder.is_dir() and bool(latent_file_paths(folder))


def _has_pages(folder: Path) -> bool:
    return (folder / INDEX_JSON).is_file()


def _has_graph(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (*POSITIONS.values(), *EDGES.values()))


def _notes(source: ImportSource, tokenizer: str | None) -> list[Note]:
    """Say of each item what was found, and what its absence costs."""
    if source.visualizer is not None:
        text = (
            f"{source.visualizer}: taken as the exported folder. There are no firings, so that "
            "the server has nothing to show; a static file server does."
        )
        return [Note("shards", "not found, nor latents/*.npz"), Note("visualizer", text)]
    return [
        _note_firings(source),
        _note_latents(source),
        _note_texts(source, tokenizer),
        _note_decoder(source),
        _note_graph(source),
        _note_metadata(source),
    ]


def _note_firings(source: ImportSource) -> Note:
    if source.raw is not None:
        count = len(source.raw.files)
        if source.raw.native is not None:
            return Note("shards", f"{count:,} of our own layout in {source.raw.native}: linked")
        return Note("shards", f"{count:,} files shard_*.npz in {source.raw.folder}: converted")
    text = f"not found. latents/*.npz in {source.latents}: converted"
    if source.corpus is None:
        text += "; no corpus/token_ids.npy: which token is where, and documents, stay unknown"
    return Note("shards", text)


def _note_latents(source: ImportSource) -> Note:
    known = count_latents(source)
    if known is not None:
        return Note("latents", f"{known:,}")
    if source.raw is not None and source.raw.native is not None:
        return Note("latents", "as the shards state")
    return Note("latents", "no number stated: silent ones after the last that fires are left out")


def _note_texts(source: ImportSource, tokenizer: str | None) -> Note:
    if source.raw is not None and source.raw.native is not None:
        return Note("texts", "vocabulary.json of our own layout: linked")
    if tokenizer is not None:
        return Note("texts", f"of the tokenizer of {tokenizer}")
    if source.vocabulary is None:
        return Note("texts", "no vocabulary: tokens show as U+FFFD; give --tokenizer MODEL")
    if source.vocabulary.name == LATENT_LABELS:
        text = f"only those of labels, from {source.vocabulary}: other tokens show as U+FFFD; "
        return Note("texts", text + "give --tokenizer MODEL")
    return Note("texts", f"{source.vocabulary}: taken")


def _note_decoder(source: ImportSource) -> Note:
    if source.decoder is not None:
        return Note("decoder", f"{source.decoder}: linked")
    return Note("decoder", "no decoder.npy: no edges and no layout can be computed")


def _note_graph(source: ImportSource) -> Note:
    if source.decoder is not None:
        return Note("graph", "computed again, from the decoder and the firings")
    if source.graph is None:
        return Note("graph", "not found: no map and no neighbours; no export")
    return Note("graph", f"{source.graph}: taken, as it cannot be computed again")


def _note_metadata(source: ImportSource) -> Note:
    known = identity_of(source.metadata, source.folder.resolve().name)
    keys = ("model_name", "layer", "sae_width", "sae_l0")
    missing = [key for key in keys if key not in known]
    found = "taken" if source.metadata else f"no {METADATA}"
    if not missing:
        return Note("metadata", found)
    options = ", ".join(
        "--" + key.replace("model_name", "model").replace("_", "-") for key in missing
    )
    text = f"{found}; unknown: {', '.join(missing)}, without which experiments.json leaves the "
    return Note("metadata", text + f"experiment out; give {options}")


def check_id(experiment_id: str) -> None:
    """Refuse an id that cannot name a folder.

    Raises
    ------
    ConfigError
        Saying what to type.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", experiment_id):
        raise ConfigError(
            f"'{experiment_id}' cannot be an experiment id: expected letters, digits, dots, "
            "hyphens and underscores. Give another one with: --id"
        )

"""Gemma Scope 2: which residual SAEs exist, and what their files are called.

Releases are ``gemma-scope-2-{size}-{pt|it}-res``, a few layers in all widths, and ``...-res-all``,
all layers in two widths. The same layer, width and l0 names different SAEs in the two releases.
"""

import difflib
import math
import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from feature_manifold.core.errors import SaeError

N_LAYERS = {"270m": 18, "1b": 26, "4b": 34, "12b": 48, "27b": 62}
CHOSEN_LAYERS = {
    "270m": (5, 9, 12, 15),
    "1b": (7, 13, 17, 22),
    "4b": (9, 17, 22, 29),
    "12b": (12, 24, 31, 41),
    "27b": (16, 31, 40, 53),
}
WIDTHS = {"16k": 1 << 14, "65k": 1 << 16, "262k": 1 << 18, "1m": 1 << 20}
SIZES = ("small", "medium", "big")

RELEASE = re.compile(r"gemma-scope-2-(270m|1b|4b|12b|27b)-(pt|it)-res(-all)?")
SAE_ID = re.compile(r"layer_([0-9]+)_width_([0-9]+[km])_l0_([a-z]+)(_seed_[0-9]+)?")
MODEL = re.compile(r"gemma-3-(270m|1b|4b|12b|27b)(?:-(pt|it))?")
N_SUGGESTIONS = 6


@dataclass(frozen=True)
class ScopeSae:
    """One SAE of Gemma Scope 2.

    Attributes
    ----------
    release, sae_id
        Names as SAELens has them.
    repo_id, folder
        Where the hub has its files.
    """

    release: str
    sae_id: str
    repo_id: str
    folder: str


def sae_id_of(layer: int, width: str, l0: str) -> str:
    """Return the published id, for instance ``layer_31_width_65k_l0_medium``."""
    return f"layer_{layer}_width_{width}_l0_{l0}"


def release_of_model(model: str) -> str | None:
    """Return the default residual release for a Gemma 3 model, by the last part of its name.

    The 270m model is published without ``-pt``; its SAEs are not.
    """
    match = MODEL.fullmatch(PurePosixPath(model).name)
    return None if match is None else f"gemma-scope-2-{match[1]}-{match[2] or 'pt'}-res"


def is_scope_release(release: str) -> bool:
    """Say whether a release is a residual one of Gemma Scope 2."""
    return RELEASE.fullmatch(release) is not None


def sae_ids(release: str) -> list[str]:
    """List the ids of a residual release of Gemma Scope 2, by layer, width and l0."""
    match = RELEASE.fullmatch(release)
    if match is None:
        return []
    if match[3]:
        layers, widths, sizes = tuple(range(N_LAYERS[match[1]])), ["16k", "262k"], ["small", "big"]
    else:
        layers, widths, sizes = CHOSEN_LAYERS[match[1]], list(WIDTHS), list(SIZES)
    ids = []
    for layer in layers:
        for width in widths:
            ids += [sae_id_of(layer, width, size) for size in sizes]
            if width == "262k" and not match[3]:
                ids.append(sae_id_of(layer, width, "medium_seed_1"))
    return ids


def find_scope_sae(release: str, sae_id: str) -> ScopeSae:
    """Look an SAE up.

    Raises
    ------
    SaeError
        If the release has no such SAE; the message lists those it has, nearest first.
    """
    match = RELEASE.fullmatch(release)
    ids = sae_ids(release)
    if match is None or sae_id not in ids:
        near = nearest(sae_id, ids)
        raise SaeError(
            f"Release '{release}' has no SAE '{sae_id}'. Nearest: {', '.join(near)}. "
            f"It has {_summary(release)}."
        )
    folder = "resid_post_all" if match[3] else "resid_post"
    repo_id = f"google/gemma-scope-2-{match[1]}-{match[2]}"
    return ScopeSae(release, sae_id, repo_id, f"{folder}/{sae_id}")


def nearest(sae_id: str, ids: list[str]) -> list[str]:
    """Return the ids most like the one asked for, nearest first.

    Ids of Gemma Scope 2's form are compared by layer, then width, then l0; others as text.
    """
    wanted = SAE_ID.fullmatch(sae_id)
    if wanted is None:
        return difflib.get_close_matches(sae_id, ids, n=N_SUGGESTIONS, cutoff=0.0)

    def distance(other: str) -> tuple[float, ...]:
        match = SAE_ID.fullmatch(other)
        if match is None:
            return (math.inf,)
        width = abs(math.log2(_width(match[2])) - math.log2(_width(wanted[2])))
        layer = abs(int(match[1]) - int(wanted[1]))
        return (layer, width, match[3] != wanted[3], match[4] != wanted[4])

    return sorted(ids, key=distance)[:N_SUGGESTIONS]


def _width(text: str) -> int:
    return max(int(text[:-1]), 1) * {"k": 1 << 10, "m": 1 << 20}[text[-1]]


def _summary(release: str) -> str:
    match = RELEASE.fullmatch(release)
    if match is None:
        return "none of Gemma Scope 2's residual SAEs"
    if match[3]:
        last = N_LAYERS[match[1]] - 1
        return f"layers 0 to {last}, widths 16k and 262k, l0 small and big"
    layers = ", ".join(str(layer) for layer in CHOSEN_LAYERS[match[1]])
    return (
        f"layers {layers}, widths {', '.join(WIDTHS)}, l0 {', '.join(SIZES)}; "
        f"'{release}-all' has every layer at 16k and 262k, small and big"
    )

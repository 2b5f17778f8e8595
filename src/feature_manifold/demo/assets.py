"""Where the shipped model, autoencoders, text and ground truth lie."""

from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from feature_manifold.core.errors import MissingArtifactError


@dataclass(frozen=True)
class AssetPaths:
    """Names of the asset files in a folder; the only place where they are spelled.

    Attributes
    ----------
    root
        The folder.
    """

    root: Path

    @property
    def model(self) -> Path:
        """Hugging Face folder of the language model and its tokenizer."""
        return self.root / "almanac"

    def sae(self, layer: int) -> Path:
        """Return the SAELens folder of the autoencoder after ``layer``."""
        return self.root / f"almanac-sae-layer{layer}"

    @property
    def corpus(self) -> Path:
        """Held-out text: zstandard-compressed JSON lines ``{"text": ...}``."""
        return self.root / "corpus.jsonl.zst"

    @property
    def truth(self) -> Path:
        """True place of every word (``demo.truth``)."""
        return self.root / "ground_truth.json"

    @property
    def card(self) -> Path:
        """The model card."""
        return self.root / "MODEL_CARD.md"

    @property
    def provenance(self) -> Path:
        """How the assets were made and what they measured."""
        return self.root / "provenance.json"


def asset_folder() -> Path:
    """Return the folder of the shipped assets.

    Raises
    ------
    MissingArtifactError
        If this installation has none, or lies in an archive instead of a folder.
    """
    with as_file(files("feature_manifold.demo") / "assets") as folder:
        if not (folder / "almanac" / "config.json").is_file():
            raise MissingArtifactError(
                f"This installation has no demo assets. Make them with: fmi train-demo {folder}"
            )
        return folder


def shipped() -> AssetPaths:
    """Return the paths of the shipped assets."""
    return AssetPaths(asset_folder())

"""Which experiment a latent id belongs to: the id of the experiment is a name, and names repeat."""

from dataclasses import dataclass

from feature_manifold.core.errors import MissingArtifactError
from feature_manifold.store.fingerprint import fingerprint
from feature_manifold.store.layout import ExperimentPaths
from feature_manifold.store.manifest import read_manifest

SHOWN = 12


@dataclass(frozen=True)
class Identity:
    """Names an experiment and what its latents are.

    Attributes
    ----------
    experiment_id
        Name of its folder.
    decoder
        Fingerprint of the decoder rows, by size and both ends: which SAE it is.
    index
        Digest of ``latents/``: which firings, and so which corpus and layer.
    """

    experiment_id: str
    decoder: str
    index: str

    def differences(self, other: "Identity") -> str:
        """Say how this experiment differs from another one."""
        if self.experiment_id != other.experiment_id:
            return f"experiment '{self.experiment_id[:200]}', not '{other.experiment_id}'"
        if self.decoder != other.decoder:
            what, mine, theirs = "SAE", self.decoder, other.decoder
        else:
            what, mine, theirs = "index", self.index, other.index
        return (
            f"experiment '{self.experiment_id}' with another {what} ({mine[:SHOWN]}, not "
            f"{theirs[:SHOWN]})"
        )


def identity_of(paths: ExperimentPaths) -> Identity:
    """Read which experiment lies in a folder.

    Raises
    ------
    MissingArtifactError
        If it has no finished index or no decoder.
    """
    manifest = read_manifest(paths.latents)
    if manifest is None or not paths.decoder.is_file():
        what = "finished latents/" if manifest is None else "decoder.npy"
        raise MissingArtifactError(
            f"Experiment '{paths.root.name}' has no {what}. Make it with: fmi run CONFIG.yaml"
        )
    return Identity(paths.root.name, fingerprint(paths.decoder), manifest.digest)

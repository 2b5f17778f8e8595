"""Optional dependencies: which extra brings a module that is missing."""

from feature_manifold.core.errors import MissingExtraError


def missing_extra(error: ModuleNotFoundError, *, work: str, extra: str) -> MissingExtraError:
    """Make the error that says what to install.

    Parameters
    ----------
    error
        What the import raised.
    work
        What the module is needed for.
    extra
        Extra of this package that brings it.
    """
    return MissingExtraError(
        f"{work} needs {error.name}, which is not installed: "
        f'pip install "feature-manifold-interface[{extra}]"'
    )

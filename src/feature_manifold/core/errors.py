"""The package's one error family.

A message says what is wrong, where, and what to type next. The command line prints it as one
line and ends with ``exit_code``; the server sends it with ``http_status``. Every class has a
section in ``docs/errors.md``.
"""


class FmiError(Exception):
    """Base of every error that this package raises on purpose."""

    exit_code = 1
    http_status = 500


class ConfigError(FmiError):
    """A config file or command-line option is wrong: unknown key, bad type, out of bounds."""

    exit_code = 2
    http_status = 422


class InputError(FmiError):
    """A value given to a function or route is outside its documented range."""

    exit_code = 2
    http_status = 422


class MissingArtifactError(FmiError):
    """A file or folder that an earlier stage makes is not there."""

    exit_code = 3
    http_status = 404


class CorruptArtifactError(FmiError):
    """A file is truncated, of a foreign format, or does not match its manifest."""

    exit_code = 4
    http_status = 409


class CorpusError(FmiError):
    """The corpus cannot be found or read."""

    exit_code = 5


class ModelError(FmiError):
    """The language model or its tokenizer cannot be loaded, or computes nonsense."""

    exit_code = 6


class SaeError(FmiError):
    """The sparse autoencoder cannot be found or loaded, or does not fit the model."""

    exit_code = 7


class DeviceError(FmiError):
    """The requested device is not there or cannot do the work."""

    exit_code = 8


class LockedError(FmiError):
    """Another run holds the experiment."""

    exit_code = 9
    http_status = 409


class DiskSpaceError(FmiError):
    """The disk is too small for what a stage is about to write."""

    exit_code = 10


class ServerError(FmiError):
    """The server cannot start: the port is taken, or the web app is not built."""

    exit_code = 11


class MissingExtraError(FmiError):
    """An optional dependency is needed and not installed."""

    exit_code = 12


class MemorySpaceError(FmiError):
    """The machine has less memory than a stage is about to need."""

    exit_code = 13

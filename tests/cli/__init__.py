from collections.abc import Callable

Fmi = Callable[..., tuple[int, str, str]]
"""Types ``fmi`` with arguments; returns the exit code, standard output and standard error."""

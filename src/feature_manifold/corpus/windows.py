"""Documents cut into model inputs."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from feature_manifold.store.token_table import INSERTED

Int32 = npt.NDArray[np.int32]


def cut_windows(
    token_id: Int32, *, seq_len: int, bos_id: int | None
) -> Iterator[tuple[Int32, Int32]]:
    """Cut one document into windows of at most ``seq_len`` rows.

    Parameters
    ----------
    token_id
        int32 (n,), the document's tokens without BOS.
    seq_len
        Rows of a window, its BOS included; at least 2.
    bos_id
        Put first in every window; None for models without one.

    Yields
    ------
    tuple of arrays
        Token ids and positions (offsets within the document, -1 for the BOS), int32 (<= seq_len,).
    """
    step = seq_len if bos_id is None else seq_len - 1
    for start in range(0, len(token_id), step):
        ids = token_id[start : start + step]
        position = np.arange(start, start + len(ids), dtype=np.int32)
        if bos_id is not None:
            ids = np.concatenate([np.array([bos_id], dtype=np.int32), ids])
            position = np.concatenate([np.array([INSERTED], dtype=np.int32), position])
        yield ids, position

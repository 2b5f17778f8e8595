"""Is a tensor free of NaN and infinity?"""

import torch


def all_finite(tensor: torch.Tensor) -> bool:
    """Say whether every value is finite.

    NaN and infinity survive every sum, so a finite sum proves it without a second block of this
    size, which ``torch.isfinite`` forms. A sum of finite values that overflows decides nothing.
    """
    return bool(tensor.sum().isfinite()) or bool(torch.isfinite(tensor).all())

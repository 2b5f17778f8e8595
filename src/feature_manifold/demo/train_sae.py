"""Train a sparse autoencoder on the demo model and save it as a SAELens folder.

BatchTopK (Bussmann et al. 2024): of a batch's activations the k per token largest survive. The
decoder has unit rows that start on data points, and latents that fall silent are moved onto badly
explained points; with random starts the weekdays got two latents, with data points one each.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from feature_manifold.core.progress import Progress
from feature_manifold.core.rng import generator

if TYPE_CHECKING:
    import torch

N_LATENTS = 2048
STEPS = 3000
BATCH = 512
PEAK_RATE = 1.5e-3
#: Silent latents are replaced this often, but not in the last third, which must settle.
RESAMPLE_EVERY = 200
CALIBRATION_BATCHES = 20


@dataclass(frozen=True)
class Sae:
    """A JumpReLU autoencoder, float32.

    a = z * (z > threshold) with z = x @ w_enc + b_enc; the reconstruction is a @ w_dec + b_dec.

    Attributes
    ----------
    w_enc, w_dec
        (d_model, n_latents) and (n_latents, d_model); rows of ``w_dec`` have length 1.
    b_enc, b_dec, threshold
        (n_latents,), (d_model,), (n_latents,).
    """

    w_enc: NDArray[np.float32]
    w_dec: NDArray[np.float32]
    b_enc: NDArray[np.float32]
    b_dec: NDArray[np.float32]
    threshold: NDArray[np.float32]

    def encode(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Activations of the rows of ``x``, float32 (n, n_latents)."""
        z = x @ self.w_enc + self.b_enc
        return np.where(z > self.threshold, z, np.float32(0))


def train_sae(
    data: NDArray[np.float32], *, k: float, seed: int, steps: int, progress: Progress
) -> Sae:
    """Train on rows of ``data``.

    Parameters
    ----------
    data
        Residual stream, float32 (n_tokens, d_model).
    k
        Mean number of active latents per token.
    seed
        Decides initial rows, batches and replacements.
    steps
        Steps of 512 tokens.
    progress
        Told of every step.

    Returns
    -------
    Sae
        In the units of ``data``.
    """
    import torch

    rng = generator(seed, "demo", "sae", str(k))
    centre = data.mean(0)
    scale = float(np.sqrt(data.shape[1] / ((data - centre) ** 2).sum(1).mean()))
    inputs = torch.from_numpy((data - centre) * np.float32(scale))
    trainer = _Trainer(inputs, k=k, steps=steps, rng=rng)
    with progress.task("Training the autoencoder", total=steps, unit="step") as task:
        for step, rows in enumerate(_batches(len(data), steps, rng)):
            trainer.step(step, inputs[rows])
            task.advance()
    threshold = trainer.calibrate(_batches(len(data), CALIBRATION_BATCHES, rng))
    return _in_data_units(trainer, centre, scale, threshold)


class _Trainer:
    """Weights and optimiser of one run, in normalised units (mean 0, mean square 1)."""

    def __init__(self, inputs: "torch.Tensor", *, k: float, steps: int, rng: np.random.Generator):
        import torch

        self.inputs, self.k, self.steps, self.rng = inputs, k, steps, rng
        rows = torch.from_numpy(rng.integers(len(inputs), size=N_LATENTS))
        w_dec = torch.nn.functional.normalize(inputs[rows], dim=1)
        self.w_dec = w_dec.clone().requires_grad_()
        self.w_enc = w_dec.T.clone().contiguous().requires_grad_()
        self.b_enc = torch.zeros(N_LATENTS, requires_grad=True)
        self.b_dec = torch.zeros(inputs.shape[1], requires_grad=True)
        self.parameters = [self.w_enc, self.w_dec, self.b_enc, self.b_dec]
        self.optimizer = torch.optim.Adam(self.parameters, lr=PEAK_RATE, betas=(0.9, 0.99))
        self.fired = torch.zeros(N_LATENTS, dtype=torch.bool)

    def step(self, step: int, x: "torch.Tensor") -> None:
        """Take one optimiser step on the batch ``x``."""
        import torch

        for group in self.optimizer.param_groups:
            group["lr"] = PEAK_RATE * _rate_at(step, self.steps)
        z = torch.relu((x - self.b_dec) @ self.w_enc + self.b_enc)
        activations = z * (z > _kth_largest(z, round(self.k * len(x))))
        error = activations @ self.w_dec + self.b_dec - x
        self.optimizer.zero_grad(set_to_none=True)
        error.square().sum(1).mean().backward()  # type: ignore[no-untyped-call]
        self._keep_rows_on_the_sphere()
        self.optimizer.step()
        with torch.no_grad():
            self.w_dec /= self.w_dec.norm(dim=1, keepdim=True)
            self.fired |= (activations > 0).any(0)
        if (step + 1) % RESAMPLE_EVERY == 0:
            if step < self.steps * 2 // 3:
                self._resample(x, error.detach())
            self.fired.zero_()

    def _keep_rows_on_the_sphere(self) -> None:
        """Remove the part of the gradient that would only change a decoder row's length."""
        gradient = self.w_dec.grad
        if gradient is not None:
            row = self.w_dec.detach()
            gradient -= (gradient * row).sum(1, keepdim=True) * row

    def _resample(self, x: "torch.Tensor", error: "torch.Tensor") -> None:
        """Move silent latents onto the residual errors of points that are badly explained."""
        import torch

        silent = torch.nonzero(~self.fired).flatten()
        if not len(silent):
            return
        weights = error.square().sum(1).double().numpy()
        rows = self.rng.choice(len(x), size=len(silent), p=weights / weights.sum())
        with torch.no_grad():
            direction = torch.nn.functional.normalize(-error[torch.from_numpy(rows)], dim=1)
            self.w_dec[silent] = direction
            self.w_enc[:, silent] = direction.T
            self.b_enc[silent] = 0.0
            for parameter in (self.w_dec, self.b_enc):
                for moment in ("exp_avg", "exp_avg_sq"):
                    self.optimizer.state[parameter][moment][silent] = 0.0
            for moment in ("exp_avg", "exp_avg_sq"):
                self.optimizer.state[self.w_enc][moment][:, silent] = 0.0

    def calibrate(self, batches: Iterator["torch.Tensor"]) -> float:
        """Threshold at which, over ``batches``, k latents per token are active on average."""
        import torch

        with torch.no_grad():
            found = []
            for rows in batches:
                z = torch.relu((self.inputs[rows] - self.b_dec) @ self.w_enc + self.b_enc)
                found.append(float(_kth_largest(z, round(self.k * len(rows)))))
        return float(np.mean(found))


def _in_data_units(
    trainer: _Trainer, centre: NDArray[np.float32], scale: float, threshold: float
) -> Sae:
    """Undo the normalisation and fold both biases of the input into ``b_enc``."""
    w_enc = trainer.w_enc.detach().double().numpy()
    b_dec = centre + trainer.b_dec.detach().double().numpy() / scale
    b_enc = trainer.b_enc.detach().double().numpy() / scale - (b_dec[:, None] * w_enc).sum(0)
    # z/scale = x @ w_enc + b_enc, hence threshold/scale; decoder rows keep length 1.
    return Sae(
        w_enc=w_enc.astype(np.float32),
        w_dec=trainer.w_dec.detach().numpy().copy(),
        b_enc=b_enc.astype(np.float32),
        b_dec=b_dec.astype(np.float32),
        threshold=np.full(N_LATENTS, threshold / scale, dtype=np.float32),
    )


def _kth_largest(z: "torch.Tensor", k: int) -> "torch.Tensor":
    """Value of the (k+1)-th largest entry, so that ``z > value`` keeps k; never below zero."""
    import torch

    # Only positive entries can survive; sorting those alone is several times faster.
    positive = z.detach().flatten()
    positive = positive[positive > 0]
    if len(positive) <= k:
        return torch.zeros(())
    return torch.topk(positive, k + 1, sorted=False).values.min()


def _batches(n_rows: int, n: int, rng: np.random.Generator) -> Iterator["torch.Tensor"]:
    import torch

    for _ in range(n):
        yield torch.from_numpy(rng.integers(n_rows, size=BATCH))


def _rate_at(step: int, steps: int) -> float:
    """Share of the peak rate: short warm-up, constant, linear to zero over the last fifth."""
    return min(1.0, (step + 1) / 50, (steps - step) / max(1, steps / 5))


def save_sae(sae: Sae, folder: Path, *, layer: int, model_name: str, context_size: int) -> None:
    """Write ``cfg.json`` and ``sae_weights.safetensors`` as SAELens does."""
    import json

    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "architecture": "jumprelu",
        "d_in": sae.w_dec.shape[1],
        "d_sae": sae.w_dec.shape[0],
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": False,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {
            "model_name": model_name,
            "hook_name": f"blocks.{layer}.hook_resid_post",
            "hf_hook_name": f"model.layers.{layer}.output",
            "prepend_bos": True,
            "context_size": context_size,
        },
    }
    text = json.dumps(config, indent=2, sort_keys=True) + "\n"
    (folder / "cfg.json").write_text(text, encoding="utf-8")
    save_file(
        {
            "W_enc": sae.w_enc,
            "W_dec": sae.w_dec,
            "b_enc": sae.b_enc,
            "b_dec": sae.b_dec,
            "threshold": sae.threshold,
        },
        folder / "sae_weights.safetensors",
    )


def load_sae(folder: Path) -> Sae:
    """Read what :func:`save_sae` wrote."""
    from safetensors.numpy import load_file

    tensors = load_file(folder / "sae_weights.safetensors")
    return Sae(
        w_enc=tensors["W_enc"],
        w_dec=tensors["W_dec"],
        b_enc=tensors["b_enc"],
        b_dec=tensors["b_dec"],
        threshold=tensors["threshold"],
    )

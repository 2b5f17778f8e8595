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
STEPS = 2000
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
    data: NDArray[np.float32],
    *,
    k: float,
    n_latents: int = N_LATENTS,
    seed: int,
    steps: int,
    progress: Progress,
) -> Sae:
    """Train on rows of ``data``.

    Parameters
    ----------
    data
        Residual stream, float32 (n_tokens, d_model).
    k
        Mean number of active latents per token.
    n_latents
        Width.
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
    trainer = _Trainer(inputs, k=k, n_latents=n_latents, steps=steps, rng=rng)
    with progress.task("Training the autoencoder", total=steps, unit="step") as task:
        for step, rows in enumerate(_batches(len(data), steps, rng)):
            trainer.step(step, inputs[rows])
            task.advance()
    threshold = trainer.calibrate(_batches(len(data), CALIBRATION_BATCHES, rng))
    return _in_data_units(trainer, centre, scale, threshold)


class _Trainer:
    """Weights and optimiser of one run, in normalised units (mean 0, mean square 1).

    Only the encoder's product is dense; everything after it, gradients included, runs on the
    batch's k * 512 active pairs of token and latent, 250 times fewer than all pairs.
    """

    def __init__(
        self,
        inputs: "torch.Tensor",
        *,
        k: float,
        n_latents: int,
        steps: int,
        rng: np.random.Generator,
    ) -> None:
        import torch

        self.inputs, self.k, self.steps, self.rng = inputs, k, steps, rng
        rows = torch.from_numpy(rng.integers(len(inputs), size=n_latents))
        self.w_dec = torch.nn.functional.normalize(inputs[rows], dim=1)
        # About k rows near the same data point answer at once and must share the work.
        self.w_enc = self.w_dec / k
        self.b_enc = torch.zeros(n_latents)
        self.b_dec = torch.zeros(inputs.shape[1])
        self.weights = [self.w_enc, self.w_dec, self.b_enc, self.b_dec]
        self.optimizer = torch.optim.Adam(self.weights, lr=PEAK_RATE, betas=(0.9, 0.99))
        self.fired = torch.zeros(n_latents, dtype=torch.bool)

    def step(self, step: int, x: "torch.Tensor") -> None:
        """Take one optimiser step on the batch ``x``."""
        import torch

        for group in self.optimizer.param_groups:
            group["lr"] = PEAK_RATE * _rate_at(step, self.steps)
        centred = x - self.b_dec
        z = torch.addmm(self.b_enc, centred, self.w_enc.T)
        token, latent = torch.nonzero(z > _threshold(z, self.k), as_tuple=True)
        value = z[token, latent, None]
        error = (self.b_dec - x).index_add_(0, token, value * self.w_dec[latent])
        self._set_gradients(centred, error, token, latent, value)
        self.optimizer.step()
        self.w_dec /= self.w_dec.norm(dim=1, keepdim=True)
        self.fired[latent] = True
        if (step + 1) % RESAMPLE_EVERY == 0:
            if step < self.steps * 2 // 3:
                self._resample(x, error)
            self.fired.zero_()

    def _set_gradients(
        self,
        centred: "torch.Tensor",
        error: "torch.Tensor",
        token: "torch.Tensor",
        latent: "torch.Tensor",
        value: "torch.Tensor",
    ) -> None:
        """Gradients of the mean squared length of ``error`` with respect to the weights."""
        import torch

        slope = error * (2 / len(error))
        row = self.w_dec[latent]
        pull = (slope[token] * row).sum(1, keepdim=True)  # gradient at each active value
        # Leave out the part that would only change the length of a decoder row.
        along = slope[token] - pull * row
        self.w_dec.grad = torch.zeros_like(self.w_dec).index_add_(0, latent, value * along)
        self.w_enc.grad = torch.zeros_like(self.w_enc).index_add_(0, latent, pull * centred[token])
        self.b_enc.grad = torch.zeros_like(self.b_enc).index_add_(0, latent, pull[:, 0])
        through_encoder = (pull * self.w_enc[latent]).sum(0)
        self.b_dec.grad = slope.sum(0) - through_encoder

    def _resample(self, x: "torch.Tensor", error: "torch.Tensor") -> None:
        """Move silent latents onto the errors of points that are badly explained."""
        import torch

        silent = torch.nonzero(~self.fired).flatten()
        weights = error.square().sum(1).double().numpy()
        rows = self.rng.choice(len(x), size=len(silent), p=weights / weights.sum())
        direction = torch.nn.functional.normalize(-error[torch.from_numpy(rows)], dim=1)
        self.w_dec[silent] = direction
        self.w_enc[silent] = direction
        self.b_enc[silent] = 0.0
        for weight in (self.w_enc, self.w_dec, self.b_enc):
            for moment in ("exp_avg", "exp_avg_sq"):
                self.optimizer.state[weight][moment][silent] = 0.0

    def calibrate(self, batches: Iterator["torch.Tensor"]) -> float:
        """Threshold at which, over ``batches``, k latents per token are active on average."""
        found = []
        for rows in batches:
            z = (self.inputs[rows] - self.b_dec) @ self.w_enc.T + self.b_enc
            found.append(float(_threshold(z, self.k)))
        return float(np.mean(found))


def _in_data_units(
    trainer: _Trainer, centre: NDArray[np.float32], scale: float, threshold: float
) -> Sae:
    """Undo the normalisation and fold both biases of the input into ``b_enc``."""
    w_enc = trainer.w_enc.T.double().numpy()
    b_dec = centre + trainer.b_dec.double().numpy() / scale
    b_enc = trainer.b_enc.double().numpy() / scale - (b_dec[:, None] * w_enc).sum(0)
    # z/scale = x @ w_enc + b_enc, hence threshold/scale; decoder rows keep length 1.
    return Sae(
        w_enc=np.ascontiguousarray(w_enc, dtype=np.float32),
        w_dec=trainer.w_dec.numpy().copy(),
        b_enc=b_enc.astype(np.float32),
        b_dec=b_dec.astype(np.float32),
        threshold=np.full(len(w_enc.T), threshold / scale, dtype=np.float32),
    )


def _threshold(z: "torch.Tensor", k: float) -> "torch.Tensor":
    """Value that about k entries per row of ``z`` exceed; never below zero.

    Estimated on every seventh entry (seven shares no factor with the number of latents, so all
    latents take part): sorting all million would take longer than the rest of a step.
    """
    import torch

    sample = z.flatten()[::7]
    count = round(k * len(z) * len(sample) / z.numel())
    return torch.topk(sample, count + 1, sorted=False).values.min().clamp(min=0)


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
            # Without it SAELens takes the file for one of its old formats and drops the rest.
            "sae_lens_version": "6.0.0",
            "sae_lens_training_version": None,
            "model_name": model_name,
            "hook_name": f"blocks.{layer}.hook_resid_post",
            "hf_hook_name": f"model.layers.{layer}.output",
            "prepend_bos": True,
            "context_size": context_size,
        },
    }
    text = json.dumps(config, indent=2, sort_keys=True) + "\n"
    weights = folder / "sae_weights.safetensors"
    (folder / "cfg.json").write_text(text, encoding="utf-8")
    save_file(
        {
            "W_enc": sae.w_enc,
            "W_dec": sae.w_dec,
            "b_enc": sae.b_enc,
            "b_dec": sae.b_dec,
            "threshold": sae.threshold,
        },
        weights,
    )
    weights.chmod(0o644)  # safetensors makes its files private


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

"""Tiny language models with random weights, and tokenizers trained on the spot."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import (
    Gemma3Config,
    Gemma3ForCausalLM,
    Gemma3ForConditionalGeneration,
    Gemma3TextConfig,
    GemmaTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

D_MODEL = 32
SLIDING_WINDOW = 16
"""Shorter than the test windows, so that local attention differs from global attention."""

GEMMA_SPECIAL = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
GPT2_SPECIAL = "<|endoftext|>"


def gemma_tokenizer(texts: Sequence[str], *, padding_side: str = "left") -> GemmaTokenizer:
    """Train a SentencePiece-like BPE tokenizer with byte fallback, as Gemma's is.

    Like Gemma's class, it pads on the left unless told otherwise and adds no BOS by itself.
    """
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    special = [*GEMMA_SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    bpe = json.loads(tokenizer.to_str())["model"]
    merges: Any = [tuple(pair) for pair in bpe["merges"]]
    return GemmaTokenizer(vocab=bpe["vocab"], merges=merges, padding_side=padding_side)


def gpt2_tokenizer(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer with one special token, as GPT-2's is."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=[GPT2_SPECIAL],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    make: Any = PreTrainedTokenizerFast
    wrapped: PreTrainedTokenizerFast = make(
        tokenizer_object=tokenizer, bos_token=GPT2_SPECIAL, eos_token=GPT2_SPECIAL
    )
    return wrapped


def gemma3(
    *, n_layers: int, vocab_size: int, multimodal: bool, seed: int, d_model: int = D_MODEL
) -> PreTrainedModel:
    """Make a random Gemma 3: text-only (as 270m and 1b) or multimodal (as 4b, 12b and 27b)."""
    text: dict[str, Any] = {
        "vocab_size": vocab_size,
        "hidden_size": d_model,
        "intermediate_size": 2 * d_model,
        "num_hidden_layers": n_layers,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "query_pre_attn_scalar": 16,
        "max_position_embeddings": 512,
        "sliding_window": SLIDING_WINDOW,
        # The default 0.02 is made for wide models; here it would leave attention without effect.
        "initializer_range": 0.2,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if not multimodal:
            return _at_rest(Gemma3ForCausalLM(Gemma3TextConfig(**text)))
        vision = {
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 28,
            "patch_size": 14,
        }
        config = Gemma3Config(
            text_config=text,
            vision_config=vision,
            mm_tokens_per_image=4,
            # Ids of the image tokens must lie inside the vocabulary.
            image_token_index=vocab_size - 1,
            boi_token_index=vocab_size - 2,
            eoi_token_index=vocab_size - 3,
        )
        return _at_rest(Gemma3ForConditionalGeneration(config))


def gpt2(*, n_layers: int, vocab_size: int, seed: int) -> PreTrainedModel:
    """Make a random GPT-2."""
    config = GPT2Config(
        vocab_size=vocab_size,
        n_positions=128,
        n_embd=D_MODEL,
        n_layer=n_layers,
        n_head=2,
        initializer_range=0.2,
        bos_token_id=0,
        eos_token_id=0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _at_rest(GPT2LMHeadModel(config))


def _at_rest(model: PreTrainedModel) -> PreTrainedModel:
    model.train(False)
    return model


def save_checkpoint(folder: Path, model: PreTrainedModel, tokenizer: Any) -> None:
    """Write ``config.json``, ``model.safetensors`` and the tokenizer's files."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)

"""The demo model's tokenizer: one token for each word, mark and line break.

Words carry the space before them as ``▁``, as in Gemma's tokenizer, so that joining tokens gives
the text back, and every viewer that can show Gemma can show this.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from feature_manifold.demo.text import PUNCTUATION, vocabulary

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PAD, BOS, UNKNOWN = "<pad>", "<bos>", "<unk>"
SPACE = "▁"
CONTEXT_SIZE = 128


def token_of(word: str) -> str:
    """Return the vocabulary entry of a word of the language."""
    return word if word in PUNCTUATION or word == "\n" else SPACE + word


def token_index() -> dict[str, int]:
    """Token id of every word of the language (special tokens not included)."""
    return {word: i + 3 for i, word in enumerate(vocabulary())}


def build_tokenizer() -> "Tokenizer":
    """Build the tokenizer; text of the language never gives the unknown token."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, processors
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Split

    vocab = {PAD: 0, BOS: 1, UNKNOWN: 2}
    vocab |= {token_of(word): token for word, token in token_index().items()}
    tokenizer = Tokenizer(WordLevel(vocab, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Prepend(" "),
            normalizers.Replace("\n", "\n "),
            normalizers.Replace(" ", SPACE),
        ]
    )
    # Clock times keep their colon; other marks stand alone.
    pieces = Regex(rf"{SPACE}\d\d:\d\d|{SPACE}[^{SPACE}\n.,?]+|\n|[.,?]|{SPACE}")
    tokenizer.pre_tokenizer = Split(pieces, behavior="isolated")
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace(SPACE, " "),
            decoders.Fuse(),
            decoders.Replace("\n ", "\n"),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A {BOS} $B", special_tokens=[(BOS, vocab[BOS])]
    )
    tokenizer.add_special_tokens(
        [AddedToken(name, normalized=False, special=True) for name in (PAD, BOS, UNKNOWN)]
    )
    return tokenizer


def save_tokenizer(folder: Path) -> None:
    """Write ``tokenizer.json`` and ``tokenizer_config.json`` in the Hugging Face format."""
    folder.mkdir(parents=True, exist_ok=True)
    build_tokenizer().save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BOS,
        "pad_token": PAD,
        "unk_token": UNKNOWN,
        "model_max_length": CONTEXT_SIZE,
        "clean_up_tokenization_spaces": False,
    }
    text = json.dumps(config, indent=2, sort_keys=True) + "\n"
    (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")

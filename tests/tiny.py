"""Tiny models with random weights and tokenizers trained on a few sentences: whole checkpoints, made in a second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gguf
import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertModel,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

if TYPE_CHECKING:
    from pathlib import Path

SENTENCES = (
    "In the beginning was the word, and the word was with the sea.",
    "A church and an organ stood beside the wide river in the evening.",
    "cat is to kitten as dog is to puppy, said the teacher to the children.",
    "Every morning the baker's daughter carries seven loaves over the bridge.",
    "The quick brown fox jumps over the lazy dog; nobody knows exactly why.",
)
CONTEXT = 64
"""Longest text of the tiny models, in tokens."""


def byte_level_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE as in GPT-2: tokens hold the space before a word, and nothing is added to a text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<|endoftext|>", "<|user|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|endoftext|>", eos_token="<|endoftext|>", model_max_length=CONTEXT
    )


def word_piece_tokenizer() -> PreTrainedTokenizerFast:
    """WordPiece as in BERT: [CLS] before and [SEP] after every text."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=150, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")],
    )
    names: dict[str, Any] = dict(
        zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), special, strict=True)
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=CONTEXT, **names)


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> Path:
    """Write a checkpoint folder: config.json, model.safetensors and a tokenizer."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tiny_llama(folder: Path, *, layers: int = 3, width: int = 16, seed: int = 0) -> Path:
    """A decoder with a byte-level tokenizer, written to `folder`."""
    tokenizer = byte_level_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=CONTEXT,
        bos_token_id=0,
        eos_token_id=0,
    )
    torch.manual_seed(seed)
    return save(LlamaModel(config), tokenizer, folder)


def sink_llama(folder: Path, *, layers: int = 4, width: int = 16, block: int = 2, size: float = 5000.0) -> Path:
    """A decoder with its head, in which the start token (id 0) gets a massive activation in one block, from 1.

    Of all tokens it alone has a number in the first dimension, which the MLP of that block turns into a large vector.
    """
    tokenizer = byte_level_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=2,
        max_position_embeddings=CONTEXT,
        bos_token_id=0,
        eos_token_id=0,
    )
    torch.manual_seed(0)
    model = LlamaForCausalLM(config)
    inner: Any = model.model
    with torch.no_grad():
        # Weights as large as a trained model's, so that blocks do something.
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.normal_(0.0, 0.3)
        rows = inner.embed_tokens.weight
        rows[:, 0] = 0.0
        rows[0] = 0.0
        rows[0, 0] = 4.0 * float(rows[1:].norm(dim=1).median())
        for one in inner.layers[:block]:
            one.self_attn.o_proj.weight[0] = 0.0
            one.mlp.down_proj.weight[0] = 0.0
        mlp = inner.layers[block - 1].mlp
        # Behind the norm the first dimension of the start token is about 4, and its unit gives about 4 x 4.
        mlp.gate_proj.weight[0] = 0.0
        mlp.up_proj.weight[0] = 0.0
        mlp.gate_proj.weight[0, 0] = mlp.up_proj.weight[0, 0] = 1.0
        mlp.down_proj.weight[:, 0] *= size / 16.0
    return save(model, tokenizer, folder)


def tiny_bert(folder: Path, *, layers: int = 3, width: int = 16, seed: int = 0) -> Path:
    """An encoder with a WordPiece tokenizer, written to `folder`; like published sentence encoders without a pooler."""
    tokenizer = word_piece_tokenizer()
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=2,
        max_position_embeddings=CONTEXT,
        pad_token_id=0,
    )
    torch.manual_seed(seed)
    return save(BertModel(config, add_pooling_layer=False), tokenizer, folder)


def tiny_gguf(path: Path) -> Path:
    """A tiny decoder as a GGUF file, with a tokenizer of single letters and a chat template."""
    width, inner, heads, blocks = 16, 32, 2, 2
    tokens = [*map(chr, range(33, 127)), "\u0120", "th", "<s>"]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(blocks)
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_context_length(CONTEXT)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.NORMAL] * len(tokens))
    writer.add_token_merges(["t h"])
    writer.add_bos_token_id(len(tokens) - 1)
    writer.add_eos_token_id(len(tokens) - 1)
    writer.add_chat_template("{{ messages }}")
    shapes = {name: (len(tokens), width) for name in ("token_embd", "output")} | {"output_norm": (width,)}
    for block in range(blocks):
        square = dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_output"), (width, width))
        norms = dict.fromkeys(("attn_norm", "ffn_norm"), (width,))
        wide = {"ffn_gate": (inner, width), "ffn_up": (inner, width), "ffn_down": (width, inner)}
        shapes |= {f"blk.{block}.{name}": shape for name, shape in (square | norms | wide).items()}
    random = np.random.default_rng(0)
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", random.standard_normal(shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path

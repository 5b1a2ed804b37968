"""Tiny models with random weights of the architectures of transformers that read text: each is a shrunk config."""

from __future__ import annotations

from typing import Any

import torch
from transformers import CONFIG_MAPPING, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    MODEL_MAPPING_NAMES,
)

VOCABULARY = 128
WIDTH, HEADS, KEY_HEADS, DEPTH, HEAD, INNER, CONTEXT, WINDOW = 32, 4, 2, 4, 8, 48, 128, 16
MOST_PARAMETERS = 5_000_000
# Names that configs have for the sizes of a model, and small values that fit together.
SMALL: dict[str, Any] = {
    **dict.fromkeys(("vocab_size", "src_vocab_size", "tgt_vocab_size", "decoder_vocab_size"), VOCABULARY),
    **dict.fromkeys(("vocab_size_per_layer_input", "entity_vocab_size", "unpadded_vocab_size"), VOCABULARY),
    **dict.fromkeys(("hidden_size", "d_model", "n_embd", "dim", "emb_dim", "embedding_dim", "embedding_size"), WIDTH),
    **dict.fromkeys(("word_embed_proj_dim", "true_hidden_size", "lru_width", "input_embedding_size"), WIDTH),
    **dict.fromkeys(("pooler_hidden_size", "cross_attention_hidden_size", "entity_emb_size", "d_latents"), WIDTH),
    **dict.fromkeys(("output_embedding_size", "prompt_mid_dim", "prediction_head_size", "router_hidden_size"), WIDTH),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers", "num_blocks"), DEPTH),
    **dict.fromkeys(("encoder_layers", "decoder_layers", "num_encoder_layers", "num_decoder_layers"), DEPTH),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads", "attention_heads"), HEADS),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), HEADS),
    **dict.fromkeys(("num_encoder_attention_heads", "num_decoder_attention_heads"), HEADS),
    **dict.fromkeys(("num_self_attention_heads", "num_cross_attention_heads", "swa_num_attention_heads"), HEADS),
    **dict.fromkeys(("num_key_value_heads", "swa_num_key_value_heads", "num_kv_heads"), KEY_HEADS),
    **dict.fromkeys(("head_dim", "d_kv", "d_head", "dim_head", "swa_head_dim", "attention_head_size"), HEAD),
    **dict.fromkeys(("intermediate_size", "ffn_dim", "encoder_ffn_dim", "decoder_ffn_dim", "d_ff", "d_inner"), INNER),
    **dict.fromkeys(("ffn_hidden_size", "dim_ff", "dff", "hidden_dim", "feed_forward_size"), INNER),
    **dict.fromkeys(("intermediate_size_mlp", "shared_intermediate_size", "dense_intermediate_size"), INNER),
    **dict.fromkeys(("moe_intermediate_size", "shared_expert_intermediate_size", "expert_ffn_hidden_size"), 16),
    **dict.fromkeys(("shared_experts_intermediate_size", "moe_shared_expert_intermediate_size"), 16),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"), 4),
    **dict.fromkeys(("num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_k", "top_k_experts"), 2),
    **dict.fromkeys(("n_group", "topk_group", "num_expert_group", "n_groups"), 1),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "max_seq_len", "context_length"), CONTEXT),
    **dict.fromkeys(("max_encoder_position_embeddings", "max_decoder_position_embeddings", "n_ctx"), CONTEXT),
    **dict.fromkeys(("sliding_window", "local_attention", "sliding_window_size", "attention_window_size"), WINDOW),
    **dict.fromkeys(("attention_chunk_size", "window_size"), WINDOW),
    **dict.fromkeys(("qk_rope_head_dim", "qk_nope_head_dim", "rotary_dim"), 8),
    **dict.fromkeys(("v_head_dim", "linear_key_head_dim", "linear_value_head_dim", "linear_head_dim"), HEAD),
    **dict.fromkeys(("qk_head_dim",), 16),
    **dict.fromkeys(("kv_lora_rank", "q_lora_rank", "o_lora_rank", "gated_norm_rank", "laurel_rank"), 16),
    **dict.fromkeys(("linear_num_key_heads", "linear_num_value_heads", "linear_num_heads"), KEY_HEADS),
    **dict.fromkeys(("index_head_dim",), 16),
    **dict.fromkeys(("index_n_heads",), KEY_HEADS),
    "index_topk": 64,
    **dict.fromkeys(("mamba_d_state", "state_size", "ssm_state_size", "d_rel"), 8),
    **dict.fromkeys(("mamba_d_head", "mamba_head_dim", "mamba_headdim", "kv_channels"), HEAD),
    **dict.fromkeys(("mamba_chunk_size", "chunk_size"), WINDOW),
    **dict.fromkeys(("hidden_size_per_layer_input",), 8),
    **dict.fromkeys(("num_kv_shared_layers",), 0),
    **dict.fromkeys(("bos_token_id", "eos_token_id", "sep_token_id", "cls_token_id", "mask_token_id"), 2),
    **dict.fromkeys(("decoder_start_token_id",), 0),
    **dict.fromkeys(("attention_hidden_size",), WIDTH),
    "query_pre_attn_scalar": HEAD,
    "adapter_rank": 4,
    "num_landmarks": 8,
    "segment_means_seq_len": 8,
    "rel_extent": 32,
    "pad_token_id": 1,
    "max_2d_position_embeddings": 64,
    "pronunciation_vocab_size": 32,
    "shape_vocab_size": 32,
}
MAY_BE_NONE = ("head_dim", "num_key_value_heads")  # where it is None, it is computed from others
# Architectures whose sizes depend on each other in a way of their own.
_MAMBA_2: dict[str, Any] = {"mamba_n_heads": 8, "mamba_d_head": 8, "mamba_expand": 2, "mamba_n_groups": 1}
_ONE_KEY_A_HEAD = {"num_key_value_heads": HEADS}
OWN: dict[str, dict[str, Any]] = {
    "bamba": {**_MAMBA_2, "attn_layer_indices": [1, 3]},
    "granitemoehybrid": {**_MAMBA_2, "layer_types": ["mamba", "attention", "mamba", "attention"]},
    "falcon_h1": {**_MAMBA_2, "mamba_d_ssm": 64},
    "mamba2": {"num_heads": 8, "head_dim": 8, "expand": 2},
    "gpt_neo": {"attention_types": [[["global", "local"], 2]]},
    "esm": {"vocab_size": VOCABULARY, "pad_token_id": 1, "mask_token_id": 2},
    "esmc": _ONE_KEY_A_HEAD,
    "glm5_next": _ONE_KEY_A_HEAD,
    "glm5_next_text": _ONE_KEY_A_HEAD,
    "longformer": {"attention_window": [WINDOW] * DEPTH},
    "led": {"attention_window": [WINDOW] * DEPTH},
    "mobilebert": {"intra_bottleneck_size": 16, "true_hidden_size": 16, "embedding_size": 16},
    "reformer": {
        "axial_pos_shape": (8, 16),
        "axial_pos_embds_dim": (16, 16),
        "attn_layers": ["local", "lsh", "local", "lsh"],
        "local_attn_chunk_length": WINDOW,
        "lsh_attn_chunk_length": WINDOW,
        "is_decoder": True,
    },
    "xmod": {"languages": ("en_XX",), "default_language": "en_XX"},
    "bailing_hybrid": {"layer_group_size": 2},
    "kimi_linear": {"layer_types": ["linear_attention", "full_attention"] * 2},
    "dots1": {"n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2},
    "deepseek_v2": {"num_experts_per_tok": 2},
    "phi3": {
        "original_max_position_embeddings": 32,
        "rope_parameters": {
            "rope_type": "longrope",
            "rope_theta": 10000.0,
            "short_factor": [1.0] * 4,
            "long_factor": [2.0] * 4,
            "original_max_position_embeddings": 32,
        },
    },
    "big_bird": {"block_size": 4, "num_random_blocks": 1},
    "zaya": {"num_experts_per_tok": 1},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "mamba_dt_rank": 8},
    "xlstm": {"num_heads": 4, "qk_dim_factor": 1.0, "v_dim_factor": 1.0, "chunk_size": WINDOW},
    "lfm2_moe": {"layer_types": ["conv", "full_attention", "conv", "full_attention"]},
    "zamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "n_mamba_heads": 2},
}


def text_architectures() -> list[str]:
    """Names of the architectures with a head that writes text, or fills gaps in one."""
    with_heads = (
        set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
        | set(MODEL_FOR_MASKED_LM_MAPPING_NAMES)
        | set(MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES)
        | set(MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES)
    )
    return sorted(with_heads & set(MODEL_MAPPING_NAMES))


def tiny_config(architecture: str) -> PretrainedConfig:
    """The architecture's own config with small sizes."""
    kind = CONFIG_MAPPING[architecture]
    return kind(**_shrunk(kind(), architecture))


def _shrunk(config: PretrainedConfig, architecture: str) -> dict[str, Any]:
    """Arguments of the same class of config that make a small model."""
    found: dict[str, Any] = {}
    values = config.to_dict()
    for name, value in values.items():
        if name in config.sub_configs:
            part = getattr(config, name)
            if part is not None:
                found[name] = {"model_type": part.model_type, **_shrunk(part, part.model_type)}
        elif name in SMALL and (isinstance(value, int) or name in MAY_BE_NONE) and not isinstance(value, bool):
            found[name] = SMALL[name]
    if "kv_lora_rank" in found:
        found["num_key_value_heads"] = HEADS
    return found | OWN.get(architecture, {})


def tiny_model(architecture: str, seed: int = 0) -> PreTrainedModel:
    """A model of the architecture with random weights, in float32."""
    config = tiny_config(architecture)
    with torch.device("meta"):
        shape = AutoModel.from_config(config)
    parameters = sum(parameter.numel() for parameter in shape.parameters())
    if parameters > MOST_PARAMETERS:
        largest = max(shape.named_parameters(), key=lambda one: one[1].numel())
        msg = f"{architecture}: {parameters:,} parameters; the largest tensor is {largest[0]} {tuple(largest[1].shape)}"
        raise ValueError(msg)
    torch.manual_seed(seed)
    model: PreTrainedModel = AutoModel.from_config(config, dtype=torch.float32)
    model.eval()
    return model

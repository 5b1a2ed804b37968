"""Folders that are no checkpoint, or not one that can run: one line with the way out, before anything runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file
from tests.extraction import extracted, job, prepared, written_corpus
from tests.tiny import CONTEXT, save, tiny_llama, word_piece_tokenizer
from transformers import AutoModel, Data2VecTextConfig, Data2VecTextModel

from fathom.io.manifests import read_manifest
from fathom.models.folders import what_it_is
from fathom.models.prepare import check_own, describe
from fathom.runtime.errors import FathomError
from fathom.workflow.check import command as check_command


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint that a test may harm."""
    return tiny_llama(tmp_path / "own")


def check(folder: Path) -> None:
    check_own(folder)
    describe(folder, "m", depth=None)


def refusal(folder: Path) -> str:
    with pytest.raises(FathomError) as caught:
        check(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_adapter_names_its_model(tmp_path: Path) -> None:
    content = {"peft_type": "LORA", "base_model_name_or_path": "EleutherAI/pythia-160m"}
    (tmp_path / "adapter_config.json").write_text(json.dumps(content))
    assert ", this is an adapter of EleutherAI/pythia-160m: merge it first (" in what_it_is(tmp_path)
    assert "an adapter of EleutherAI/pythia-160m" in refusal(tmp_path)
    (tmp_path / "adapter_config.json").write_text("{")
    assert "an adapter of another model" in refusal(tmp_path)


def test_a_folder_of_checkpoints_names_them(tmp_path: Path) -> None:
    for step in (500, 1000):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}/config.json").write_text("{}")
    assert refusal(tmp_path).endswith("name one (checkpoint-1000, checkpoint-500)")


def test_pickled_weights_say_how_to_save_them_anew(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "only pytorch_model.bin, a pickle, which is never loaded; load it with transformers" in refusal(folder)


def test_a_missing_tokenizer_is_said(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    assert "holds no tokenizer (tokenizer.json, " in refusal(folder)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod."])
def test_names_of_a_wrapper_are_said(folder: Path, prefix: str) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file({prefix + name: weight for name, weight in weights.items()}, folder / "model.safetensors")
    assert f"the names of its weights begin with '{prefix}'" in refusal(folder)


@pytest.mark.parametrize("prefix", ["backbone.", "base_model.model.", "student."])
def test_names_that_no_class_knows_are_said_before_a_run(folder: Path, prefix: str) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file({prefix + name: weight for name, weight in weights.items()}, folder / "model.safetensors")
    line = refusal(folder)
    assert f"first embed_tokens.weight; there it is called {prefix}embed_tokens.weight: take '{prefix}' from" in line


def test_weights_that_are_missing_are_said_before_a_run(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    left = {name: weight for name, weight in weights.items() if not name.startswith("layers.1.mlp.")}
    save_file(left, folder / "model.safetensors")
    assert "3 weights are missing or of another shape in its checkpoint, first layers.1.mlp.down" in refusal(folder)


@pytest.mark.parametrize("stored", [torch.int8, torch.uint8, torch.float8_e4m3fn])
def test_weights_of_eight_bits_are_said_where_the_config_is_silent(folder: Path, stored: torch.dtype) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["layers.0.mlp.up_proj.weight"] = weights["layers.0.mlp.up_proj.weight"].to(stored)
    save_file(weights, folder / "model.safetensors")
    assert "layers.0.mlp.up_proj.weight is stored as " in refusal(folder)
    assert "quantised weights are not read; take those they were made of" in refusal(folder)


def test_a_head_and_the_pooler_need_not_be_there(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file({f"model.{name}": weight for name, weight in weights.items()}, folder / "model.safetensors")
    check(folder)  # as a model with a language head is saved


def test_a_check_says_which_context_holds_where_the_files_do_not_agree(tmp_path: Path, folder: Path) -> None:
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 20}))
    (tmp_path / "c.yaml").write_text(json.dumps({"models": {"own": {"source": "path", "path": str(folder)}}}))
    done = CliRunner().invoke(check_command, [str(tmp_path / "c.yaml")], catch_exceptions=False)
    assert "models.own: texts of at most 20 tokens, sentence_bert_config.json, max_seq_length (" in done.output
    assert done.exit_code == 0


def change(path: Path, **entries: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


def test_quantised_weights_are_said(folder: Path) -> None:
    change(folder / "config.json", quantization_config={"quant_method": "gptq"})
    assert "quantised weights (quantization_config) are not read" in refusal(folder)


def test_the_least_of_all_contexts_holds_and_says_where_it_stands(folder: Path) -> None:
    change(folder / "tokenizer_config.json", model_max_length=int(1e30))
    assert describe(folder, "m", depth=None)["context"] == CONTEXT
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 20}))
    facts = describe(folder, "m", depth=None)
    assert facts["context"] == 20
    assert facts["context_from"] == f"sentence_bert_config.json, max_seq_length (config.json: {CONTEXT})"


def test_positions_after_the_padding_are_found_without_their_names(tmp_path: Path) -> None:
    sizes: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    sizes["num_attention_heads"] = 2
    Data2VecTextModel(Data2VecTextConfig(**sizes, vocab_size=64, max_position_embeddings=34)).save_pretrained(tmp_path)
    facts = describe(tmp_path, "m", depth=None)
    assert (facts["context"], facts["context_from"]) == (32, "its position table (config.json: 34)")


def test_a_token_beyond_the_embedding_is_one_line(tmp_path: Path, folder: Path) -> None:
    model = AutoModel.from_pretrained(folder)
    tokenizer = word_piece_tokenizer()
    rows = model.get_input_embeddings().num_embeddings
    model.resize_token_embeddings(len(tokenizer) - 20)
    manifest = prepared(save(model, tokenizer, tmp_path / "smaller"), tmp_path)
    assert read_manifest(manifest, "model")["vocabulary"] == len(tokenizer) - 20 < rows
    corpus = written_corpus(tmp_path / "texts.parquet")
    expected = rf"text 't\d' has the token '.+' of id \d+, the model's embedding has {len(tokenizer) - 20} rows"
    with pytest.raises(FathomError, match=expected):
        extracted(manifest, corpus, job())

"""Config files and manifests made to do harm, and strings that a shell, a path or a page would interpret."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from fathom.io.manifests import DIGEST, read_manifest, write_manifest
from fathom.runtime.errors import FathomError
from fathom.workflow.config import Config
from fathom.workflow.jobs.settings_json import as_json
from fathom.workflow.load import load_config
from fathom.workflow.plan import Plan
from fathom.workflow.strict_yaml import read_config_file
from fathom.workflow.wildcards import Wildcards


def refusal(file: Path, content: str | bytes) -> str:
    """The one line with which a config file is refused."""
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(FathomError) as caught:
        load_config({}, [str(file)])
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"config: {file}: ")
    return message


def laughs(levels: int, *, mapping: bool) -> str:
    """A document of `levels` levels, each of which names the one before ten times."""
    lines = ["a0: &a0 [x]" if not mapping else "a0: &a0 {x: 1}"]
    for level in range(1, levels):
        parts = [f"*a{level - 1}"] * 10
        body = f"[{', '.join(parts)}]"
        if mapping:
            body = "{" + ", ".join(f"k{number}: {part}" for number, part in enumerate(parts)) + "}"
        lines.append(f"a{level}: &a{level} {body}")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("x: !!python/object/apply:os.system ['touch {marker}']", "could not determine a constructor for the tag"),
        ("x: !!python/name:os.system", "could not determine a constructor for the tag"),
        ("x: !!python/object/new:os.system ['touch {marker}']", "could not determine a constructor for the tag"),
        ("x: !!python/tuple [1]", "could not determine a constructor for the tag"),
        ("x: !evil 3", "could not determine a constructor for the tag"),
        ("__use_yte__: true\nx: ?open('{marker}', 'w')", "it asks for __use_yte__"),
        ("__use_yte__: false", "it asks for __use_yte__"),
        ("models: {{}}\nmodels: {{}}", "the key 'models' stands there twice"),
        ("activations:\n  shards: 1\n  shards: 2", "the key 'shards' stands there twice, line 2"),
        ("? [a, b]\n: 1", "a key that is a list or a mapping"),
        ("a: &a [*a]", "a part that holds itself"),
        ("a: [1", "expected ',' or ']'"),
        ("a: b: c", "mapping values are not allowed here, line 1"),
        ("a: *nowhere", "found undefined alias"),
        ("a: '\x00'", "special characters are not allowed"),
        ("--- 1\n--- 2", "but found another document"),
        ("a: 2026-99-99", "month must be in 1..12"),
    ],
)
def test_yaml_that_is_more_than_data_is_refused(tmp_path: Path, content: str, expected: str) -> None:
    marker = tmp_path / "ran"
    assert expected in refusal(tmp_path / "mine.yaml", content.format(marker=marker))
    assert not marker.exists()


@pytest.mark.parametrize("mapping", [False, True])
def test_a_document_that_grows_by_aliases_is_refused_before_it_grows(tmp_path: Path, mapping: bool) -> None:
    assert "more than 100,000 values once every alias" in refusal(tmp_path / "m.yaml", laughs(30, mapping=mapping))


def test_aliases_may_be_used(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: *a\n")
    assert read_config_file(file) == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}, "c": {"x": 1, "y": 2}}


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("m.yaml", b"\xff\xfe\x00", "can't decode byte"),
        ("m.yaml", b"a: " + b"[" * 20_000, "nested too deeply"),
        ("m.yaml", b"#" * (2 << 20), "larger than 1,048,576 bytes"),
        ("m.json", b'{"a": NaN}', "NaN is no number of JSON"),
        ("m.json", b'{"a": -Infinity}', "-Infinity is no number of JSON"),
        ("m.json", b'{"a": 1, "a": 1}', "the key 'a' stands there twice"),
        ("m.json", b"[" * 100_000, "nested too deeply"),
        ("m.json", b'{"a": ' + b"9" * 5000 + b"}", "Exceeds the limit"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    assert expected in refusal(tmp_path / name, content)


def check(*files: Path, status: int) -> str:
    """What `fathom check` says of files, in a process of its own."""
    words = [sys.executable, "-m", "fathom.cli", "check", *map(str, files)]
    root = Path(__file__).parents[2]  # the paths in a config are seen from where a run starts
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=root)
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


def test_a_config_is_checked_without_running_it(tmp_path: Path, root: Path) -> None:
    assert "config.yaml: fine; models: 4, corpora: 6" in check(root / "config/config.yaml", status=0)
    evil = tmp_path / "evil.yaml"
    evil.write_text(f"__use_yte__: true\nx: ?open({str(tmp_path / 'ran')!r}, 'w')\n")
    said = check(root / "config/config.yaml", evil, status=1)
    assert said.startswith(f"fathom: error: config: {evil}: ")
    evil.write_text("[1, 2]")
    check(evil, status=1)
    assert "Missing argument" in check(status=2)
    assert not (tmp_path / "ran").exists()


def test_several_files_are_checked_as_snakemake_merges_them(tmp_path: Path) -> None:
    first, second = tmp_path / "1.yaml", tmp_path / "2.yaml"
    first.write_text("activations: {shards: 0}\nuncertainty: {seed: 1}\n")
    second.write_text("activations: {shards: 3}\n")
    check(first, second, status=0)
    said = check(first, status=1)
    assert said.endswith("activations.shards: input should be greater than or equal to 1; found 0\n")


def test_model_folders_that_will_be_refused_are_named_a_line_each(tmp_path: Path, llama: Path) -> None:
    folders = {name: tmp_path / name for name in ("good", "quantised", "pickled", "gguf", "deeper")}
    for folder in folders.values():
        shutil.copytree(llama, folder)
    config = json.loads((llama / "config.json").read_text())
    quantised = config | {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}
    (folders["quantised"] / "config.json").write_text(json.dumps(quantised))
    for name, file in (("pickled", "pytorch_model.bin"), ("gguf", "model-Q4_K_M.gguf")):
        (folders[name] / "model.safetensors").rename(folders[name] / file)
    models = {name: {"source": "path", "path": str(folder)} for name, folder in folders.items()}
    models["deeper"]["depth"] = config["num_hidden_layers"] + 1
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({"models": models}))
    deeper, gguf, pickled, quantised_ = check(tmp_path / "c.yaml", status=1).splitlines()  # in the file's order
    assert quantised_.startswith("fathom: error: models.quantised: ")
    assert "quantised weights (quantization_config) are not read" in quantised_
    assert "holds no weights as *.safetensors, only pytorch_model.bin, a pickle, which is never loaded" in pickled
    assert "holds no weights as *.safetensors" in gguf
    assert deeper.startswith("fathom: error: models.deeper.depth: the checkpoint has ")
    assert "good" not in quantised_ + pickled + gguf + deeper


def test_checking_needs_no_torch() -> None:
    code = "import sys, fathom.workflow.check; assert not {'torch', 'transformers', 'pandas'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)


# Strings -------------------------------------------------------------------------------------------------------------

HOSTILE = ("a\nb", "a\x00b", "a\x1b[2Jb", "a\u2028b", "a\u202eb", "x" * 1001, "\ud800")


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize(
    "entry",
    [
        {"models": {"m": {"source": "hub", "repository": "a/b", "revision": "main", "label": "TEXT"}}},
        {"models": {"m": {"source": "hub", "repository": "a/b", "revision": "main", "note": "TEXT"}}},
        {"models": {"m": {"source": "hub", "repository": "a/b", "revision": "TEXT"}}},
        {"models": {"m": {"source": "hub", "repository": "TEXT", "revision": "main"}}},
        {"models": {"m": {"source": "path", "path": "TEXT"}}},
        {"corpora": {"c": {"kind": "file", "path": "TEXT.txt"}}},
        {"corpora": {"c": {"kind": "file", "path": "a.txt", "column": "TEXT"}}},
        {"corpora": {"c": {"kind": "hub", "repository": "a/b", "revision": "m", "file": "TEXT.txt"}}},
        {"corpora": {"c": {"kind": "items", "table": "TEXT"}}},
        {"probes": {"e": {"corpus": "items", "positions": ["last"], "title": "TEXT"}}},
        {"probes": {"e": {"corpus": "items", "positions": ["last"], "labels": ["TEXT"]}}},
    ],
)
def test_strings_that_steer_a_terminal_or_a_page_are_refused(entry: dict[str, Any], text: str) -> None:
    # A lone surrogate cannot come out of a file; it can out of JSON.
    changed = json.loads(json.dumps(entry).replace("TEXT", json.dumps(text)[1:-1]))
    with pytest.raises(FathomError) as caught:
        load_config(changed, [])
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "name",
    [
        "a/../b",
        "a//b",
        "/a",
        "a/",
        "-a",
        "a b",
        "á/b",
        "а/b",  # noqa: RUF001 - a Cyrillic letter, which looks like a Latin one
        "a/b\n",
        "a" * 201,
        "https://user:word@host/a",
    ],
)
def test_a_repository_or_revision_that_looks_like_something_else_is_refused(name: str) -> None:
    for changes in ({"repository": name}, {"revision": name}):
        hub = {"source": "hub", "repository": "a/b", "revision": "main"} | changes
        with pytest.raises(FathomError, match=r"models\.m\."):
            load_config({"models": {"m": hub}}, [])


@pytest.mark.parametrize("file", ["*.txt", "a?.txt", "[a].txt", "C:a.txt", "..\\a.txt", "a\nb.txt", ".", "x" * 2000])
def test_a_member_that_is_a_pattern_or_a_drive_is_refused(file: str) -> None:
    corpus = {"kind": "hub", "repository": "a/b", "revision": "main", "file": f"{file}/a.txt"}
    with pytest.raises(FathomError, match=r"corpora\.c\.file"):
        load_config({"corpora": {"c": corpus}} if file != "." else {"corpora": {"c": corpus | {"file": "."}}}, [])


@pytest.mark.parametrize("path", ["{model}", "a{b}c", "{{x}}"])
def test_a_path_that_snakemake_would_take_for_wildcards_is_refused(path: str) -> None:
    with pytest.raises(FathomError, match="expected a path without braces"):
        load_config({"models": {"m": {"source": "path", "path": path}}}, [])


@pytest.mark.parametrize(
    ("section", "name", "other", "expected"),
    [
        ("corpora", "mine", "Mine", "expected a name that differs from others in more than upper and lower case"),
        ("probes", "mine", "MINE", "expected a name that differs from others in more than upper and lower case"),
        ("probes", "mine", "mine.layers", "expected another name, since results of mine have this one"),
        ("probes", "mine", "mine.coordination", "expected another name, since results of mine have this one"),
    ],
)
def test_names_whose_results_would_be_one_file_are_refused(section: str, name: str, other: str, expected: str) -> None:
    entries = {
        "corpora": {"kind": "random-tokens"},
        "probes": {"corpus": "items", "positions": ["span:item"], "title": "TITLE"},
    }
    entry = json.dumps(entries[section])
    config = {section: {one: json.loads(entry.replace("TITLE", one)) for one in (name, other)}}
    with pytest.raises(FathomError, match=expected):
        load_config(config, [])


@pytest.mark.parametrize("seed", [1 << 32, 10**400])
def test_a_seed_that_numpy_does_not_take_is_refused(seed: int) -> None:
    with pytest.raises(FathomError, match=r"uncertainty\.seed: input should be less than 4294967296"):
        load_config({"uncertainty": {"seed": seed}}, [])


def test_settings_are_one_word_of_a_shell_and_end_no_script() -> None:
    label = "$(touch x) `touch x` ; touch x & 'q' \"d\" {input} %s \\ </script><script>"
    hub = {"source": "hub", "repository": "a/b", "revision": "main", "label": label}
    config = load_config({"models": {"m": hub}}, [])
    settings = Plan(config).figures.settings(Wildcards(figure=next(iter(config.all_figures))))
    assert "<" not in settings
    assert label in json.dumps(json.loads(settings), ensure_ascii=False).replace('\\"', '"').replace("\\\\", "\\")
    done = subprocess.run(f"printf %s {shlex.quote(settings)}", shell=True, capture_output=True, text=True, check=True)
    assert done.stdout == settings
    assert json.loads(as_json({"a": label})) == {"a": label}


def test_every_word_of_a_command_is_quoted(root: Path) -> None:
    """A shell line holds no placeholder without `:q` but numbers that Snakemake, or the plan, makes."""
    found = []
    for file in sorted((root / "workflow/rules").glob("*.smk")):
        for line in file.read_text(encoding="utf-8").splitlines():
            text = line.strip()
            if text.startswith('"') and (" --" in text or "fathom" in text):
                found += [part.split("}")[0] for part in text.split("{")[1:]]
    assert len(found) > 20
    assert {part for part in found if not part.endswith(":q")} == {"threads", "params.shards"}


# Manifests -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[" * 100_000,
        b'{"kind": "model", "a": NaN}',
        b'{"kind": "model", "a": 1e999}',
        b'{"kind": "model", "kind": "model"}',
        b'{"kind": "model", "a": ' + b"9" * 5000 + b"}",
        b'{"kind": {"kind": "model"}}',
        b'{"kind": "' + b"x" * 10**6 + b'"}',
        b"null",
    ],
    ids=range(10),
)
def test_a_bad_manifest_is_one_line(tmp_path: Path, content: bytes) -> None:
    manifest = tmp_path / "manifest.json"
    manifest.write_bytes(content)
    with pytest.raises(FathomError) as caught:
        read_manifest(manifest, "model")
    message = str(caught.value)
    assert message.startswith(f"{manifest}: ")
    assert message.endswith("run snakemake again")
    assert message.isprintable()
    assert len(message) < 3000


def test_a_manifest_that_is_a_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").mkdir()
    with pytest.raises(FathomError, match=r"manifest\.json: not a manifest"):
        read_manifest(tmp_path / "manifest.json", "model")


def test_a_manifest_comes_back(tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.json", {"kind": "model", "ä": [1, 2.5, None, "中"]})
    assert read_manifest(tmp_path / "m.json", "model") == {"kind": "model", "ä": [1, 2.5, None, "中"]}
    assert DIGEST in (tmp_path / "m.json").read_text()


def test_the_default_config_is_read_strictly(root: Path) -> None:
    for file in [root / "config/config.yaml", root / "config/offline.yaml", *(root / "config/papers").glob("*.yaml")]:
        assert read_config_file(file) == yaml.safe_load(file.read_text(encoding="utf-8"))
    assert Config().models

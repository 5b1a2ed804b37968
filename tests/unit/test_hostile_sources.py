"""Wheels, a hub and files that were made to do harm, and secrets that must not be written anywhere."""

from __future__ import annotations

import json
import logging
import os
import pickle
import struct
import subprocess
import sys
import threading
import warnings
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.jobs import model_settings, texts_of_table
from tests.wheels import wheel_with

from fathom.io.download import unpack
from fathom.io.tables import read_table
from fathom.runtime.errors import LONGEST, FathomError, one_line
from fathom.runtime.redaction import REDACTED, RedactingFormatter, redact

# Zip members ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "evil",
    [
        "p/model/..\\..\\evil",
        "p/model/C:evil",
        "p/model/C:\\evil",
        "p/model/\\\\host\\share\\evil",
        "p/model/a\nb",
        "p/model/a\x7fb",
        "p/model/..",
        "p/model/../../../../evil",
    ],
)
def test_a_member_that_is_no_plain_path_is_refused(tmp_path: Path, evil: str) -> None:
    made = wheel_with(tmp_path / "w", {"p/model/a": b"a", evil: b"evil"})
    with pytest.raises(FathomError, match="is a link or leaves its folder; the wheel is refused") as caught:
        unpack(made, "p/model", tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "names",
    [
        ("p/model/a", "p/model/a"),
        ("p/model/a", "p/model//a"),
        ("p/model/a", "p/model/./a"),
        ("p/model/a", "p/model/a/b"),
        ("p/model/a/b", "p/model/a"),
    ],
)
def test_two_members_in_one_place_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    path = tmp_path / "w.whl"
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Duplicate name")  # which zipfile says to whoever writes one
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), name)
    with pytest.raises(FathomError, match=r"is there twice|is a file and a folder"):
        unpack(path, "p/model", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def with_sizes(path: Path, size: int) -> None:
    """Overwrite the unpacked size of the first member, in both places where a zip file says it."""
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, content.index(b"PK\x03\x04") + 22, size)
    struct.pack_into("<I", content, content.index(b"PK\x01\x02") + 24, size)
    path.write_bytes(content)


def packed(path: Path, content: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("p/model/a", content)
    return path


def test_a_member_larger_than_it_declares_is_refused(tmp_path: Path) -> None:
    made = packed(tmp_path / "w.whl", b"\x00" * (64 << 20))
    assert made.stat().st_size < 100_000
    with_sizes(made, 1000)
    with pytest.raises(FathomError):
        unpack(made, "p/model", tmp_path / "out")
    assert sum(path.stat().st_size for path in (tmp_path / "out").rglob("*") if path.is_file()) <= 1000


def test_members_that_take_more_than_the_disk_has_are_refused_before_any_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = packed(tmp_path / "w.whl", b"\x00" * (1 << 20))
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(FathomError, match="takes 1,048,576 bytes unpacked, the disk has room for 1,000"):
        unpack(made, "p/model", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("damage", ["cut", "flipped", "noise"])
def test_a_corrupt_wheel_is_one_line(tmp_path: Path, damage: str) -> None:
    made = packed(tmp_path / "w.whl", os.urandom(10_000))
    content = bytearray(made.read_bytes())
    if damage == "flipped":
        content[2000] ^= 1
    made.write_bytes({"cut": bytes(content[:5000]), "flipped": bytes(content), "noise": os.urandom(5000)}[damage])
    with pytest.raises(FathomError, match=r"w\.whl: cannot be unpacked") as caught:
        unpack(made, "p/model", tmp_path / "out")
    assert "\n" not in str(caught.value)


# Tables --------------------------------------------------------------------------------------------------------------


class Bomb:
    """Unpickling it makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.marker,)


def test_pickles_in_the_metadata_of_a_table_never_run(tmp_path: Path) -> None:
    bomb = pickle.dumps(Bomb(tmp_path / "ran"))
    column = pa.field("text", pa.string(), metadata={"ARROW:extension:name": "arrow.py_extension_type"})
    column = column.with_metadata({**column.metadata, "ARROW:extension:metadata": bomb, "pandas": bomb})
    table = pa.table({"text": ["a", "b"]}, schema=pa.schema([column]))
    pq.write_table(table.replace_schema_metadata({"PANDAS_PICKLE": bomb, "huggingface": bomb}), tmp_path / "t.parquet")
    assert texts_of_table(tmp_path / "t.parquet", "text").tolist() == ["a", "b"]
    assert read_table(tmp_path / "t.parquet")["text"].tolist() == ["a", "b"]
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet", "txt"])
def test_a_pickle_under_another_name_never_runs(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"t.{ending}"
    file.write_bytes(pickle.dumps(pd.DataFrame({"text": [Bomb(tmp_path / "ran")]})))
    with pytest.raises(FathomError):
        texts_of_table(file, "text")
    assert not (tmp_path / "ran").exists()


# A hub that lies -----------------------------------------------------------------------------------------------------

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_" + "PlantedTokenOfTheTest0123456789"


class Hub(BaseHTTPRequestHandler):
    """A hub of one repository; the file names in it are the server's to choose."""

    names: tuple[str, ...] = ("config.json",)
    status = 200

    def do_HEAD(self) -> None:
        """Facts of a file."""
        self._file()

    def do_GET(self) -> None:
        """Facts of the repository, or a file."""
        if self.path.startswith("/api/"):
            listing = [{"rfilename": name, "path": name, "type": "file", "size": 2, "oid": "0"} for name in self.names]
            told = listing if "/tree/" in self.path else {"id": "a/b", "sha": COMMIT, "siblings": listing}
            self._send(json.dumps(told).encode(), "application/json")
        else:
            self._file()

    def _file(self) -> None:
        self._send(b"{}", "application/octet-stream")

    def _send(self, content: bytes, kind: str) -> None:
        self.send_response(self.status)
        headers = {"Content-Type": kind, "Content-Length": str(len(content)), "ETag": '"0"', "X-Repo-Commit": COMMIT}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def hub() -> Iterator[tuple[type[Hub], str]]:
    """A hub of the test's own, and its address."""
    handler = type("Handler", (Hub,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield handler, f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def fetched(folder: Path, address: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`fathom models` of a hub model, with a token in its environment."""
    settings = {"source": "hub", "repository": "owner/name", "revision": "main"}
    target = folder / "results/m"
    arguments = ["--log", str(folder / "m.log"), "models", "--settings", model_settings(settings)]
    arguments += ["--folder", str(target), "--manifest", str(target / "manifest.json")]
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    variables |= {"HF_ENDPOINT": address, "HF_TOKEN": TOKEN, "HF_HOME": str(folder / "home")} | environment
    return subprocess.run(
        [sys.executable, "-m", "fathom.cli", *arguments],
        env=variables | {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_ETAG_TIMEOUT": "5"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("name", ["../../evil.safetensors", "/tmp/evil.safetensors", "..\\evil.safetensors"])
def test_a_file_name_of_the_hub_that_leaves_its_folder_is_refused(
    tmp_path: Path, hub: tuple[type[Hub], str], name: str
) -> None:
    handler, address = hub
    handler.names = ("config.json", name)
    done = fetched(tmp_path, f"http://{address}")
    assert done.returncode == 1, done.stderr
    # It is no file of the weights, which lie at the top of a repository: nothing asks for it.
    assert "holds no weights as *.safetensors" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("*evil*"))
    assert not Path("/tmp/evil.safetensors").exists()
    assert not (tmp_path / "results/m").exists()


@pytest.mark.parametrize("status", [200, 401, 403, 404, 429, 500])
def test_a_token_is_never_written(tmp_path: Path, hub: tuple[type[Hub], str], status: int) -> None:
    handler, address = hub
    handler.status = status
    done = fetched(tmp_path, f"http://user:PlantedPassword@{address}", HUGGING_FACE_HUB_TOKEN=TOKEN)
    assert done.returncode == 1  # of status 200 it is a repository without weights
    assert "Traceback" not in done.stderr
    written = [path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file()]
    for text in (done.stdout, done.stderr, *written):
        assert TOKEN not in text
        assert "PlantedPassword" not in text


def test_secrets_are_redacted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "a token that does not look like one")
    (tmp_path / "token").write_text("token-of-a-login\n")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    text = (
        "a token that does not look like one, token-of-a-login, hf_abcdefgh12345, "
        "https://user:word@host/x?a=1&X-Amz-Signature=abc&token=def and https://user@host, "
        "but https://host/x@y?page=2 stays"
    )
    assert redact(text) == (
        f"{REDACTED}, {REDACTED}, {REDACTED}, "
        f"https://{REDACTED}@host/x?a=1&X-Amz-Signature={REDACTED}&token={REDACTED} and https://{REDACTED}@host, "
        "but https://host/x@y?page=2 stays"
    )


def test_a_traceback_in_a_log_is_redacted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    try:
        raise ValueError(TOKEN)
    except ValueError:
        record = logging.LogRecord("fathom", logging.ERROR, "x", 1, "it was %s", (TOKEN,), sys.exc_info())
    text = RedactingFormatter("%(message)s").format(record)
    assert TOKEN not in text
    assert f"ValueError: {REDACTED}" in text


# Errors --------------------------------------------------------------------------------------------------------------


def test_an_error_is_one_short_line_whatever_it_quotes() -> None:
    evil = "a\nfathom: error: forged\r\x1b[2J\x00\udc80\u2028\u202e" + "x" * 10**6
    message = str(FathomError(f"{evil}: wrong"))
    assert message.isprintable()
    assert len(message) <= LONGEST + 200
    assert message.endswith(": wrong")
    assert message.startswith("a\\nfathom: error: forged\\r\\x1b[2J\\x00\\udc80\\u2028\\u202exxx")
    assert one_line("Größe, 中文: α = 1") == "Größe, 中文: α = 1"

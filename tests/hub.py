"""A hub on this machine: real files, at commits that a test can move, whatever their repository is called."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FIRST, SECOND = "1" * 40, "2" * 40


class Hub:
    """Branches of owner/name lead to commits; each commit is a folder of files."""

    def __init__(self, commits: dict[str, Path]) -> None:
        self.commits = commits
        self.branches = {"main": FIRST, "dev": SECOND}
        self.asked: list[str] = []
        """Paths of all requests."""
        self.address = ""

    def commit_of(self, revision: str) -> str | None:
        """The commit of a branch, or of itself."""
        commit = self.branches.get(revision, revision)
        return commit if commit in self.commits else None


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Serve a hub while the block runs; `hub.address` is where."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            """Facts of a file."""
            self._answer()

        def do_GET(self) -> None:
            """Facts of the repository, or a file."""
            self._answer()

        def _answer(self) -> None:
            hub.asked.append(self.path)
            parts = self.path.split("?")[0].strip("/").split("/")
            if parts[0] == "api":  # api/models/owner/name[/revision/REVISION | /tree/REVISION]
                commit = hub.commit_of(parts[5] if len(parts) > 5 else "main")
                if commit is None:
                    self._send(404, b"{}", "", "application/json")
                    return
                names = {
                    path.relative_to(hub.commits[commit]).as_posix(): path.stat().st_size
                    for path in sorted(hub.commits[commit].rglob("*"))
                    if path.is_file()
                }
                entries = [
                    {"rfilename": name, "path": name, "type": "file", "size": size, "oid": "0"}
                    for name, size in names.items()
                ]
                told = entries if "tree" in parts else {"id": "owner/name", "sha": commit, "siblings": entries}
                self._send(200, json.dumps(told).encode(), commit, "application/json")
            else:  # [datasets/]owner/name/resolve/REVISION/FILE
                revision, *name = parts[parts.index("resolve") + 1 :]
                commit = hub.commit_of(revision)
                path = None if commit is None else hub.commits[commit].joinpath(*name)
                if path is None or not path.is_file():
                    self._send(404, b"", "", "text/plain")
                else:
                    self._send(200, path.read_bytes(), str(commit), "application/octet-stream")

        def _send(self, status: int, content: bytes, commit: str, kind: str) -> None:
            self.send_response(status)
            tag = hashlib.sha256(content).hexdigest()
            headers = {"Content-Type": kind, "Content-Length": str(len(content)), "ETag": f'"{tag}"'}
            if status == 404:
                headers["X-Error-Code"] = "RevisionNotFound"
            for name, value in (headers | {"X-Repo-Commit": commit}).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    hub.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

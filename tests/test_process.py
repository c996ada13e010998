"""Programs: what they say when they fail, and pipes that do not hang."""

import sys

import pytest

from dubkit.errors import ProcessError
from dubkit.process import Pipe, run


def python(code):
    return [sys.executable, "-c", code]


def test_output_comes_back():
    assert run(python("print('hello')")).strip() == b"hello"


def test_failure_keeps_the_last_words():
    with pytest.raises(ProcessError) as error:
        run(python("import sys; [print('line', i, file=sys.stderr) for i in range(100)]; sys.exit(7)"))
    assert error.value.returncode == 7
    assert "line 99" in str(error.value)
    assert "line 5\n" not in str(error.value)


def test_missing_program_and_timeout():
    with pytest.raises(ProcessError, match="could not be started"):
        run(["there-is-no-such-program"])
    with pytest.raises(ProcessError, match="in time"):
        run(python("import time; time.sleep(30)"), timeout=0.3)


def test_arguments_are_never_interpreted():
    odd = "a b'c\"d $HOME ; rm -rf * \n x"
    assert run([*python("import sys; sys.stdout.write(sys.argv[1])"), odd]).decode().replace("\r\n", "\n") == odd


def test_pipe_with_a_chatty_program_does_not_block():
    chatty = "import sys\nfor line in sys.stdin.buffer: sys.stderr.write('x' * 5000)"
    with Pipe(python(chatty), write=True) as pipe:
        for _ in range(200):
            pipe.write(b"line\n")


def test_pipe_that_dies_says_why():
    with (
        pytest.raises(ProcessError, match="cannot go on"),
        Pipe(python("import sys; sys.exit('cannot go on')"), write=True) as pipe,
    ):
        for _ in range(100_000):
            pipe.write(b"x" * 1000)


def test_pipe_reads_to_the_end():
    with Pipe(python("import sys; sys.stdout.write('abcdef')"), read=True) as pipe:
        assert pipe.read(4) == b"abcd"
        assert pipe.read(4) == b"ef"

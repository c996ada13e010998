"""The project file: clear errors, comments that survive, paths that move with the folder."""

import json
import shutil
from pathlib import Path

import pytest
import tomlkit

from dubkit.errors import ProjectError, StorageError
from dubkit.project import schema

GOOD = """# my film
schema = "dubkit.project/1"

[source]
film = "film.mp4"   # the master

[target.es]
dialogue = "dub.flac"
"""


def write(folder, text=GOOD, name="film.dub.toml"):
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def test_good_file(tmp_path):
    file = schema.load(write(tmp_path))
    assert file.name == "film"
    assert file.folder == tmp_path / "film.dubkit"
    assert file.film == tmp_path / "film.mp4"
    assert file.output_path("es", ".mp4") == tmp_path / "film.es.mp4"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.replace("dialogue", "dialog"), ["target.es.dialog", "did you mean 'dialogue'"]),
        (lambda t: t.replace('"film.mp4"', "3"), ["source.film", "3"]),
        (lambda t: t.replace("project/1", "project/9"), ["schema", "dubkit.project/1", "dubkit.project/9"]),
        (lambda t: t + "[[lock]]\nturn = 't1'\n", ["lock.0", "exactly one of"]),
        (lambda t: t + "[[lock]]\nstart = 1\noff_screen = true\n", ["lock.0", "both 'start' and 'end'"]),
        (lambda t: t.replace("[target.es]", "[target"), ["not valid TOML"]),
        (lambda t: t.replace('dialogue = "dub.flac"', ""), ["target.es", "at least one of"]),
        (lambda t: t.split("[target")[0], ["'target' is missing"]),
        (lambda t: t + "[out]\n", ["unknown key 'out'", "output"]),
        (lambda t: t + "[output]\nname = '{title}.{language}'\n", ["output.name", "{name} and {language}", "title"]),
        (lambda t: t + "[output]\nname = '{0}'\n", ["output.name"]),
    ],
)
def test_errors_name_the_key(tmp_path, change, words):
    with pytest.raises(ProjectError) as error:
        schema.load(write(tmp_path, change(GOOD)))
    for word in ["film.dub.toml", *words]:
        assert word in str(error.value)


def test_missing_file_folder_and_not_text(tmp_path):
    with pytest.raises(ProjectError, match="dubkit new"):
        schema.load(tmp_path / "none.dub.toml")
    with pytest.raises(ProjectError, match="folder"):
        schema.load(tmp_path)
    (tmp_path / "bytes.dub.toml").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(ProjectError, match="UTF-8"):
        schema.load(tmp_path / "bytes.dub.toml")


def test_a_tilde_is_the_home_folder_only_before_a_slash(tmp_path):
    file = schema.load(write(tmp_path))
    assert file.resolve("~/film.mp4") == Path.home().resolve() / "film.mp4"
    assert file.resolve("~film (1).mp4") == tmp_path / "~film (1).mp4"


def test_missing_media_are_all_named(tmp_path):
    with pytest.raises(ProjectError) as error:
        schema.load(write(tmp_path)).check_files()
    assert "source.film" in str(error.value)
    assert "target.es.dialogue" in str(error.value)


def test_a_mark_that_an_editor_put_before_the_text(tmp_path):
    path = write(tmp_path, "\ufeff" + GOOD)
    file = schema.load(path).edit(lambda document: document.add("name", "marked"))
    assert file.name == "marked" and schema.load(path).name == "marked"


def test_edit_keeps_comments_and_checks(tmp_path):
    file = schema.load(write(tmp_path))

    def add_lock(document):
        locks = tomlkit.aot()
        locks.append(tomlkit.item({"turn": "t0001", "off_screen": True}))
        document["lock"] = locks

    edited = file.edit(add_lock)
    text = file.path.read_text()
    assert "# my film" in text
    assert "# the master" in text
    assert edited.locks()[0].off_screen
    with pytest.raises(ProjectError):
        file.edit(lambda document: document.add("nonsense", 1))
    assert file.path.read_text() == text


def test_folder_can_be_moved(tmp_path):
    (tmp_path / "a").mkdir()
    write(tmp_path / "a")
    (tmp_path / "a" / "film.mp4").touch()
    (tmp_path / "a" / "dub.flac").touch()
    shutil.move(tmp_path / "a", tmp_path / "b c")
    schema.load(tmp_path / "b c" / "film.dub.toml").check_files()


def test_create_does_not_overwrite(tmp_path):
    path = write(tmp_path)
    with pytest.raises(StorageError, match="exists"):
        schema.create(path, tomlkit.parse(GOOD))


def test_cast_becomes_locks():
    text = (
        GOOD + "[[cast]]\nname = 'Ana'\nspeakers = ['SPEAKER_00']\nfaces = ['s0001f00']\nvoice = { es = 'espeak/es' }\n"
    )
    project = schema.parse(text)
    assert project.cast[0].voice_for("es") == "espeak/es"
    assert project.cast[0].voice_for("fr") is None


def test_json_schema_names_the_tables():
    exported = json.loads(schema.json_schema())
    assert {"source", "target", "cast", "lock", "output", "settings"} <= set(exported["properties"])

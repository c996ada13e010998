"""A title becomes a project file; its digest follows the catalogue and the files that it names."""

import os

from dubkit.batch.catalog import load_catalogue
from dubkit.batch.ledger import SOURCE
from dubkit.batch.titles import prepare, units
from dubkit.project.schema import load
from tests.batch.test_catalog import TOML


def prepared(tmp_path, text=TOML):
    path = tmp_path / "c.toml"
    path.write_text(text)
    catalogue = load_catalogue(path)
    return {title.title: prepare(catalogue, title, path) for title in catalogue.title}


def digests(tmp_path, text=TOML):
    path = tmp_path / "c.toml"
    path.write_text(text)
    return {(unit.title, unit.language): unit.digest for unit in units(load_catalogue(path), path)}


def test_a_title_becomes_a_project(tmp_path):
    found = prepared(tmp_path)
    one, two = found["one"].file, found["two"].file
    assert one.path == tmp_path / "c.batch" / "one.dub.toml"
    assert load(one.path).project == one.project, "what is written is what was meant"
    assert one.film == tmp_path / "one.mp4"
    assert list(one.project.target) == ["es", "fr"]
    assert one.project.preset == "draft"
    assert one.output_path("es", ".mp4") == tmp_path / "dubbed" / "one.es.mp4"
    assert two.project.settings["lips"] == {"crossfade": 3, "batch_size": 2}
    assert two.resolve(two.project.target["es"].stems["ANA"]) == tmp_path / "ana.flac"


def test_paths_of_settings_are_relative_to_the_catalogue(tmp_path):
    text = TOML.replace('film = "one.mp4"', 'film = "one.mp4"\nsettings.speech.diarization = "one.rttm"')
    text = text.replace("crossfade = 3", 'crossfade = 3\n[settings.speech]\nknown_voices = ["r1.dub.toml"]')
    project = prepared(tmp_path, text.replace('"draft"', '"my/preset.toml"'))["one"].file.project
    assert project.settings["speech"]["known_voices"] == [str(tmp_path / "r1.dub.toml")]
    assert project.settings["speech"]["diarization"] == str(tmp_path / "one.rttm")
    assert project.preset == str(tmp_path / "my" / "preset.toml")


def test_the_home_folder_is_found_for_everything(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    text = TOML.replace('"one.mp4"', '"~/one.mp4"').replace('language = "en"', 'output = "~/out/{title}.{language}"')
    one = prepared(tmp_path, text)["one"].file
    assert one.film == tmp_path / "home" / "one.mp4"
    assert one.output_path("es", ".mp4") == tmp_path / "home" / "out" / "one.es.mp4"


def test_output_names_and_addresses(tmp_path):
    text = TOML.replace('language = "en"', 'output = "out/{film}/{title} in {language}.mkv"')
    found = prepared(tmp_path, text)
    assert found["two"].file.output_path("es", ".mp4") == tmp_path / "out" / "two" / "two in es.mkv"
    text = TOML.replace('language = "en"', 'output = "s3://shelf/{title}.{language}"').replace(
        '"one.mp4"', '"s3://vault/a/one.mp4"'
    )
    one = prepared(tmp_path, text)["one"]
    ((address, path),) = one.downloads[SOURCE]
    assert address == "s3://vault/a/one.mp4"
    assert one.file.film == tmp_path / "c.batch" / "sources" / one.file.film.parent.name / "one.mp4"
    assert path == str(one.file.film)
    assert one.uploads == {"es": "s3://shelf/one.es", "fr": "s3://shelf/one.fr"}
    assert one.file.output_path("es", ".mp4") == tmp_path / "c.batch" / "films" / "one.es.mp4"


def test_digests_follow_what_was_changed_and_nothing_else(tmp_path):
    before = digests(tmp_path)

    def changed(text):
        after = digests(tmp_path, text)
        return {key for key in before if after[key] != before[key]}

    assert changed(TOML) == set()
    assert changed(TOML.replace("one.es.flac", "other.flac")) == {("one", "es")}
    assert changed(TOML.replace("batch_size = 2", "batch_size = 3")) == {("two", ""), ("two", "es")}
    assert changed(TOML.replace("crossfade = 3", "crossfade = 4")) == set(before)
    assert changed(TOML.replace("priority = 5", "priority = 6")) == set()
    (tmp_path / "one.fr.srt").write_text("1")
    assert changed(TOML) == {("one", "fr")}
    before = digests(tmp_path)
    (tmp_path / "one.fr.srt").write_text("2")
    os.utime(tmp_path / "one.fr.srt", (1, 1))
    assert changed(TOML) == {("one", "fr")}, "a file that was changed in place"


def test_digests_follow_presets_and_files_that_replace_a_stage(tmp_path):
    def touched(name, text):
        before = digests(tmp_path, text)
        (tmp_path / name).write_text("changed")
        os.utime(tmp_path / name, (len(name), 1))
        return {key for key, digest in digests(tmp_path, text).items() if digest != before[key]}

    everything = set(digests(tmp_path))
    assert touched("mine.toml", TOML.replace('"draft"', '"mine.toml"')) == everything
    own = TOML.replace("priority = 5", 'priority = 5\npreset = "./two.toml"')
    assert touched("two.toml", own) == {("two", ""), ("two", "es")}
    assert (
        touched("all.rttm", TOML.replace("crossfade = 3", 'crossfade = 3\n[settings.speech]\ndiarization = "all.rttm"'))
        == everything
    )
    project = 'schema = "dubkit.project/1"\npreset = "p.toml"\nsource.film = "f.mp4"\ntarget.es.dialogue = "d.wav"\nsettings.faces.shots = "p.csv"\n'
    (tmp_path / "x.dub.toml").write_text(project)
    text = TOML + '[[title]]\ntitle = "three"\nproject = "x.dub.toml"\n'
    assert touched("p.toml", text) == touched("p.csv", text) == {("three", ""), ("three", "es")}


def test_a_broken_project_file_is_a_title_of_its_own(tmp_path):
    (tmp_path / "x.dub.toml").write_text("schema = ")
    text = TOML + '[[title]]\ntitle = "three"\nproject = "x.dub.toml"\n'
    assert {language for title, language in digests(tmp_path, text) if title == "three"} == {SOURCE}

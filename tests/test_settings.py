"""Layers of settings: precedence, origins, and errors that name the culprit."""

from pathlib import Path

import pytest

from dubkit.errors import SettingsError
from dubkit.project.layers import load_preset, merged, preset_names
from dubkit.project.schema import load
from dubkit.settings import layered


def test_later_layers_win_and_origins_are_kept():
    settings, origins = layered(
        {"preset film": {"lips": {"crossfade": 3, "batch_size": 4}}, "flag": {"lips": {"crossfade": 5}}}
    )
    assert (settings.lips.crossfade, settings.lips.batch_size) == (5, 4)
    assert origins["lips.crossfade"] == "flag"
    assert origins["lips.batch_size"] == "preset film"
    assert origins["render.codec"] == "default"


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ({"lips": {"crosfade": 3}}, ["lips.crosfade", "did you mean 'crossfade'"]),
        ({"lip": {}}, ["'lip'", "did you mean 'lips'"]),
        ({"lips": {"crossfade": 99}}, ["lips.crossfade", "99", "12"]),
        ({"render": {"codec": "divx"}}, ["render.codec", "divx", "h264"]),
        ({"lips": 3}, ["'lips'", "table"]),
    ],
)
def test_errors_name_origin_key_and_allowed(layer, words):
    with pytest.raises(SettingsError) as error:
        layered({"my.dub.toml": layer})
    for word in ["my.dub.toml", *words]:
        assert word in str(error.value)


def test_every_preset_is_valid():
    assert {"draft", "film", "social", "cpu"} <= set(preset_names())
    for name in preset_names():
        merged(None, name)


def test_a_preset_with_a_byte_order_mark(tmp_path):
    (tmp_path / "mine.toml").write_bytes("\ufeff[lips]\ncrossfade = 3\n".encode())
    assert load_preset("mine.toml", tmp_path) == {"lips": {"crossfade": 3}}


def test_a_preset_of_the_project_lies_beside_it_and_one_of_a_flag_where_we_are(tmp_path, monkeypatch):
    for folder, crossfade in (("film", 3), ("here", 5)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.toml").write_text(f"[lips]\ncrossfade = {crossfade}\n")
    text = 'schema = "dubkit.project/1"\npreset = "mine.toml"\nsource.film = "f.mp4"\ntarget.es.dialogue = "d.wav"\n'
    (tmp_path / "film" / "f.dub.toml").write_text(text)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "film"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "film"))
    assert load_preset("~/mine.toml") == {"lips": {"crossfade": 3}}
    project = load(tmp_path / "film" / "f.dub.toml")
    assert merged(project)[0].lips.crossfade == 3
    assert merged(project, "mine.toml")[0].lips.crossfade == 5


def test_unknown_preset_lists_the_known():
    with pytest.raises(SettingsError, match="draft"):
        load_preset("nope")


PRESETS = ("draft", "film", "social", "cpu")


def _flat(name):
    return {f"{s}.{k}": v for s, values in load_preset(name).items() for k, v in values.items()}


def test_presets_are_different_and_repeat_no_default():
    default, _ = merged(None)
    for name in PRESETS:
        assert len(_flat(name)) >= 5
        for key, value in _flat(name).items():
            section, _, short = key.partition(".")
            assert getattr(getattr(default, section), short) != value, f"{name} repeats the default of {key}"
    for one in PRESETS:
        for other in PRESETS:
            assert one == other or len(_flat(one).items() - _flat(other).items()) >= 3, (one, other)


def test_the_document_tells_what_each_preset_changes():
    text = (Path(__file__).parent.parent / "docs" / "presets.md").read_text("utf-8")
    rows = [
        [cell.strip().strip("`") for cell in line.split("|")[1:-1]]
        for line in text.splitlines()
        if line.startswith("| `")
    ]
    default, _ = merged(None)
    told = {name: {} for name in PRESETS}
    for key, standard, *values, _ in rows:
        section, _, short = key.partition(".")
        assert str(getattr(getattr(default, section), short)) == standard, key
        for name, value in zip(PRESETS, values, strict=True):
            if value:
                told[name][key] = value
    assert told == {name: {key: str(value) for key, value in _flat(name).items()} for name in PRESETS}

"""Layers of settings: precedence, origins, and errors that name the culprit."""

import pytest

from dubkit.errors import SettingsError
from dubkit.project.layers import load_preset, merged, preset_names
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


def test_unknown_preset_lists_the_known():
    with pytest.raises(SettingsError, match="draft"):
        load_preset("nope")

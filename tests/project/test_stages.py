"""Which stage reads which setting."""

from dubkit.project.pipeline import read_settings
from dubkit.project.stages import STAGE, STAGES
from dubkit.settings import Settings


def reads(stage):
    return set(read_settings(Settings(), STAGE[stage].reads))


def test_diarize_and_transcribe_share_nothing():
    assert not reads("diarize") & reads("transcribe")


def test_every_setting_is_read_by_some_stage():
    # The device and the batch size change how fast, not what.
    fast = {"speech.device", "speech.batch_size", "lips.batch_size"}
    everything = {f"{s}.{k}" for s, f in Settings.model_fields.items() for k in f.annotation.model_fields}
    assert everything - fast <= set().union(*(reads(stage.name) for stage in STAGES))


def test_a_stage_needs_only_earlier_ones():
    for i, stage in enumerate(STAGES):
        assert set(stage.needs) <= {earlier.name for earlier in STAGES[:i]}

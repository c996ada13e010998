"""Training that learns, repeats to the bit, resumes on the same curve, and survives being killed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from dubkit.errors import InputError, SettingsError
from dubkit.lips.models.expert import ExpertConfig, LipSyncExpert
from dubkit.lips.models.small_expert import SmallExpert
from dubkit.train import generator as page
from dubkit.train.batches import generator_batch
from dubkit.train.data import Move, TalkingFaces, mouth_stacks
from dubkit.train.expert import ExpertSettings, accuracy, train_expert
from dubkit.train.generator import GeneratorSettings, train_generator
from dubkit.train.runs import CHECKPOINT, Average, Compute, Run
from tests.train.tiny import TINY, made_up_shards

SHARES = {"made-up": 1.0}
GENERATOR = GeneratorSettings(config=TINY.to_dict(), clips=4, shares=SHARES, warmup=1)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    torch.set_num_threads(1)
    return made_up_shards(tmp_path_factory.mktemp("shards"))


def states(model):
    return list(model.state_dict().values())


def same(a, b) -> bool:
    return all(torch.equal(x, y) for x, y in zip(states(a), states(b), strict=True))


def test_a_run_repeats_to_the_bit(shards, tmp_path):
    one = train_generator(shards, tmp_path / "a", GENERATOR, steps=3)
    assert same(one, train_generator(shards, tmp_path / "b", GENERATOR, steps=3))


def test_a_resumed_run_is_the_run_that_was_not_stopped(shards, tmp_path):
    whole = train_generator(shards, tmp_path / "whole", GENERATOR, steps=4, check_every=4)
    for _ in range(4):  # each call stops after one step; the later ones while the learning rate falls
        resumed = train_generator(shards, tmp_path / "pieces", GENERATOR, steps=4, minutes=0, check_every=4)
    assert same(whole, resumed)


def test_a_killed_run_s_metrics_are_written_once(shards, tmp_path):
    run = Run(tmp_path, {}, {"model": torch.nn.Linear(2, 2)}, np.random.default_rng(0))
    for step in run.steps(6, 600, check_every=2):
        run.log(step, loss=0.0)
        if step == 3:
            break  # killed after the step, before the checkpoint
    again = Run(tmp_path, {}, run.parts, np.random.default_rng(0))
    for step in again.steps(6, 600, check_every=2):
        again.log(step, loss=1.0)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(line["step"], line["loss"]) for line in lines] == [(0, 0), (1, 0), (2, 1), (3, 1), (4, 1), (5, 1)]
    assert Run.finished_steps(tmp_path) == 6


def test_accumulated_batches_are_one_large_one(shards, tmp_path):
    """Plain averages of gradients: two batches of two clips move the weights as their mean does."""
    settings = GeneratorSettings(config=TINY.to_dict(), clips=2, shares=SHARES, warmup=1)
    seen = []
    original = torch.optim.AdamW.step

    def step(self, *args, **kwargs):
        seen.append([p.grad.clone() for group in self.param_groups for p in group["params"]])
        return original(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", step)
        patch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *_: None)
        patch.setattr("dubkit.train.generator.mouth_l1", lambda *_: 0.0)
        patch.setattr("dubkit.train.generator.write_strip", lambda *_: None)
        for name, count in (("two", 2), ("one", 1)):
            train_generator(shards, tmp_path / name, settings, steps=1, compute=Compute(accumulate=count))
        data, rng = TalkingFaces(shards, "train"), np.random.default_rng(0)
        generator_batch(data, rng, 2, 1, SHARES)
        patch.setattr("dubkit.train.generator.generator_batch", lambda *_: generator_batch(data, rng, 2, 1, SHARES))
        train_generator(shards, tmp_path / "second", settings, steps=1)
    for both, first, second in zip(*seen, strict=True):
        assert torch.allclose(both, (first + second) / 2, atol=1e-6)


def test_bf16_learns_too(shards, tmp_path):
    model = train_generator(shards, tmp_path, GENERATOR, steps=1, compute=Compute(precision="bf16"))
    assert all(p.dtype == torch.float32 and torch.isfinite(p).all() for p in model.parameters())
    assert (tmp_path / "strip.png").is_file()
    with pytest.raises(InputError, match=r"other settings \(precision\)"):
        train_generator(shards, tmp_path, GENERATOR, steps=2)


@pytest.mark.parametrize(("below", "seen"), [(0.0, [True, True]), (9.0, [False, True]), (1e-9, [False, False])])
def test_the_sync_loss_waits_for_held_out_people(shards, tmp_path, monkeypatch, below, seen):
    """The public schedule: no sync loss until that of held-out people is low enough; a resumed run remembers."""
    torch.manual_seed(0)
    expert, calls, of = LipSyncExpert(ExpertConfig(2)), [], page.sync_of
    settings = replace(GENERATOR, frames=5, sync_loss="cosine", sync_weight=0.01, sync_below=below, choices=2)
    monkeypatch.setattr(page, "sync_of", lambda *given: calls.append(torch.is_grad_enabled()) or of(*given))
    monkeypatch.setattr(page, "write_strip", lambda *_: None)
    for _ in range(2):
        train_generator(shards, tmp_path, settings, expert=expert, steps=2, minutes=0)
    assert calls == seen
    scores = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert ["sync_held_out" in line for line in scores if "mouth_l1_made-up" in line] == [not up for up in seen]


def test_the_paper_s_sync_loss_wants_the_paper_s_expert(shards, tmp_path):
    settings = replace(GENERATOR, frames=5, sync_loss="cosine", sync_weight=0.01, choices=2)
    with pytest.raises(SettingsError, match="network=official"):
        train_generator(shards, tmp_path, settings, expert=SmallExpert(), steps=1)
    with pytest.raises(SettingsError, match="choose choice or cosine"):
        GeneratorSettings(sync_loss="bce")


def test_a_checkpoint_of_other_settings_is_refused(shards, tmp_path):
    train_generator(shards, tmp_path, GENERATOR, steps=1)
    other = GeneratorSettings(config=TINY.to_dict(), clips=5, shares=SHARES, warmup=1)
    with pytest.raises(InputError, match=r"other settings \(clips\)"):
        train_generator(shards, tmp_path, other, steps=2)


def test_a_kill_while_saving_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    model = torch.nn.Linear(2, 2)
    run = Run(tmp_path, {}, {"model": model}, np.random.default_rng(0))
    run.save(7)
    real_save = torch.save

    def killed(state, path):
        real_save(state, path)
        path.write_bytes(path.read_bytes()[:100])
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        run.save(8)
    assert (tmp_path / CHECKPOINT).is_file() and run.restore() == 7


@pytest.mark.slow
def test_sigkill_at_random_moments_changes_nothing(shards, tmp_path):
    """A checkpoint after every step: the run spends much of its time in writing them. Killed twice without warning and
    gone on with, it ends with the weights of the run that was left alone, and every step is in the metrics once."""
    code = (
        "import sys, torch; torch.set_num_threads(1)\nfrom pathlib import Path\n"
        "from tests.train.test_runs import GENERATOR, SHARES\nimport dubkit.train.generator as page\n"
        "page.mouth_l1 = lambda *_: 0.0; page.write_strip = lambda *_: None\n"
        "page.train_generator(Path(sys.argv[1]), Path(sys.argv[2]), GENERATOR, steps=41, check_every=1)"
    )
    words = [sys.executable, "-c", code, str(shards)]
    rng, folder = np.random.default_rng(), tmp_path / "killed"
    for _ in range(2):
        before = Run.finished_steps(folder) if (folder / CHECKPOINT).is_file() else 0
        process = subprocess.Popen([*words, str(folder)])
        while process.poll() is None and not (
            (folder / CHECKPOINT).is_file() and Run.finished_steps(folder) > before + 1
        ):
            time.sleep(0.05)
        time.sleep(rng.uniform(0, 0.1))
        process.kill()
        process.wait()
        assert Run.finished_steps(folder) >= before + 2  # what was written is whole, and not lost
    for name in ("killed", "whole"):
        subprocess.run([*words, str(tmp_path / name)], check=True)
    killed, whole = (torch.load(tmp_path / name / CHECKPOINT, weights_only=True) for name in ("killed", "whole"))
    assert killed["step"] == whole["step"] == 41
    for name, value in whole["parts"]["average"].items():
        assert torch.equal(value, killed["parts"]["average"][name])
    steps = [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines() if "loss" in line]
    assert steps == [0, 20, 40]


@pytest.mark.slow
def test_the_expert_learns_who_is_in_sync(shards, tmp_path):
    settings = ExpertSettings(clips=6, shares=SHARES)
    model = train_expert(shards, tmp_path, settings, steps=60, check_every=30)
    unseen = TalkingFaces(shards, "val")
    assert accuracy(model, unseen, "made-up") > 0.75
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["step"] == 59 and lines[-1]["accuracy_made-up"] > 0.75


def test_average_forgets_its_first_weights_and_copies_buffers():
    model = torch.nn.BatchNorm1d(2)
    average = Average(model, 0.9)
    with torch.no_grad():
        model.weight.fill_(3.0)
        model.running_mean.fill_(5.0)
    average.update(model, step=0)  # decay 0.1
    assert average.model.weight.tolist() == pytest.approx([2.8, 2.8]) and average.model.running_mean.tolist() == [5, 5]


def test_no_draw_crosses_a_clip(shards):
    data = TalkingFaces(shards, "train")
    seen, pictures = [], data.pictures
    data.pictures = lambda draws: (seen.extend(draws), pictures(draws))[1]
    generator_batch(data, np.random.default_rng(0), 30, 5, SHARES, choices=6)
    assert len(seen) == 60
    for made, reference in zip(seen[::2], seen[1::2], strict=True):
        clip, frames, references = made.clip, made.frames, reference.frames
        assert clip.start < frames[0] and frames[-1] + 4 < clip.stop  # a frame's voice: one frame before to four after
        assert clip.start <= references[0] and references[-1] < clip.stop
        assert np.abs(frames[:, None] - references).min() >= 5


def test_references_from_another_clip_are_the_same_person_s(shards):
    data = TalkingFaces(shards, "train")
    seen, pictures = [], data.pictures
    data.pictures = lambda draws: (seen.extend(draws), pictures(draws))[1]
    generator_batch(data, np.random.default_rng(0), 40, 5, SHARES, other_clip=0.5)
    pairs = list(zip(seen[::2], seen[1::2], strict=True))
    assert all(made.clip.identity == shown.clip.identity for made, shown in pairs)
    assert all(shown.clip.start <= shown.frames[0] and shown.frames[-1] < shown.clip.stop for _, shown in pairs)
    assert 10 <= sum(made.clip != shown.clip for made, shown in pairs) <= 30
    data.clips = data.clips[:1]  # nobody has another
    data._pools.clear()
    assert data.another_clip(np.random.default_rng(0), data.clips[0]) == data.clips[0]


def test_references_of_other_clips_are_laid_over_the_frame(shards, monkeypatch):
    data = TalkingFaces(shards, "train")
    fits = iter([True, False] * 100)
    monkeypatch.setattr("dubkit.train.batches.laid_over", lambda other, frame: frame if next(fits) else None)
    batch = generator_batch(data, np.random.default_rng(0), 4, 4, SHARES, other_clip=1.0, laid=True)
    plain = generator_batch(data, np.random.default_rng(0), 4, 4, SHARES)
    shown, real = batch.shown[:, 3:], batch.real
    assert len(shown) == 16
    assert torch.equal(shown[::2], real[::2])  # what was laid
    assert not any(
        torch.equal(a, b) for a, b in zip(shown[1::2], real[1::2], strict=True)
    )  # the clip's own, from elsewhere
    assert plain.shown.shape == batch.shown.shape


def test_held_out_people_are_in_no_training_draw(shards):
    train, val = TalkingFaces(shards, "train"), TalkingFaces(shards, "val")
    assert not {c.identity for c in train.clips} & {c.identity for c in val.clips}


def test_shown_frames_hide_their_lower_half_and_the_augmentation_is_shared(shards):
    data = TalkingFaces(shards, "train")
    batch = generator_batch(data, np.random.default_rng(0), 2, 1, SHARES)
    assert batch.shown[:, :3, 48:].abs().max() == 0
    assert torch.equal(batch.shown[:, :3, :48], batch.real[:, :, :48])
    clip = data.clips[0]
    plain, mirrored = data.crops(clip, np.arange(3)), data.crops(clip, np.arange(3), Move(flip=True))
    assert np.array_equal(mirrored, plain[:, :, ::-1])


def test_mouth_stacks_are_five_frames_in_order():
    crops = np.zeros((7, 96, 96, 3), np.uint8) + np.arange(7, dtype=np.uint8)[:, None, None, None]
    stacks = mouth_stacks(torch.from_numpy(crops), np.array([0, 2]))
    assert stacks.shape == (2, 15, 48, 96)
    assert stacks[1, :, 0, 0].tolist() == [2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 6]


def test_absent_shards_are_named(tmp_path):
    with pytest.raises(InputError, match="dubkit train prepare"):
        TalkingFaces(tmp_path, "train")

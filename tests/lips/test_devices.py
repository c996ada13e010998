"""What can be known of GPUs without one: nothing is left on the CPU, a recording is made where the network is and is as large as
memory allows, and no convolution on MPS is given what it would read wrongly."""

from contextlib import contextmanager, nullcontext

import numpy as np
import pytest
import torch
from test_pixels import BOXES, FORMATS, result_for, textured
from test_wav2lip import network

from dubkit.errors import EngineUnavailable, SettingsError
from dubkit.lips import adapt, wav2lip
from dubkit.lips.blend import _with_lips, seen
from dubkit.lips.models.small_expert import SmallExpert
from dubkit.lips.pixels_torch import TorchPixels
from dubkit.lips.wav2lip import PRECISIONS, FaceToFace, TorchWav2Lip, _CudaGraph, choose_device
from dubkit.settings import LipsSettings
from tests.fakes.elsewhere import ELSEWHERE, Elsewhere


def faces(count, size=96):
    rng = np.random.default_rng(0)
    windows = rng.normal(size=(count, 1, 80, 16)).astype(np.float32)
    return windows, *rng.integers(0, 256, (2, count, size, size, 3)).astype(np.uint8)


def test_a_tensor_that_was_left_on_the_cpu_is_found():
    with Elsewhere():
        there, here = torch.zeros(2, 3, 8, 8, device=ELSEWHERE), torch.zeros(4, 3, 3, 3)
        for mixed in (
            lambda: there[:, 0, :3, 0] + here[:2, 0, 0],
            lambda: torch.conv2d(there, here),
            lambda: torch.einsum("bchw,ocij->bo", there, here),
            lambda: there[0, 0] @ torch.zeros(8, 2),
            lambda: here[torch.zeros(1, dtype=torch.long, device=ELSEWHERE)],
        ):
            with pytest.raises((AssertionError, RuntimeError), match="device"):
                mixed()
            with torch.inference_mode(), pytest.raises((AssertionError, RuntimeError), match="device"):
                mixed()


@pytest.mark.parametrize("composite", [False, True])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_generator_stays_on_its_device(precision, composite, monkeypatch):
    monkeypatch.setattr(wav2lip, "choose_device", torch.device)
    with Elsewhere() as device:
        paint = TorchWav2Lip(LipsSettings(device=ELSEWHERE, precision=precision), network(2, composite=composite), {})
        made = paint.generate(*faces(3))
    assert made.shape == (3, 96, 96, 3) and made.dtype == np.uint8 and device.read == 1
    assert {p.dtype for p in paint._faces.parameters()} == {PRECISIONS[precision], torch.float32}


@pytest.mark.parametrize(("format", "size"), FORMATS.values(), ids=FORMATS)
def test_crops_and_pastes_stay_on_their_device(format, size):
    frame = textured(format, size)
    result, pixels = result_for(frame, BOXES["large"], 0.3), TorchPixels(ELSEWHERE)
    with Elsewhere() as device:
        assert seen(frame, result.transforms[0], 96, pixels).shape == (96, 96, 3) and device.read == 1
        with pixels.at_work():
            assert _with_lips(frame, result, 0, pixels) is not frame


def test_adapting_stays_on_its_device(monkeypatch):
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # it knows no such device
    monkeypatch.setattr(adapt._Actor, "offset", lambda *_: 0)  # zeros agree nowhere
    footage = [adapt.Footage(np.zeros((120, 96, 96, 3), np.uint8), np.zeros((80, 400), np.float32))]
    with Elsewhere():
        told = adapt.adapt(network(2), SmallExpert(), footage, steps=1, layers="all", device=ELSEWHERE)[1]
        actor = adapt._Actor.of(footage, ELSEWHERE)
        monkeypatch.undo()
        actor.offset(SmallExpert().to(ELSEWHERE))
    assert told.steps == 1 and not told.kept


def tf32():
    """Whether convolutions may round to it, in the words of this PyTorch."""
    cudnn = torch.backends.cudnn
    return cudnn.conv.fp32_precision == "tf32" if hasattr(cudnn, "conv") else cudnn.allow_tf32


def test_of_two_switches_the_new_one_is_used(monkeypatch):
    """PyTorch 2.9 and later."""

    class Cudnn:
        benchmark = True

        class conv:
            fp32_precision = "tf32"

        @property
        def allow_tf32(self):
            raise RuntimeError("a mix of the legacy and new APIs")

    monkeypatch.setattr(torch.backends, "cudnn", Cudnn())
    with wav2lip._steady_convolutions():
        assert Cudnn.conv.fp32_precision == "ieee" and not torch.backends.cudnn.benchmark
    assert Cudnn.conv.fp32_precision == "tf32" and torch.backends.cudnn.benchmark


class Card:
    """What a recording asks of torch.cuda, whose current card is another than the network's."""

    def __init__(self, monkeypatch):
        self.current, self.switched = "cuda:0", []
        for name in ("device", "stream", "graph", "Stream", "CUDAGraph", "current_stream"):
            monkeypatch.setattr(torch.cuda, name, getattr(self, name))
        monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)

    @contextmanager
    def device(self, device):
        before, self.current = self.current, str(device)
        yield
        self.current = before

    class Stream:
        def __init__(self, device):
            self.device = str(device)

        def wait_stream(self, other):
            assert other.device == self.device

    current_stream = Stream

    @contextmanager
    def stream(self, stream):
        yield

    class CUDAGraph:
        def replay(self):
            pass

    @contextmanager
    def graph(self, graph, stream):
        assert stream.device == self.current
        self.switched.append((tf32(), torch.backends.cudnn.benchmark))
        yield


def recorded(monkeypatch, batch, room=1000):
    """A recording by a card with room for so many faces, really the CPU; and the sizes that were tried."""
    card, network_, tried = Card(monkeypatch), FaceToFace(network(2)), []

    def paint(windows, crops, references):
        tried.append(len(crops))
        if len(crops) > room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return FaceToFace.forward(network_, windows, crops, references)

    network_.forward = paint
    return card, _CudaGraph(network_, batch), tried


def again(graph):
    """What a replay computes: the same operations on what is held now."""
    graph.graph.replay = lambda: graph.painted.copy_(FaceToFace.forward(graph.faces, graph.windows, graph.crops, graph.references))  # fmt: skip


def test_a_tail_is_padded_and_recorded_once(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)  # as a face detector leaves it
    card, graph, tried = recorded(monkeypatch, 8)
    given = [torch.from_numpy(array) for array in faces(8)]
    with torch.inference_mode():
        graph(*given)
        again(graph)
        whole = graph(*given).clone()
        tail = graph(*(tensor[5:] for tensor in given))
    assert tried == [8] * 4 and torch.equal(tail, whole[5:]) and len(tail) == 3
    assert card.switched == [(False, False)] and tf32() and torch.backends.cudnn.benchmark


def test_a_recording_is_as_large_as_memory_allows(monkeypatch):
    card, graph, tried = recorded(monkeypatch, 64, room=5)
    given = [torch.from_numpy(array) for array in faces(6)]
    with pytest.raises(torch.OutOfMemoryError):
        graph(*given)  # the engine comes back with half
    assert graph(*(tensor[:3] for tensor in given)).shape[0] == 3
    assert graph.batch == 3 and graph(*(tensor[:1] for tensor in given)).shape[0] == 1
    card, graph, tried = recorded(monkeypatch, 64, room=5)
    assert graph(*(tensor[:1] for tensor in given)).shape[0] == 1  # the last face of a film
    assert graph.batch == 4 and tried[:5] == [64, 32, 16, 8, 4]


@pytest.mark.parametrize("composite", [False, True])
def test_mps_is_given_whole_tensors(composite):
    plain, dense = (FaceToFace(network(4, composite=composite), dense=dense) for dense in (False, True))
    asked = []

    def whole(module, given):
        asked.append(given[0].is_contiguous() and module.weight.is_contiguous())

    for module in dense.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.ConvTranspose2d)):
            module.register_forward_pre_hook(whole)
    given = [torch.from_numpy(array) for array in faces(2)]
    with torch.inference_mode():
        assert (plain.painted(*given) - dense.painted(*given)).abs().max() < 1e-5
    assert len(asked) > 40 and all(asked)


def test_devices_that_are_not_there_are_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("auto") == torch.device("cuda") and choose_device("cuda:1").index == 1
    with pytest.raises(EngineUnavailable, match="no cuda:2"):
        choose_device("cuda:2")
    for wrong in ("cuda:x", "cuda:", "meta", "gpu"):
        with pytest.raises(SettingsError, match="not a device"):
            choose_device(wrong)


@pytest.fixture(params=["cuda", "cuda:1", "mps"])
def gpu(request):
    """For whoever has one: none was there when this was written."""
    try:
        choose_device(request.param)
    except EngineUnavailable:
        pytest.skip(f"no {request.param} here")
    return request.param


@pytest.mark.parametrize("composite", [False, True])
def test_a_gpu_paints_what_a_cpu_paints(gpu, composite):
    """Tails, single faces, and more than were recorded; to a level in fp32, in half precision but for few."""
    check_painting(gpu, composite)


def check_painting(device, composite):
    model, given = network(4, composite=composite), faces(9)
    plain = TorchWav2Lip(LipsSettings(device="cpu", precision="fp32"), model, {}).generate(*given).astype(int)
    for precision, most, mean in (("fp32", 1, 0.01), ("auto", 2, 0.1)):
        paint = TorchWav2Lip(LipsSettings(device=device, precision=precision, batch_size=4), model, {})
        for some in (slice(0, 4), slice(4, 7), slice(7, 8), slice(0, 9), slice(2, 5)):
            apart = np.abs(paint.generate(*(array[some] for array in given)) - plain[some])
            assert apart.max() <= most and apart.mean() <= mean

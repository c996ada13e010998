"""The examples of the library API do what they say: they run here against small stages and a fake engine of work."""

import importlib.util
from functools import partial
from pathlib import Path

import dubkit
from dubkit.batch import run as batch
from tests.fakes.batch_work import work
from tests.project.test_pipeline import ran  # noqa: F401  (a project with small stages, as a fixture)

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_dub_a_film(ran, capsys, monkeypatch):  # noqa: F811
    folder, log = ran
    from dubkit.project import pipeline

    outcome = pipeline.Outcome("es", folder / "film.es.mp4", folder / "report.html")
    monkeypatch.setattr(pipeline.Pipeline, "outcome", lambda self, language: outcome)
    (folder / "film.dub.toml").unlink()
    example("dub_a_film").main(folder / "film.mp4", folder / "es.flac", "es")
    assert log == [("a", None), ("b", None), ("c", "es"), ("report", "es")]
    assert f"es: {outcome.film}" in capsys.readouterr().out
    example("dub_a_film").main(folder / "film.mp4", folder / "es.flac", "es")
    assert len(log) == 4, "a second run makes only what has changed"


def test_look_into_a_project(ran, capsys):  # noqa: F811
    folder, log = ran
    example("look_into_a_project").main(folder / "film.dub.toml")
    said = capsys.readouterr().out
    assert "film: " in said
    assert "never" in said
    assert log == [], "nothing is run"


def test_dub_a_catalogue(tmp_path, capsys, monkeypatch):
    path = tmp_path / "c.csv"
    path.write_text("title,film,language,dialogue\na,a.mp4,es,a.flac\ncorrupt,b.mp4,es,b.flac\n")
    monkeypatch.setattr(dubkit, "run_catalogue", partial(batch.run_catalogue, work=work), raising=False)
    assert not example("dub_a_catalogue").main(path, 1)
    said = capsys.readouterr().out
    assert "a → es: done" in said
    assert "corrupt [source] prepare: failed this is not a film" in said
    path.write_text("title,film,language,dialogue\na,a.mp4,es,a.flac\n")
    assert example("dub_a_catalogue").main(path, 1)


def test_what_docs_batch_shows(ran, capsys, monkeypatch):  # noqa: F811
    from dubkit.project import pipeline

    folder, log = ran
    text = (EXAMPLES.parent / "docs" / "batch.md").read_text("utf-8")
    (code,) = text.partition("## From Python")[2].split("```python\n")[1:2]
    outcome = pipeline.Outcome("es", folder / "film.es.mp4", folder / "report.html")
    monkeypatch.setattr(pipeline.Pipeline, "outcome", lambda self, language: outcome)
    monkeypatch.setattr(dubkit, "run_catalogue", partial(batch.run_catalogue, work=work), raising=False)
    monkeypatch.chdir(folder)
    (folder / "catalogue.toml").write_text(
        'schema = "dubkit.catalogue/1"\n[[title]]\ntitle = "corrupt"\nfilm = "film.mp4"\ntarget.es.dialogue = "es.flac"\n'
    )
    exec(compile(code.partition("```")[0], "docs/batch.md", "exec"), {"__name__": "docs"})
    said = capsys.readouterr().out
    assert ("c", "es") in log and ("c", "fr") not in log
    assert f"{outcome.film} {outcome.report}\nfilm " in said
    assert "corrupt (source) prepare this is not a film" in said

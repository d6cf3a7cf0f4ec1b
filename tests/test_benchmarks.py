"""Benchmarks in small: their files of results, and one run of each kind."""

import json
import sys
from pathlib import Path

import pytest

from tiny import style_picture

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture(autouse=True)
def _there(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def test_a_job_is_run_once_by_one_process(tmp_path):
    from results import Results

    one, other = Results(tmp_path / "rows.jsonl"), Results(tmp_path / "rows.jsonl")
    with one.claim(name="a", seed=1) as mine:
        assert mine
        with other.claim(name="a", seed=1) as theirs:
            assert not theirs
        with other.claim(name="a", seed=2) as theirs:
            assert theirs
        one.add({"name": "a", "seed": 1, "score": 0.5})
    with other.claim(name="a", seed=1) as again:
        assert not again
    assert other.rows() == [{"name": "a", "seed": 1, "score": 0.5}]


def test_a_job_that_failed_can_be_run_again(tmp_path):
    from results import Results

    results = Results(tmp_path / "rows.jsonl")
    with pytest.raises(ZeroDivisionError), results.claim(name="a"):
        _ = 1 / 0
    with results.claim(name="a") as mine:
        assert mine


def test_a_result_goes_where_a_page_has_room_for_it(tmp_path):
    from results import write_section

    page = tmp_path / "page.md"
    page.write_text("before\n<!-- t -->\nold\n<!-- end of t -->\nafter\n")
    write_section(page, "t", "| new |")
    assert page.read_text() == "before\n<!-- t -->\n| new |\n<!-- end of t -->\nafter\n"
    with pytest.raises(SystemExit, match="has no <!-- u -->"):
        write_section(page, "u", "x")


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["none", "40 pictures", "wrong range", "batch of 4"])
def test_faults_in_small(fault, tmp_path, monkeypatch, capsys):
    import stability

    monkeypatch.setattr(stability, "SMALL", stability.SMALL | {"network.compute": 0.3})
    out = tmp_path / "rows.jsonl"
    arguments = ["faults", "--only", fault, "--seeds", "0", "--steps", "20", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["stability.py", *arguments])
    stability.main()
    stability.main()
    (row,) = [json.loads(line) for line in out.read_text().splitlines()]
    names, curable = stability.FAULTS[fault].names, stability.FAULTS[fault].curable
    assert {name for name, _ in row["alerts"]} >= set(names[:1])
    assert len(row["history"]) >= (5 if curable else 1)
    assert "| fault |" in capsys.readouterr().out


@pytest.mark.slow
def test_healthy_runs_in_small(tmp_path, monkeypatch, capsys):
    import stability

    arguments = [
        "healthy",
        "--only",
        "sine, classic",
        "--seeds",
        "0",
        "--steps",
        "40",
        "--out",
        str(tmp_path / "r.jsonl"),
    ]
    monkeypatch.setattr(sys, "argv", ["stability.py", *arguments])
    stability.main()
    assert "| sine, classic | 1 |  | 0 |  |" in capsys.readouterr().out


@pytest.mark.slow
def test_stacked_digits_in_small(tmp_path, monkeypatch):
    import stacked

    monkeypatch.setattr(stacked, "SAMPLES", 2_000)
    monkeypatch.setattr(stacked, "images_of", lambda *_: 128)
    changes = ["network.width=4", "variety.pack=2"]
    arguments = ["--cpu-minutes", "0.01", "--set", *changes, "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["stacked.py", *arguments])
    stacked.main()
    (row,) = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert 1 <= row["modes"] <= 1_000
    assert 0 <= row["divergence"] < 7
    assert row["images"] == 128


@pytest.mark.slow
def test_a_stylist_beside_optimisation_in_small(tmp_path, monkeypatch, capsys):
    import stylist

    from ganvas import stylists

    settings = {
        "total_images": 4, "data.resolution": "32", "data.crops": 8, "threads": 1, "batch_size": 1, "style.pixels": 32,
        "network.width": 2, "network.blocks": 1, "style.bfloat16": False, "save.samples": 1,
    }  # fmt: skip
    stylists.training(style_picture(), tmp_path / "run", settings=settings).run()
    out = tmp_path / "rows" / "results.jsonl"
    arguments = [str(tmp_path / "run"), "--photos", style_picture(), "--size", "24", "--steps", "2", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["stylist.py", *arguments, "--pictures", str(tmp_path / "painted")])
    stylist.main()
    photograph, steps, network = [json.loads(line) for line in out.read_text().splitlines()]
    assert photograph["content"] == pytest.approx(0, abs=1e-6)
    assert steps["content"] >= 0
    assert network["content"] > 0
    assert network["who"] == "network after 4 images"
    assert len(list((tmp_path / "painted").iterdir())) == 3
    assert "| network after 4 images |" in capsys.readouterr().out

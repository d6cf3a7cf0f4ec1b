"""The page of a run: whole, self-contained, escaped, and there whatever is missing from the run folder."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from ganvas import images, report
from ganvas.config import RunConfig
from ganvas.errors import RunError
from ganvas.events import Alert, Finished, Progress, Remedy, Saved, Score, Started, to_json
from ganvas.report import write_report
from ganvas.report.log import read_log
from ganvas.report.pictures import FRAMES_BYTES, MAX_FRAMES, NEWEST_BYTES

HOSTILE = "<script>alert('x')</script>\"&'<img src=http://evil.example/x.png>"
VOID = {"meta", "img", "input", "br", "hr", "link"}


class Page(HTMLParser):
    """Collects elements and text, and checks that every element that is opened is closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.text = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] not in (["style"], ["script"]):
            self.text.append(data)

    def tags(self, *names):
        return [attributes for tag, attributes in self.elements if tag in names]


def started(at=0, **changes):
    values = {
        "total_images": 12800,
        "parameters": {"generator": 1234567},
        "device": "cpu",
        "threads": 2,
        "processes": 1,
    }
    return Started(images_seen=at, **(values | changes))


def progress(at, seconds, **stats):
    return Progress(images_seen=at, stats=stats, images_per_second=100.0, seconds=seconds)


def whole_run():
    curve = [
        progress(at, at / 100, **{"discriminator/loss": 1 / at, "discriminator/wins": 0.7, "generator/lr": 0.002})
        for at in range(128, 12801, 128)
    ]
    return [
        started(note=HOSTILE),
        *curve,
        progress(12800, 128.0, **{HOSTILE: 0.5, "broken": float("nan")}),
        Score(images_seen=6400, scores={"kid": 0.25, HOSTILE: 1.0}, loss=0.25),
        Score(images_seen=12800, scores={"kid": 0.5}, loss=0.5),
        Alert(images_seen=6400, monitor=HOSTILE, message=f"too strong {HOSTILE}"),
        Remedy(images_seen=6500, action="loss.r1 doubled", message=HOSTILE),
        Saved(images_seen=12800, path=HOSTILE, kilobytes=2048),
        Finished(images_seen=12800, complete=True, seconds=130.0),
    ]


def make_run(folder, events=(), sheets=0, tail="", **settings):
    asked = RunConfig(source="digits", seed=7).but(**settings)
    resolved = asked.but(total_images=12800, threads=2)
    folder.mkdir(exist_ok=True)
    config = {"asked": asked.model_dump(), "resolved": resolved.model_dump(), "version": "0.1.0"}
    (folder / "config.json").write_text(json.dumps(config))
    lines = [json.dumps(to_json(event) | {"time": 1.7e9 + i}) + "\n" for i, event in enumerate(events)]
    (folder / "events.jsonl").write_text("".join(lines) + tail)
    rng = np.random.default_rng(0)
    for index in range(sheets):
        image = rng.integers(0, 256, (40, 50, 3), np.uint8)
        images.write_png(folder / "samples" / f"{128 * (index + 1):010d}.png", image)
    return folder


def read(run):
    return Page(write_report(run).read_text(encoding="utf-8"))


def words(page):
    return re.sub(r"\s+", " ", "".join(page.text))


def test_a_whole_run_is_told_in_words_pictures_and_curves(tmp_path):
    page = read(make_run(tmp_path / "run", whole_run(), sheets=5))
    text = words(page)
    assert (
        "The model lean saw 12,800 images of digits in 2.2 minutes (98 images a second); the run is complete." in text
    )
    assert "begun 2023-11-14 22:13 UTC" in text
    assert "The best checkpoint by its scores is the one after 6,400 images." in text
    assert "too strong" in text
    assert "after 6,400 images (50%)" in text
    labels = [svg["aria-label"].split(" over images seen")[0] for svg in page.tags("svg")]
    assert labels == ["kid", "Losses", "Discriminator strength", "Learning rates", "Speed", HOSTILE]
    assert len(page.tags("img")) == 1 + 5
    assert all(image["alt"] for image in page.tags("img"))
    assert [part.name for part in tmp_path.glob("run/.*")] == []


def test_the_page_needs_nothing_from_outside(tmp_path):
    run = make_run(tmp_path / "run", whole_run(), sheets=3)
    page = read(run)
    links = [value for _, each in page.elements for name, value in each.items() if name.endswith(("src", "href"))]
    assert links
    assert all(value.startswith(("data:image/", "#")) for value in links)
    assert not page.tags("link", "iframe", "object")
    assert "@import" not in run.joinpath("report.html").read_text()
    assert re.findall(r"url\((?!#)", run.joinpath("report.html").read_text()) == []
    [policy] = [meta["content"] for meta in page.tags("meta") if "http-equiv" in meta]
    assert policy.startswith("default-src 'none'")
    for name in ("page.css", "page.js"):
        assert (Path(report.__file__).parent / name).read_text() in (run / "report.html").read_text()


def test_names_in_the_run_cannot_become_markup(tmp_path):
    run = make_run(tmp_path / "run", whole_run(), sheets=2, source=HOSTILE, network={HOSTILE: HOSTILE})
    page = read(run)
    assert len(page.tags("script")) == 1
    assert HOSTILE in "".join(page.text)
    assert all(image["src"].startswith("data:image/") for image in page.tags("img"))
    assert "<script>alert" not in run.joinpath("report.html").read_text()


def test_identifiers_are_used_once(tmp_path):
    page = read(make_run(tmp_path / "run", whole_run(), sheets=2))
    names = [each["id"] for _, each in page.elements if "id" in each]
    assert {"newest", "at", "play", "time"} < set(names)
    assert sorted(names) == sorted(set(names))


def test_points_come_with_a_key_to_their_colours(tmp_path):
    run = make_run(tmp_path / "run", [started()], sheets=1)
    assert "Purple: generated points" not in words(read(run))
    (run / "samples" / "truth.npz").write_bytes(b"")
    assert "Purple: generated points" in words(read(run))


def test_torn_and_unknown_lines_are_left_out(tmp_path):
    tail = '{"event": "Comet", "images_seen": 1}\n[1]\n{"event": "Alert"}\n\n{"event": "Progr'
    run = make_run(tmp_path / "run", [started(), progress(128, 1.0)], tail=tail)
    assert [type(event) for event in read_log(run / "events.jsonl").events] == [Started, Progress]
    assert "still training, or was interrupted at 1% of 12,800 images" in words(read(run))


def test_what_a_resumed_process_did_again_counts_once_but_its_time_counts(tmp_path):
    events = [started(), progress(128, 1.0), progress(256, 2.0), progress(384, 3.0), started(256), progress(384, 1.5)]
    log = read_log(make_run(tmp_path / "run", events) / "events.jsonl")
    assert [event.images_seen for event in log.all(Progress)] == [128, 256, 384]
    assert log.seconds == pytest.approx(4.5)
    assert log.images_seen == 384


def test_a_stopped_run_says_that_it_can_be_resumed(tmp_path):
    events = [started(), progress(6400, 64.0), Finished(images_seen=6400, complete=False, seconds=65.0)]
    assert "it was stopped at 50% of 12,800 images and can be resumed" in words(
        read(make_run(tmp_path / "run", events))
    )


@pytest.mark.parametrize("events", [[], [started()], [started(), progress(128, 0.0)]])
def test_few_events_and_no_samples_still_give_a_page(tmp_path, events):
    run = make_run(tmp_path / "run", events)
    assert "No sample sheet was written yet." in words(read(run))
    (run / "events.jsonl").unlink()
    assert "training has not begun yet" in words(read(run))


def test_files_that_are_no_sheets_are_passed_over(tmp_path):
    run = make_run(tmp_path / "run", [started()], sheets=2)
    (run / "samples" / "0000009999.png").write_bytes(b"\x89PNG half")
    images.write_png(run / "samples" / "notes.png", np.zeros((4, 4, 1), np.uint8))
    page = read(run)
    assert len(page.tags("img")) == 3
    assert "after 256 images" in words(page)


def test_many_large_sheets_stay_within_the_size_of_the_page(tmp_path):
    run = make_run(tmp_path / "run", whole_run(), sheets=40)
    noise = np.random.default_rng(0).integers(0, 256, (900, 900, 3), np.uint8)
    for seen in (1280000, 1280001):
        images.write_png(run / "samples" / f"{seen:010d}.png", noise)
    page = read(run)
    assert len(page.tags("img")) == 1 + MAX_FRAMES
    assert (run / "report.html").stat().st_size < 1.4 * (FRAMES_BYTES + NEWEST_BYTES) < 5_000_000


def test_settings_show_what_was_chosen_and_what_was_worked_out(tmp_path):
    text = (write_report(make_run(tmp_path / "run", loss={"r1": 0.125}))).read_text()
    rows = {row[1]: row[0] for row in re.findall(r"<tr class='([\w-]*)'><td>(\w+)</td>", text)}
    assert rows["r1"] == rows["seed"] == "yours"
    assert rows["threads"] == rows["total_images"] == "worked-out"
    assert rows["r2"] == rows["batch_size"] == rows["source"] == ""


@pytest.mark.parametrize(
    ("content", "message"), [(None, "is not a run folder"), ("{", "is not JSON"), ("[]", "got a list")]
)
def test_a_folder_without_settings_is_refused(tmp_path, content, message):
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(RunError, match=message):
        write_report(tmp_path)

"""What a terminal is told of a run."""

import doctest
import io

from rich.console import Console

from ganvas import display
from ganvas.events import Progress, Started


def test_examples():
    assert doctest.testmod(display).failed == 0


def test_a_slow_run_tells_its_speed_and_where_its_samples_are(tmp_path):
    out = io.StringIO()
    shown = display.Display(tmp_path / "run", Console(file=out, width=200))
    started = Started(
        images_seen=0, total_images=10, parameters={"stylist": 5}, device="cpu", threads=1, processes=1, note=""
    )
    going = Progress(images_seen=5, images_per_second=1.26, stats={"stylist/loss": 2.5}, seconds=4.0)
    shown.show([started, going])
    assert f"samples as they come: {tmp_path / 'run' / 'samples'}" in out.getvalue().replace("\n", "")
    assert "1.3 images/s  S 2.50" in out.getvalue()

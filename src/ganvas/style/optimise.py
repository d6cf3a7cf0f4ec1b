"""Style transfer by optimisation: the pixels of a painting moved until its features say what they should.

Read `paint` first. It is a generator of events, as training is: it prints nothing and writes nothing but the file that
it goes on from after a kill. The step is its clock: what is drawn by chance is a function of seed and step, so a
painting that was stopped goes on exactly as if it had not been.

Source: Gatys et al. 2016, "Image style transfer using convolutional neural networks"; coarse to fine as in Gatys et
al. 2017, arXiv 1611.07865, section 6.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from ganvas.errors import UserError
from ganvas.style import allocator, memory
from ganvas.style.config import StyleConfig
from ganvas.style.events import Painted, Planned, Preview, Recovered, Stepped, StyleEvent
from ganvas.style.network import Backbone
from ganvas.style.objective import Anchor, Objective, Source, Value, resized, scaled
from ganvas.style.optimisers import LBFGS
from ganvas.style.painting import Painting, forget, load, save
from ganvas.style.plan import planned

EXPLODED = 10.0  # times the lowest loss of the scale
MOST_FAILURES = 3
LOOK_EVERY = 50  # steps between two looks at whether anything improves
LOOK_OVER = 10  # steps that a look averages over
PREVIEW_SECONDS = 2.0
SAVE_SECONDS = 20.0


def never() -> bool:
    """Nobody asks to stop."""
    return False


@dataclass(frozen=True)
class Job:
    """What is to be painted.

    Attributes:
        config: settings; strength above 0.
        content: the photograph [1, 3, H, W], sRGB in [0, 1], as large as the painting or larger.
        sources: the styles.
        start: a picture to begin with, where config.start names a file.
        anchor: what the painting stays with, of a sequence.
    """

    config: StyleConfig
    content: Tensor
    sources: Sequence[Source]
    start: Tensor | None = None
    anchor: Anchor | None = None


def sizes(config: StyleConfig, height: int, width: int) -> list[tuple[int, int]]:
    """Height and width of each scale, the painting's own last.

    >>> sizes(StyleConfig(size=512), 768, 1024)
    [(48, 64), (96, 128), (192, 256), (384, 512)]
    """
    longest = max(height, width)
    side = float(min(config.size or longest, longest))
    found = []
    while True:
        found.append(scaled(height, width, side / longest))
        side /= config.scales.growth
        if round(side) < config.scales.smallest:
            return found[::-1]


def paint(
    job: Job, backbone: Backbone, *, keep: Path | None = None, should_stop: Callable[[], bool] = never
) -> Iterator[StyleEvent]:
    """Paint, yielding events; the last is `Painted`.

    Args:
        job: what.
        backbone: the network to look with.
        keep: file to go on from after a kill; removed at the end. None keeps nothing.
        should_stop: asked after every step; when it says so, what is there is the result.

    Raises:
        UserError: when the first step already fails, or the file cannot be written.
    """
    run = _Run(job, backbone, keep)
    yield run.planned()
    reason = ""
    while not reason and run.painting.scale < len(run.sizes):
        run.enter_scale()
        while not reason and not run.scale_is_done():
            yield from run.step()
            reason = run.ended(should_stop)
        if not reason:
            run.leave_scale()
    if keep is not None:
        forget(keep)
    yield run.painted(reason)


class _Run:
    """What one call of `paint` holds on to; all that must survive it is in `painting`."""

    def __init__(self, job: Job, backbone: Backbone, keep: Path | None):
        self.job, self.config, self.backbone, self.keep = job, job.config, backbone, keep
        self.sizes = sizes(self.config, *job.content.shape[2:])
        later = len(self.sizes) - 1
        self.steps = (self.config.scales.first_steps, *[self.config.scales.steps] * later)
        self.work = [steps * height * width for steps, (height, width) in zip(self.steps, self.sizes)]
        self.began = self.last_preview = self.last_save = time.monotonic()
        self.note = ""
        self.plans = planned(self.config, backbone.precision, self.sizes, memory.budget(self.config))
        self.painting = Painting.begin(self.config, self.start(*self.sizes[0]))
        if keep is not None and (found := load(keep, self.config, self.fingerprint())) is not None:
            self.painting, self.note = found, f"going on at step {found.step}"
        self.began_with = self.done()
        self.deadline = math.inf

    def fingerprint(self) -> list[int]:
        """Numbers that tell one job's pictures from another's."""
        pictures = [self.job.content, *(source.picture for source in self.job.sources)]
        pictures += [m for s in self.job.sources for m in (s.shown, s.where) if m is not None]
        pictures += [] if self.job.start is None else [self.job.start]
        pictures += [] if self.job.anchor is None else [self.job.anchor.picture]
        planes = (plane for picture in pictures for plane in picture[0])
        return [number for plane in planes for number in (*plane.shape, crc32(plane.cpu().contiguous().numpy()))]

    def start(self, height: int, width: int) -> Tensor:
        """The picture to begin with, at the size of a scale."""
        if self.config.start == "noise":
            rng = torch.Generator().manual_seed(self.config.seed)
            return (0.5 + 0.1 * torch.randn(1, 3, height, width, generator=rng)).clamp(0, 1).to(self.job.content)
        return resized(self.job.content if self.job.start is None else self.job.start, height, width)

    def enlarged(self, picture: Tensor, height: int, width: int) -> Tensor:
        """A picture of one scale at the size of another, with details of what was begun with."""
        if self.config.start == "noise" or picture.shape[2:] == (height, width):
            return resized(picture, height, width)
        return with_details(picture, self.start(height, width))

    def planned(self) -> Planned:
        """The first event."""
        layers = (*self.config.weights.style_shares, *self.config.weights.content_layers)
        return Planned(
            step=self.painting.step, sizes=tuple(self.sizes), steps=self.steps, note=self.note,
            layers=tuple(dict.fromkeys(sorted(layers))), tiles=len(self.plans[-1].tiles),
            memory_bytes=max(plan.memory_bytes for plan in self.plans),
        )  # fmt: skip

    def enter_scale(self) -> None:
        """Bring everything to the scale's size, and give the scale its share of the time."""
        painting, (height, width) = self.painting, self.sizes[self.painting.scale]
        plan = self.plans[painting.scale]
        allocator.keep_no_spare(in_tiles=bool(plan.tiles))
        content = resized(self.job.content, height, width)
        self.objective = Objective(self.backbone, self.config, content, self.job.sources, self.job.anchor, plan.tiles)
        if isinstance(painting.optimiser, LBFGS):
            painting.optimiser.history = plan.history
        if painting.picture.shape[2:] != (height, width):
            painting.grow(self.enlarged(painting.picture, height, width))
        if self.config.minutes is not None:
            now = time.monotonic()
            share = self.work[painting.scale] / sum(self.work[painting.scale :])
            self.deadline = now + max(0.0, self.began + 60 * self.config.minutes - now) * share

    def step(self) -> Iterator[StyleEvent]:
        """One evaluation, and one step by it; one that went wrong is undone."""
        painting = self.painting
        value = self.objective(painting.picture, painting.step)
        if not math.isfinite(value.loss) or value.loss > EXPLODED * painting.lowest:
            yield self.recover(value)
        else:
            painting.move(value.losses, value.gradient)
            yield self.stepped(value)
        now = time.monotonic()
        if now - self.last_preview > PREVIEW_SECONDS:
            self.last_preview = now
            yield Preview(step=painting.step, picture=as_array(painting.shown))
        if self.keep is not None and now - self.last_save > SAVE_SECONDS:
            save(self.keep, painting, self.config, self.fingerprint())
            self.last_save = time.monotonic()

    def recover(self, value: Value) -> Recovered:
        """Back to the best picture of the scale, with steps half as long.

        Raises:
            UserError: when there is no picture yet to go back to.
        """
        painting = self.painting
        what = "not finite" if not math.isfinite(value.loss) else f"{value.loss / painting.lowest:.0f} times the lowest"
        if painting.best is None:
            raise UserError(
                f"the losses are {what} at the very first picture of {painting.picture.shape[3]} x "
                f"{painting.picture.shape[2]} pixels; look at the pictures, or try another --loss."
            )
        painting.go_back()
        return Recovered(
            step=painting.step,
            message=f"the loss became {what}; back to the best picture, with steps half as long "
            f"({painting.failures} of {MOST_FAILURES}).",
        )

    def scale_is_done(self) -> bool:
        """Whether the scale has had its steps or its time, or nothing improves."""
        painting = self.painting
        if painting.scale_steps >= self.steps[painting.scale] or time.monotonic() >= self.deadline:
            return True
        recent = painting.recent
        if not self.config.scales.tolerance or len(recent) < LOOK_EVERY + LOOK_OVER:
            return False
        now, before = sum(recent[-LOOK_OVER:]) / LOOK_OVER, sum(recent[:LOOK_OVER]) / LOOK_OVER
        return before - now < self.config.scales.tolerance * before

    def ended(self, should_stop: Callable[[], bool]) -> str:
        """Why to end before the last scale is done, if there is a reason."""
        if self.painting.failures > MOST_FAILURES:
            return (
                f"the loss kept exploding, even with steps {2**MOST_FAILURES} times shorter; "
                "try --set optimiser.method=adam, or a smaller weights.style"
            )
        return "asked to stop" if should_stop() else ""

    def leave_scale(self) -> None:
        """Hand the painting on."""
        self.painting.scale += 1
        self.painting.end_scale()

    def done(self) -> float:
        """Share of the work that is done."""
        scale = self.painting.scale
        if scale >= len(self.work):
            return 1.0
        here = self.work[scale] * self.painting.scale_steps / self.steps[scale]
        return (sum(self.work[:scale]) + here) / sum(self.work)

    def stepped(self, value: Value) -> Stepped:
        """The event of a step, with the time left: from the work done since this process began."""
        seconds, share = time.monotonic() - self.began, self.done()
        pace = seconds / max(share - self.began_with, 1e-9)
        left = pace * (1 - share)
        if self.config.minutes is not None:
            left = min(left, max(0.0, 60 * self.config.minutes - seconds))
        return Stepped(
            step=self.painting.step, size=self.sizes[self.painting.scale], losses=value.losses, share=share,
            seconds=seconds, seconds_left=left,
        )  # fmt: skip

    def painted(self, reason: str) -> Painted:
        """The last event."""
        return Painted(
            step=self.painting.step, picture=as_array(self.enlarged(self.painting.shown, *self.sizes[-1])),
            complete=not reason, reason=reason or "done", losses=self.painting.losses,
            seconds=time.monotonic() - self.began,
        )  # fmt: skip


def with_details(picture: Tensor, begun: Tensor) -> Tensor:
    """A small painting [1, 3, H, W] at the size of what it began with: the change to that is enlarged.

    A painting merely enlarged is blurred, and the first ten steps of a scale would go into mending that.
    """
    size = begun.shape[2], begun.shape[3]
    lost = begun - resized(resized(begun, picture.shape[2], picture.shape[3]), *size)
    return (resized(picture, *size) + lost).clamp(0, 1)


def as_array(picture: Tensor) -> np.ndarray:
    """A picture [1, 3, H, W] as float32 [H, W, 3]."""
    return picture.detach()[0].float().permute(1, 2, 0).cpu().contiguous().numpy()

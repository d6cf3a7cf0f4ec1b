"""`ganvas style`: a photograph painted in the manner of a painting."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from ganvas.commands.train import SETTINGS_HELP
from ganvas.errors import BadSetting
from ganvas.interrupts import Interrupts

if TYPE_CHECKING:
    from ganvas.film import Before, Paint
    from ganvas.painter import Stylization
    from ganvas.photos import Photo
    from ganvas.quick import Brush


@dataclass
class Style:
    """Paint a photograph, or a folder of them, in the manner of one picture or several."""

    content: tyro.conf.Positional[Path]
    """The photograph, or a folder of them; a film file, or with --video a folder of frames."""
    styles: tyro.conf.Positional[tuple[Path, ...]]
    """The style, a picture file or a name of `ganvas styles`, or several; with --with, further photographs."""
    out: Annotated[Path, tyro.conf.arg(metavar="FILE")]
    """File to write (.jpg, .png, .tif, .webp; of a film .mp4, .avi, ...); a folder for a folder of photographs."""
    fast: bool = False
    """Paint in one pass of a network that knows any style: a second instead of minutes, and somewhat less like it."""
    with_: Annotated[Path | None, tyro.conf.arg(name="with", metavar="RUN")] = None
    """Paint in one pass with the style that a run of `ganvas style-train` has learnt; every picture is a photograph."""
    retouch: int = 0
    """With --with: so many steps of optimisation on what the network painted; ten do much."""
    size: str | None = None
    """Longest side in pixels; none keeps the photograph's. By default 512."""
    strength: float | None = None
    """0 is the photograph itself, 1 the style alone; by default 0.5, in one pass 1, retouched 0.4."""
    minutes: float | None = None
    """At most so long for each painting."""
    memory: str | None = None
    """At most so much memory, as 2GB; large paintings are then worked on in tiles, which give the same gradient."""
    seed: int | None = None
    """Seed of every random draw."""
    loss: str | None = None
    """What of the style is matched: gram, wasserstein, mean-deviation, sorted, sliced or nearest."""
    start: str | None = None
    """What to begin with: content, noise, or a picture file."""
    colour: str | None = None
    """Whose colours: style; luminance keeps the photograph's; matched recolours the style's picture first."""
    style_scale: float | None = None
    """Size of the strokes: 1 sees the style as large as the photograph, 0.5 half as large."""
    weight: Annotated[list[float], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="WEIGHT")] = field(
        default_factory=list
    )
    """Weight of a style, once for each in their order; by default all alike."""
    mask: Annotated[list[Path], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="FILE")] = field(default_factory=list)
    """Picture whose white marks the part that gets a style, once for each in their order."""
    video: bool = False
    """The folder holds the frames of a film: each is painted so that it goes on from the one before, as with a file."""
    set: Annotated[list[str], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="NAME=VALUE", help=SETTINGS_HELP)] = (
        field(default_factory=list)
    )
    json: bool = False
    """Print what came out as one line of JSON for each painting."""

    def changes(self) -> dict[str, Any]:
        """What the flags say, by dotted name."""
        from ganvas.config import parse_assignments

        names = ("size", "strength", "minutes", "memory", "seed", "loss", "start", "colour", "style_scale")
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return given | parse_assignments(self.set)

    def __call__(self) -> int:
        """Paint one after another."""
        from ganvas import painter, reels

        if not self.styles and self.with_ is None:
            raise BadSetting("no style was given; name one picture or more after the photograph.")
        if self.retouch and (self.with_ is None or self.retouch < 0 or self.video or reels.is_film(self.content)):
            raise BadSetting("--retouch takes a number of steps, and --with RUN and photographs, no film.")
        if self.video or reels.is_film(self.content):
            return self.film()
        if self.retouch:
            return self.retouched()
        if self.one_pass:
            return self.in_one_pass()
        return self.by_optimisation(
            (self.content,),
            lambda content, out: painter.stylize(
                content, self.styles, out, style_weights=self.weight or None, masks=self.mask or None,
                settings=self.changes(),
            ),
        )  # fmt: skip

    def by_optimisation(self, contents: Sequence[Path], begin: Callable[[Path, Path], Stylization]) -> int:
        """Paint one after another, but what is there already."""
        from ganvas import painter

        jobs = painter.outputs(contents, self.out)
        for content, out in jobs:
            if len(jobs) > 1 and out.exists():
                self.tell({"content": str(content), "out": str(out), "reason": "already there"})
                continue
            done = follow(begin(content, out), content.name if len(jobs) > 1 else "painting")
            self.tell({"content": str(content), "out": str(out)} | done)
            if not done["complete"]:
                break
        return 0

    def film(self) -> int:
        """Paint frame after frame; a film file is put together once all are there."""
        from ganvas import film, reels

        if self.with_ is not None and self.styles:
            raise BadSetting(f"one film at a time: with --with, {self.styles[0]} would be another.")
        reel = reels.opened(self.content) if reels.is_film(self.content) else None
        if reel is not None:
            frames, count = reel.frames(), reel.count
        else:
            paths = film.frames_in(self.content)
            frames, count = film.read(paths), len(paths)
        folder = self.out
        if self.out.suffix and not self.out.is_dir():
            reels.check_written(self.out, reel)
            folder = self.out.with_name(f".{self.out.name}-{self.job()}")
        paint = self.frame_in_one_pass() if self.one_pass else self.frame_by_optimisation(count)
        began, painted, made = time.monotonic(), 0, []

        def counted(frame: Photo, before: Before | None) -> Photo | None:
            nonlocal painted
            painted += 1
            return paint(frame, before)

        for target in film.paint_frames(frames, folder, counted):
            made.append(target)
            pace = (time.monotonic() - began) / max(painted, 1)
            left = f"about {pace * (count - len(made)) / 60:.0f} min left" if len(made) < count else "done"
            self.tell({"content": str(self.content), "out": str(target), "reason": f"{len(made)} of {count}, {left}"})
        if len(made) < count:
            print(f"stopped after {len(made)} of {count} frames; the same command goes on.")
            return 0
        if folder != self.out:
            reels.write(self.out, made, reel)
            shutil.rmtree(folder)
            sound = ", with the film's sound" if reel is not None and reel.sound else ""
            self.tell({"content": str(self.content), "out": str(self.out), "reason": f"{len(made)} frames{sound}"})
        return 0

    def job(self) -> str:
        """What tells this film from others that are to have the same name: settings, and files as they are now."""
        asked = {name: str(value) for name, value in vars(self).items() if name != "json"}
        for path in (self.content, *self.styles, *self.mask, *([self.with_ / "config.json"] if self.with_ else [])):
            if path.exists():
                asked[f"file {path}"] = f"{path.stat().st_size} {path.stat().st_mtime_ns}"
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:12]

    def frame_by_optimisation(self, frames: int) -> Paint:
        """What paints one frame of so many, going on from the one before."""
        from ganvas import painter

        def paint(frame: Photo, before: Before | None) -> Photo | None:
            stylization = painter.stylize(
                frame, self.styles, style_weights=self.weight or None, masks=self.mask or None, settings=self.changes()
            )
            stylization.before = before
            done = follow(stylization, f"a frame of {frames}")
            return stylization.photo if done["complete"] else None

        return paint

    def frame_in_one_pass(self) -> Paint:
        """The same by a network."""
        from ganvas import film, quick

        brush, size = self.brush()
        return film.steadied(lambda frame: quick.paint(frame, brush, size=size, colours=self.colour or "style")[0])

    @property
    def one_pass(self) -> bool:
        """Whether a network paints."""
        return self.fast or self.with_ is not None

    def refuse_what_is_slow(self) -> None:
        """Say which options a network in one pass has no use for.

        Raises:
            BadSetting: when any was given.
        """
        slow: dict[str, Any] = {
            "minutes": self.minutes,
            "memory": None if self.retouch else self.memory,
            "seed": self.seed,
            "loss": self.loss,
            "start": self.start,
            "mask": self.mask,
        }
        if self.with_ is not None:
            slow |= {"fast": self.fast, "style-scale": self.style_scale, "weight": self.weight, "set": self.set}
        given = [f"--{name}" for name, value in slow.items() if value not in (None, False, [])]
        if given:
            raise BadSetting(f"{', '.join(given)} cannot be used with --{'fast' if self.with_ is None else 'with'}.")

    def brush(self) -> tuple[Brush, int | None]:
        """The network that paints, and the longest side of its paintings."""
        from ganvas import quick
        from ganvas.config import changed, parse_assignments
        from ganvas.style.config import FastConfig

        self.refuse_what_is_slow()
        strength, size = 1.0 if self.strength is None else self.strength, self.longest()
        if self.with_ is not None:
            return quick.learnt(self.with_, strength=strength), size
        brush = quick.any_style(
            self.styles, self.weight or None, strength=strength, size=size,
            style_scale=1.0 if self.style_scale is None else self.style_scale,
            detail=changed(FastConfig(), parse_assignments(self.set)).detail,
        )  # fmt: skip
        return brush, size

    def in_one_pass(self) -> int:
        """Paint by a trained network."""
        from ganvas import painter, quick

        brush, size = self.brush()
        contents = (self.content,) if self.with_ is None else (self.content, *self.styles)
        for content, out in painter.outputs(contents, self.out):
            began = time.monotonic()
            done, notes = quick.paint(content, brush, out, size=size, colours=self.colour or "style")
            told = {"width": done.width, "height": done.height, "seconds": time.monotonic() - began, "notes": notes}
            self.tell({"content": str(content), "out": str(out), "reason": "painted in one pass"} | told)
        return 0

    def retouched(self) -> int:
        """Paint by the network of a run, and go on by optimisation."""
        from ganvas import quick

        self.refuse_what_is_slow()
        assert self.with_ is not None
        run, size = self.with_, self.longest()
        strength = {} if self.strength is None else {"strength": self.strength}
        return self.by_optimisation(
            (self.content, *self.styles),
            lambda content, out: quick.retouched(
                content,
                run,
                out,
                steps=self.retouch,
                size=size,
                colours=self.colour or "style",
                memory=self.memory,
                **strength,
            ),
        )

    def longest(self) -> int | None:
        """Longest side of what is painted in one pass; None for the photograph's own."""
        from ganvas import quick

        return None if self.size == "none" else whole("size", self.size or str(quick.SIZE))

    def tell(self, done: dict[str, Any]) -> None:
        """Print what came out."""
        if self.json:
            print(json.dumps(done))
            return
        seconds = f" in {done['seconds']:.0f} s" if done.get("seconds") else ""
        print(f"{done['out']}: {done['reason']}{seconds}")


def whole(name: str, text: str) -> int:
    """A positive whole number out of an option.

    Raises:
        BadSetting: for anything else.
    """
    if not text.isdecimal() or int(text) < 1:
        raise BadSetting(f"{name} takes whole number at least 1 (pixels), or none; got {text!r}.")
    return int(text)


def follow(stylization: Stylization, name: str) -> dict[str, Any]:
    """Paint with a progress display; Ctrl-C and SIGTERM write the best so far, a second Ctrl-C stops at once."""
    from ganvas.display import PaintingDisplay

    with Interrupts(stylization.stop), PaintingDisplay(name) as display:
        painted = display.show(stylization)
        for note in stylization.notes:
            display.say(f"note: {note}")
    height, width = painted.picture.shape[:2]
    return {
        "width": width, "height": height, "steps": painted.step, "losses": painted.losses, "seconds": painted.seconds,
        "complete": painted.complete, "reason": painted.reason,
    }  # fmt: skip

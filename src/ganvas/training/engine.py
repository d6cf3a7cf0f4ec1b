"""Several processes as one: the only file that knows torch.distributed.

Gradients are summed by one flat all-reduce a phase, not by DistributedDataParallel, whose hooks give wrong
gradients on steps whose loss leaves some weights untouched, as gradient penalties do.
"""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn

CPU = torch.device("cpu")
TIMEOUT = datetime.timedelta(seconds=60)  # a process that stops answering is noticed within this


@dataclass(frozen=True)
class Engine:
    """This process among all of them; alone by default."""

    rank: int = 0
    processes: int = 1
    device: torch.device = CPU

    @property
    def leads(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0

    def sum_gradients(self, parameters: list[nn.Parameter], loss: Tensor) -> Tensor:
        """Replace gradients by their mean over all processes; the loss likewise, returned.

        Args:
            parameters: all that the phase moves, in the same order in every process; a missing gradient counts as 0.
            loss: this process's mean loss, a scalar.
        """
        if self.processes == 1:
            return loss
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        flat = torch.cat([*(g.flatten() for g in gradients), loss.reshape(1)])
        distributed.all_reduce(flat)
        flat /= self.processes
        start = 0
        for parameter, gradient in zip(parameters, gradients, strict=True):
            mean = flat[start : start + gradient.numel()].view(gradient.shape)
            parameter.grad = torch.empty_like(parameter).copy_(mean)  # in the weight's memory layout
            start += gradient.numel()
        return flat[-1]

    def mean(self, stats: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Each statistic as its mean over samples and processes, so that all processes decide alike."""
        means = {name: value.detach().float().mean() for name, value in stats.items()}
        if self.processes == 1 or not means:
            return means
        flat = torch.stack(list(means.values()))
        distributed.all_reduce(flat)
        return dict(zip(means, flat / self.processes, strict=True))

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        if self.processes == 1:
            return flag
        shared = torch.tensor([float(flag)], device=self.device)
        distributed.all_reduce(shared)
        return bool(shared.item() > 0)

    def first(self, work: Callable[[], Any]) -> Any:
        """Run something in every process, in the leading one before the others (caches, downloads)."""
        if self.processes == 1:
            return work()
        result = work() if self.leads else None
        distributed.barrier()
        return result if self.leads else work()

    def share(self, value: Any) -> Any:
        """The leading process's value, a plain Python object, in every process."""
        if self.processes == 1:
            return value
        box = [value]
        distributed.broadcast_object_list(box, src=0)
        return box[0]

    def prepare(self, networks: Mapping[str, nn.Module]) -> None:
        """Make batch normalisation see the whole batch, not this process's part of it."""
        if self.processes > 1:
            for network in networks.values():
                for module in network.modules():
                    if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                        module.forward = _WholeBatch(module)  # type: ignore[method-assign,assignment]

    def close(self) -> None:
        """Leave the group.

        A gloo worker thread may still hold the tensors of the last collective; should the interpreter end at just
        that moment, the thread aborts the process. It lets go within milliseconds, so wait for it.
        """
        if self.processes > 1:
            distributed.destroy_process_group()
            time.sleep(0.5)


def start(device: torch.device) -> Engine:
    """Join the processes that torchrun started; alone when it did not."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if processes == 1:
        return Engine(device=device)
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=TIMEOUT)
    return Engine(distributed.get_rank(), distributed.get_world_size(), device)


class _AllSum(torch.autograd.Function):
    """Sum over processes; its gradient is the sum of the gradients, so it can be differentiated any number of times."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        summed = values.clone()
        distributed.all_reduce(summed)
        return summed

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _AllSum.apply(gradient)  # type: ignore[no-any-return]


class _WholeBatch:
    """Forward pass of a batch normalisation whose mean and variance are those of the batch over all processes.

    Every process holds the same number of samples. torch.nn.SyncBatchNorm does this on GPUs only.
    """

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d):
        self.norm = norm

    def __call__(self, values: Tensor) -> Tensor:
        norm = self.norm
        if not norm.training:
            return type(norm).forward(norm, values)
        axes = [0, *range(2, values.ndim)]
        count = values.numel() // values.shape[1] * distributed.get_world_size()
        shape = [1, -1] + [1] * (values.ndim - 2)
        mean = _AllSum.apply(values.sum(axes)) / count
        centred = values - mean.view(shape)
        variance = _AllSum.apply(centred.square().sum(axes)) / count
        if norm.track_running_stats and norm.running_mean is not None and norm.running_var is not None:
            with torch.no_grad():
                momentum = norm.momentum if norm.momentum is not None else 0.1
                norm.num_batches_tracked.add_(1)  # type: ignore[union-attr]
                norm.running_mean.lerp_(mean, momentum)
                norm.running_var.lerp_(variance * count / (count - 1), momentum)
        scaled = centred * (variance + norm.eps).rsqrt().view(shape)
        normal: Tensor = scaled * norm.weight.view(shape) + norm.bias.view(shape)
        return normal

"""MMEngine's runner, as every training of ours uses it: from any step on, on the device that was chosen."""

from __future__ import annotations

import logging
import uuid
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmengine.dist import get_dist_info, is_distributed
from mmengine.model import MMDistributedDataParallel
from mmengine.runner import IterBasedTrainLoop, Runner
from torch import nn

from oodbench.errors import OodbenchError
from oodbench.segmenters.mmsegmentation.hook import HeadHook
from oodbench.training.devices import failing_together
from oodbench.training.hooks import GuardHook, LogHook, SaveHook
from oodbench.training.job import Trainee


class _Loop(IterBasedTrainLoop):
    """Goes on with the step at which the loader starts; the batches before it are not made again."""

    def run(self) -> nn.Module:
        """Train to the end."""
        self.runner.call_hook("before_train")
        self.runner.call_hook("before_train_epoch")
        while self._iter < self._max_iters and not self.stop_training:
            self.runner.model.train()
            batch = next(self.dataloader_iterator)
            with failing_together():
                if isinstance(batch, OodbenchError):
                    raise batch
            self.run_iter(batch)
        self.runner.call_hook("after_train_epoch")
        self.runner.call_hook("after_train")
        model: nn.Module = self.runner.model
        return model


class _Runner(Runner):
    """The model is on its device, and has its weights, before the runner gets it."""

    def wrap_model(self, model_wrapper_cfg: Any, model: nn.Module) -> Any:
        """For several processes as one that sums up gradients."""
        if not is_distributed():
            return model
        device = next(model.parameters()).device
        # Statistics of each process's own stay so; mixtures and memories move alike by themselves.
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)  # not in all versions
            return MMDistributedDataParallel(
                model, device_ids=None if device.type == "cpu" else [device.index], broadcast_buffers=False
            )

    def _init_model_weights(self) -> None:
        return


def make_runner(
    trainee: Trainee, out: Path, seed: int, start: int, advance: Callable[[int], None]
) -> tuple[Runner, LogHook]:
    """A runner that trains from step `start` on, and what logs and measures in it.

    Args:
        trainee: its state is that of `start`.
        out: folder of the training.
        seed: for checkpoints.
        start: steps that were taken.
        advance: told of each step.
    """
    rank, ranks = get_dist_info()
    off: dict[str, Any] = dict.fromkeys(("logger", "checkpoint", "timer", "sampler_seed", "runtime_info"))
    with warnings.catch_warnings():
        # It starts processes by forking, whatever started this one.
        warnings.filterwarnings("ignore", "Multi-processing start method", UserWarning)
        runner = _Runner(
            trainee.model,
            work_dir=str(out / "mmengine"),
            train_dataloader=trainee.loader(start, rank, ranks),
            train_cfg={"type": _Loop, "max_iters": trainee.iterations},
            optim_wrapper=trainee.optimizer,
            param_scheduler=list(trainee.schedulers),
            default_hooks=off,
            randomness={"seed": seed, "diff_rank_seed": True},
            launcher="pytorch" if ranks > 1 else "none",
            log_level=logging.ERROR,
            # MMEngine keeps one global scope a name, and warns of a second.
            experiment_name=f"{trainee.name}-{uuid.uuid4().hex}",
        )
    runner.train_loop._iter = start  # MMEngine's own resume sets it the same way
    checkpoint, log = out / "checkpoint.pt", LogHook(out, trainee, advance)
    for hook in (
        GuardHook(checkpoint),
        HeadHook(),
        log,
        SaveHook(checkpoint, trainee, seed),
    ):
        runner.register_hook(hook)
    return runner, log

"""MMEngine's runner, set up to start at any step on the device of the training."""

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
from oodbench.training.devices import synchronized_errors
from oodbench.training.hooks import CheckpointHook, GuardHook, LogHook
from oodbench.training.job import TrainingJob


class _Loop(IterBasedTrainLoop):
    """Loop that starts at the step at which the loader starts. Earlier batches are not loaded again."""

    def run(self) -> nn.Module:
        """Train to the end."""
        self.runner.call_hook("before_train")
        self.runner.call_hook("before_train_epoch")
        while self._iter < self._max_iters and not self.stop_training:
            self.runner.model.train()
            batch = next(self.dataloader_iterator)
            with synchronized_errors():
                if isinstance(batch, OodbenchError):
                    raise batch
            self.run_iter(batch)
        self.runner.call_hook("after_train_epoch")
        self.runner.call_hook("after_train")
        model: nn.Module = self.runner.model
        return model


class _Runner(Runner):
    """Runner of a model that is already on its device and initialised."""

    def wrap_model(self, model_wrapper_cfg: Any, model: nn.Module) -> Any:
        """Wrap the model so that several processes average their gradients."""
        if not is_distributed():
            return model
        device = next(model.parameters()).device
        # Batch statistics stay separate per process. Mixtures and memories stay equal without a broadcast.
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)  # in some versions
            return MMDistributedDataParallel(
                model, device_ids=None if device.type == "cpu" else [device.index], broadcast_buffers=False
            )

    def _init_model_weights(self) -> None:
        return


def make_runner(
    job: TrainingJob, out: Path, seed: int, start: int, advance: Callable[[int], None]
) -> tuple[Runner, LogHook]:
    """Make a runner that trains from step `start` on.

    Args:
        job: Training job; its network has the state of step `start`.
        out: Folder of the training.
        seed: Seed of the training, which checkpoints record.
        start: Number of steps that are done.
        advance: Callback for the number of steps done, called after each step.

    Returns:
        The runner, and its hook that logs and validates.
    """
    rank, processes = get_dist_info()
    no_hooks: dict[str, Any] = dict.fromkeys(("logger", "checkpoint", "timer", "sampler_seed", "runtime_info"))
    with warnings.catch_warnings():
        # MMEngine always starts workers by fork, also in a process that was spawned.
        warnings.filterwarnings("ignore", "Multi-processing start method", UserWarning)
        runner = _Runner(
            job.model,
            work_dir=str(out / "mmengine"),
            train_dataloader=job.make_loader(start, rank, processes),
            train_cfg={"type": _Loop, "max_iters": job.iterations},
            optim_wrapper=job.optimizer,
            param_scheduler=list(job.schedulers),
            default_hooks=no_hooks,
            randomness={"seed": seed, "diff_rank_seed": True},
            launcher="pytorch" if processes > 1 else "none",
            log_level=logging.ERROR,
            # MMEngine has one global scope per name, and warns if a name is used twice.
            experiment_name=f"{job.name}-{uuid.uuid4().hex}",
        )
    runner.train_loop._iter = start  # MMEngine's own resume sets it in the same way
    checkpoint, log = out / "checkpoint.pt", LogHook(out, job, advance)
    for hook in (GuardHook(checkpoint), HeadHook(), log, CheckpointHook(checkpoint, job, seed)):
        runner.register_hook(hook)
    return runner, log

"""A mixture per class that is estimated while the network that provides its features is trained.

In distributed training (mixture.distributed), all ranks hold the same mixture and the same memory and update them
identically. The points of all ranks decide which points enter the memory and which classes a step contains.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from oodbench.mixture import distributed
from oodbench.mixture.density import component_log_density
from oodbench.mixture.index_counts import count_indices
from oodbench.mixture.memory import Memory
from oodbench.mixture.presets import OnlineOptions

# Number of steps after which the memory's running sums are recomputed.
_RECOUNT = 1000


class OnlineMixture(nn.Module):
    """C mixtures of M diagonal Gaussians in D dimensions, updated by EM over a memory and never by gradients.

    Args:
        classes: Number C of classes.
        components: Number M of components per class.
        dimensions: Number D of dimensions.
        options: Estimation and scoring options.
        half: Whether the memory is kept in half precision.
    """

    mean: Tensor  # [C, M, D]
    deviation: Tensor  # [C, M, D], standard deviations
    occupancy: Tensor  # [C, M], moving average of the share of the class's points that each component fits best
    steps: Tensor  # number of steps
    estimations: Tensor  # number of estimations

    def __init__(
        self, classes: int, components: int, dimensions: int, options: OnlineOptions, *, half: bool = False
    ) -> None:
        super().__init__()
        self.options = options
        self.shape = (classes, components, dimensions)
        mean = torch.nn.init.trunc_normal_(torch.empty(self.shape), std=0.02)
        if not options.unit_means:
            mean = functional.normalize(mean, dim=2)  # means start on the unit sphere, as the points are on it
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", torch.ones(self.shape))
        self.register_buffer("occupancy", torch.full(self.shape[:2], 1 / components))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("estimations", torch.zeros((), dtype=torch.int64))
        rings, parts = (classes * components, 1) if options.hard else (classes, components)
        self.memory = Memory(rings, options.memory, dimensions, parts, half=half)
        if options.random_start:
            # One ring at a time: at full size, all of them together take almost a gigabyte.
            self.memory.fill(functional.normalize(torch.randn(options.memory, dimensions), dim=1) for _ in range(rings))

    def log_density(self, points: Tensor) -> Tensor:
        """Return log-densities of points [n, D] under each component, float32 [n, C, M].

        Only the points receive gradients.
        """
        mean = functional.normalize(self.mean, dim=2) if self.options.unit_means else self.mean
        if self.training:
            self.mean.copy_(mean)
        return component_log_density(points.float(), mean, self.deviation.square())

    def class_score(self, log_density: Tensor) -> Tensor:
        """Return class scores [n, C] from the components' log-densities [n, C, M]."""
        if self.options.class_score == "max":
            return log_density.amax(dim=2)
        return log_density.logsumexp(dim=2) - math.log(self.shape[1])

    @torch.no_grad()
    def assign(self, log_density: Tensor, labels: Tensor) -> Tensor:
        """Assign each labelled point to the components of its true class, in balanced shares.

        Args:
            log_density: [n, C, M].
            labels: int64 [n], 0 to C - 1, without void points.

        Returns:
            float32 [n, M]. Each row sums to one, or is one-hot if assignments are hard.
        """
        classes, components, _ = self.shape
        joined = self.options.joined
        class_density = log_density.float()[torch.arange(len(labels), device=labels.device), labels]  # [n, M]
        self._watch(labels, class_density.argmax(dim=1))
        if self.options.scaled:
            largest = class_density.new_zeros(classes).scatter_reduce_(
                0, labels, class_density.abs().amax(dim=1), "amax"
            )
            class_density = class_density / (distributed.all_reduce_max(largest) if joined else largest)[labels, None]
        plan = class_density / self.options.epsilon
        for _ in range(3):
            plan = plan - _class_logsumexp(plan, labels, classes, joined=joined)[labels]
            plan = plan - plan.logsumexp(dim=1, keepdim=True)
        if self.options.hard:
            return functional.one_hot(plan.argmax(dim=1), components).float()
        return plan.exp()

    @torch.no_grad()
    def step(self, points: Tensor, labels: Tensor, shares: Tensor, right: Tensor) -> None:
        """Add a batch of labelled points and, every `interval` steps, estimate the classes in it.

        Args:
            points: [n, D].
            labels: int64 [n], 0 to C - 1.
            shares: [n, M], from `assign`.
            right: bool [n], whether the head classifies the point correctly.
        """
        classes, components, _ = self.shape
        present = distributed.all_reduce_sum(count_indices(labels, classes)) > 0
        if self.options.correct_only:
            entering = right.nonzero()[:, 0]
            points, labels, shares = points[entering], labels[entering], shares[entering]
        if self.options.hard:
            ring = labels * components + shares.argmax(dim=1)
            most, kept = self.options.samples, torch.ones(len(labels), 1, device=labels.device)
        else:
            ring, most, kept = labels, self.options.samples * components, shares
        all_rings, start = distributed.all_gather_rows(ring)
        most = min(most, self.options.memory)
        chosen, order = _choose(all_rings, len(self.memory.pointer), most, spaced=self.options.spaced)
        x, share = (distributed.select_gathered_rows(part, start, chosen) for part in (points.float(), kept))
        self.memory.put(all_rings[chosen], order, x, share)
        steps = int(self.steps)
        if steps % _RECOUNT == _RECOUNT - 1:
            self.memory.recount()
        if steps % self.options.interval == 0:
            self._estimate(present)
            self.estimations += 1
        self.steps += 1

    def _estimate(self, present: Tensor) -> None:
        """Move means and variances of the present classes (bool [C]) toward those of the memory."""
        options, shape = self.options, self.shape
        mass = self.memory.mass.view(shape[:2])[:, :, None]  # [C, M, 1]
        first, second = (self.memory.first.view(shape), self.memory.second.view(shape))
        own_mean, own_second = first / mass, second / mass
        target = functional.normalize(first, dim=2) if options.unit_estimate else own_mean
        variance = own_second - 2 * target * own_mean + target.square() + options.ridge
        mean = options.mean_momentum * self.mean.double() + (1 - options.mean_momentum) * target
        kept = options.spread_momentum
        if options.averaged == "deviation":
            deviation = kept * self.deviation.double() + (1 - kept) * variance.sqrt()
        else:
            deviation = (kept * self.deviation.double().square() + (1 - kept) * variance).sqrt()
        # A component without points has no estimate.
        moved = present[:, None, None] & (mass > 0)
        self.mean.copy_(torch.where(moved, mean, self.mean.double()))
        self.deviation.copy_(torch.where(moved, deviation, self.deviation.double()))

    def _watch(self, labels: Tensor, best: Tensor) -> None:
        """Update the moving average, over about a hundred batches, of which component fits each point best."""
        classes, components, _ = self.shape
        counts = distributed.all_reduce_sum(count_indices(labels * components + best, classes * components)).view(
            classes, components
        )
        totals = counts.sum(dim=1, keepdim=True)
        share = counts / totals.clamp_min(1)
        self.occupancy.copy_(torch.where(totals > 0, 0.99 * self.occupancy + 0.01 * share, self.occupancy))

    def facts(self) -> Mapping[str, float]:
        """Return statistics for the training log: use of the components, variances, and fill level of the memory.

        `components in use` is the mean over the classes of exp(entropy of the occupancy), from 1 to M.
        """
        share = self.occupancy.clamp_min(1e-12)
        variance = self.deviation.square()
        return {
            "estimations": float(self.estimations),
            "components in use": float((-(share * share.log()).sum(dim=1)).exp().mean()),
            "least occupancy": float(share.min()),
            "least variance": float(variance.min()),
            "median variance": float(variance.median()),
            "most variance": float(variance.max()),
            "memory fill": float(self.memory.fullness().mean()),
        }


def _class_logsumexp(values: Tensor, labels: Tensor, classes: int, *, joined: bool) -> Tensor:
    """Return the log-sum-exp over the points of each class, [n, M] -> [C, M].

    If `joined`, the points of all ranks are included.
    """
    index = labels[:, None].expand_as(values)
    top = values.new_full((classes, values.shape[1]), -torch.inf).scatter_reduce_(0, index, values, "amax")
    top = distributed.all_reduce_max(top) if joined else top
    top = torch.where(top.isfinite(), top, 0.0)
    total = torch.zeros_like(top).index_add_(0, labels, (values - top[labels]).exp())
    total = distributed.all_reduce_sum(total) if joined else total
    return total.clamp_min(torch.finfo(total.dtype).tiny).log() + top


def _choose(rings: Tensor, count: int, most: int, *, spaced: bool) -> tuple[Tensor, Tensor]:
    """Choose at most `most` points of each ring.

    Args:
        rings: int64 [n], the ring of each point.
        count: Number of rings.
        most: Maximum number of points per ring.
        spaced: Whether points are taken at even spacing in their order, at truncated positions, instead of at random.

    Returns:
        int64 [k], the positions of the chosen points, and int64 [k], their order within their ring.
    """
    if not spaced:
        shuffled = distributed.broadcast_from_first(torch.randperm(len(rings), device=rings.device))
        by_ring = shuffled[torch.argsort(rings[shuffled], stable=True)]
    else:
        by_ring = torch.argsort(rings, stable=True)
    sizes = count_indices(rings, count)  # [G]
    starts = torch.cumsum(sizes, 0) - sizes
    place = torch.arange(most, device=rings.device)[None]  # [1, most]
    held = sizes[:, None]
    spread = place * (held - 1).clamp_min(0) // max(most - 1, 1) if spaced else place
    position = torch.where(held > most, spread, place)
    ring, turn = (place < held).nonzero(as_tuple=True)
    return by_ring[starts[ring] + position[ring, turn]], turn

"""A mixture a class that is estimated while the network that feeds it is trained.

Of several ranks (mixture.distributed) each holds the same mixture and the same memory, and moves them alike: what
enters the memory, and which classes a step holds, is decided over the points of all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from oodbench.mixture import distributed
from oodbench.mixture.density import component_log_density
from oodbench.mixture.memory import Memory
from oodbench.mixture.presets import OnlineOptions
from oodbench.mixture.tally import tally

# Steps after which the memory's running sums are taken anew.
_RECOUNT = 1000


class OnlineMixture(nn.Module):
    """C mixtures of M diagonal Gaussians in D dimensions, moved by EM over a memory and never by a gradient.

    Args:
        classes: C.
        components: M.
        dimensions: D.
        options: how it is estimated and read.
        half: keep the memory in half precision.
    """

    mean: Tensor  # [C, M, D]
    deviation: Tensor  # [C, M, D], standard deviations
    occupancy: Tensor  # [C, M], the share of the class's points that each component fits best, of late
    steps: Tensor  # how many steps were taken
    estimations: Tensor  # how many of them estimated

    def __init__(
        self, classes: int, components: int, dimensions: int, options: OnlineOptions, *, half: bool = False
    ) -> None:
        super().__init__()
        self.options = options
        self.shape = (classes, components, dimensions)
        mean = torch.nn.init.trunc_normal_(torch.empty(self.shape), std=0.02)
        if not options.unit_means:
            mean = functional.normalize(mean, dim=2)  # means start on the sphere on which the points lie
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", torch.ones(self.shape))
        self.register_buffer("occupancy", torch.full(self.shape[:2], 1 / components))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("estimations", torch.zeros((), dtype=torch.int64))
        rings, parts = (classes * components, 1) if options.hard else (classes, components)
        self.memory = Memory(rings, options.memory, dimensions, parts, half=half)
        if options.random_start:
            # A ring at a time: at full size all of them are most of a gigabyte.
            self.memory.fill(functional.normalize(torch.randn(options.memory, dimensions), dim=1) for _ in range(rings))

    def log_density(self, points: Tensor) -> Tensor:
        """float32 [n, C, M] of points [n, D] under each component; gradients go to the points alone."""
        mean = functional.normalize(self.mean, dim=2) if self.options.unit_means else self.mean
        if self.training:
            self.mean.copy_(mean)
        return component_log_density(points.float(), mean, self.deviation.square())

    def class_score(self, log_density: Tensor) -> Tensor:
        """[n, C] from the components' log-densities [n, C, M]."""
        if self.options.class_score == "max":
            return log_density.amax(dim=2)
        return log_density.logsumexp(dim=2) - math.log(self.shape[1])

    @torch.no_grad()
    def assign(self, log_density: Tensor, labels: Tensor) -> Tensor:
        """The balanced shares of the true class's components in each labelled point.

        Args:
            log_density: [n, C, M].
            labels: int64 [n], 0 to C - 1: void points are left out beforehand.

        Returns:
            float32 [n, M]: each row sums to one, or is one component where assignments are hard.
        """
        classes, components, _ = self.shape
        joined = self.options.joined
        own = log_density.float()[torch.arange(len(labels), device=labels.device), labels]  # [n, M]
        self._watch(labels, own.argmax(dim=1))
        if self.options.scaled:
            largest = own.new_zeros(classes).scatter_reduce_(0, labels, own.abs().amax(dim=1), "amax")
            own = own / (distributed.largest(largest) if joined else largest)[labels, None]
        plan = own / self.options.epsilon
        for _ in range(3):
            plan = plan - _class_logsumexp(plan, labels, classes, joined=joined)[labels]
            plan = plan - plan.logsumexp(dim=1, keepdim=True)
        if self.options.hard:
            return functional.one_hot(plan.argmax(dim=1), components).float()
        return plan.exp()

    @torch.no_grad()
    def step(self, points: Tensor, labels: Tensor, shares: Tensor, right: Tensor) -> None:
        """Take in a batch of labelled points and, when it is time, estimate the classes that are in it.

        Args:
            points: [n, D].
            labels: int64 [n], 0 to C - 1.
            shares: [n, M], from `assign`.
            right: bool [n], whether the head classifies the point right.
        """
        classes, components, _ = self.shape
        present = distributed.summed(tally(labels, classes)) > 0
        if self.options.correct_only:
            entering = right.nonzero()[:, 0]
            points, labels, shares = points[entering], labels[entering], shares[entering]
        if self.options.hard:
            ring = labels * components + shares.argmax(dim=1)
            most, kept = self.options.samples, torch.ones(len(labels), 1, device=labels.device)
        else:
            ring, most, kept = labels, self.options.samples * components, shares
        everyone, start = distributed.joined(ring)
        most = min(most, self.options.memory)
        chosen, order = _choose(everyone, len(self.memory.pointer), most, spaced=self.options.spaced)
        x, share = (distributed.rows(part, start, chosen) for part in (points.float(), kept))
        self.memory.put(everyone[chosen], order, x, share)
        steps = int(self.steps)
        if steps % _RECOUNT == _RECOUNT - 1:
            self.memory.recount()
        if steps % self.options.interval == 0:
            self._estimate(present)
            self.estimations += 1
        self.steps += 1

    def _estimate(self, present: Tensor) -> None:
        """Move means and spreads of the classes [C] that are present toward what the memory holds."""
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
        # A component that owns no point has no estimate.
        moved = present[:, None, None] & (mass > 0)
        self.mean.copy_(torch.where(moved, mean, self.mean.double()))
        self.deviation.copy_(torch.where(moved, deviation, self.deviation.double()))

    def _watch(self, labels: Tensor, best: Tensor) -> None:
        """Keep count, over about a hundred batches, of which component of its class fits each point best."""
        classes, components, _ = self.shape
        counts = distributed.summed(tally(labels * components + best, classes * components)).view(classes, components)
        there = counts.sum(dim=1, keepdim=True)
        share = counts / there.clamp_min(1)
        self.occupancy.copy_(torch.where(there > 0, 0.99 * self.occupancy + 0.01 * share, self.occupancy))

    def facts(self) -> Mapping[str, float]:
        """For the log: how evenly the components are used, the spread of the variances, how full the memory is.

        `components in use` is the mean over the classes of exp(entropy of the occupancy): 1 to M.
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
    """log of the sum of exp over the points of each class, of all ranks if joined: [n, M] -> [C, M]."""
    index = labels[:, None].expand_as(values)
    top = values.new_full((classes, values.shape[1]), -torch.inf).scatter_reduce_(0, index, values, "amax")
    top = distributed.largest(top) if joined else top
    top = torch.where(top.isfinite(), top, 0.0)
    total = torch.zeros_like(top).index_add_(0, labels, (values - top[labels]).exp())
    total = distributed.summed(total) if joined else total
    return total.clamp_min(torch.finfo(total.dtype).tiny).log() + top


def _choose(rings: Tensor, count: int, most: int, *, spaced: bool) -> tuple[Tensor, Tensor]:
    """At most `most` points of each ring, and their order within it.

    Args:
        rings: int64 [n].
        count: how many rings there are.
        most: of one ring.
        spaced: at even spacing in the order in which they came, at truncated positions; else at random.
    """
    if not spaced:
        shuffled = distributed.of_the_first(torch.randperm(len(rings), device=rings.device))
        by_ring = shuffled[torch.argsort(rings[shuffled], stable=True)]
    else:
        by_ring = torch.argsort(rings, stable=True)
    there = tally(rings, count)  # [G]
    starts = torch.cumsum(there, 0) - there
    place = torch.arange(most, device=rings.device)[None]  # [1, most]
    held = there[:, None]
    spread = place * (held - 1).clamp_min(0) // max(most - 1, 1) if spaced else place
    position = torch.where(held > most, spread, place)
    ring, turn = (place < held).nonzero(as_tuple=True)
    return by_ring[starts[ring] + position[ring, turn]], turn

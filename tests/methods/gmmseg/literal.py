"""GMMSeg's head in float64 with plain loops, which follow the equations in oodbench.methods.gmmseg.head.

There are two implementations, one per preset. They share only the parameters with the code under test.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

Array = np.ndarray


def layer_norm(x: Array, gain: Array, bias: Array) -> Array:
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5) * gain + bias


def unit(x: Array) -> Array:
    return x / np.sqrt((x**2).sum(axis=-1, keepdims=True))


def log_normal(x: Array, mean: Array, variance: Array) -> float:
    total = 0.0
    for d in range(len(x)):
        total += -0.5 * np.log(2 * np.pi * variance[d]) - (x[d] - mean[d]) ** 2 / (2 * variance[d])
    return total


def log_sum_exp(values: Array) -> float:
    top = values.max()
    return float(top + np.log(np.exp(values - top).sum()))


def balance(scores: Array, rounds: int = 3) -> Array:
    """Balance shares [n, M]: components own equal shares of the points, and the shares of each point sum to one."""
    plan = np.exp(scores - scores.max())
    plan /= plan.sum()
    count, components = plan.shape
    for _ in range(rounds):
        plan /= plan.sum(axis=0, keepdims=True) * components
        plan /= plan.sum(axis=1, keepdims=True) * count
    return plan * count


@dataclass
class Literal:
    """State and one step of either preset."""

    preset: str
    mean: Array
    deviation: Array
    gain: Array
    bias: Array
    score_gain: Array
    score_bias: Array
    mean_momentum: float
    queue: dict[tuple[int, ...], list] = field(default_factory=dict)
    size: int = 0
    counter: int = 0

    def forward(self, features: Array) -> tuple[Array, Array, Array, Array]:
        """Compute x [n, D], component log-densities [n, C, M], class scores and maps [n, C] from features [n, D]."""
        x = unit(layer_norm(features, self.gain, self.bias))
        if self.preset == "authors":
            self.mean = unit(self.mean)
        classes, components, _ = self.mean.shape
        density = np.zeros((len(x), classes, components))
        for i, c, m in np.ndindex(density.shape):
            density[i, c, m] = log_normal(x[i], self.mean[c, m], self.deviation[c, m] ** 2)
        if self.preset == "authors":
            scores = density.max(axis=2)
            return x, density, scores, layer_norm(scores, self.score_gain, self.score_bias)
        scores = np.array([[log_sum_exp(d) - np.log(components) for d in row] for row in density])
        return x, density, scores, scores

    def shares(self, density: Array, labels: Array) -> Array:
        """Return the shares [n, M] of the true class's components in each labelled point; zero for void points."""
        found = np.zeros((len(labels), density.shape[2]))
        for c in range(density.shape[1]):
            rows = np.flatnonzero(labels == c)
            if not rows.size:
                continue
            own = density[rows, c]
            if self.preset == "authors":
                plan = balance(own / np.abs(own).max() / 0.05)
                for row, best in zip(rows, plan.argmax(axis=1), strict=True):
                    found[row, best] = 1.0
            else:
                found[rows] = balance(own)
        return found

    def losses(self, density: Array, maps: Array, labels: Array, shares: Array) -> tuple[float, float]:
        """Return the cross-entropy and the component loss without its weight."""
        known = np.flatnonzero(labels != 255)
        entropy = sum(log_sum_exp(maps[i]) - maps[i, labels[i]] for i in known)
        component = 0.0
        for i in known:
            flat = density[i].ravel()
            for m in range(density.shape[2]):
                component += shares[i, m] * (log_sum_exp(flat) - density[i, labels[i], m])
        return entropy / (len(labels) if self.preset == "authors" else len(known)), component / len(known)

    def step(self, x: Array, labels: Array, shares: Array, maps: Array) -> None:
        """Update the memory, then estimate the mixture at the interval."""
        classes, components, _ = self.mean.shape
        authors = self.preset == "authors"
        for c in range(classes):
            rows = np.flatnonzero(labels == c)
            if authors:
                rows = rows[maps[rows].argmax(axis=1) == c]
                for m in range(components):
                    mine = rows[shares[rows, m] == 1]
                    if len(mine) > 20:
                        mine = mine[[i * (len(mine) - 1) // 19 for i in range(20)]]
                    self._put((c, m), [(x[i], np.ones(1)) for i in mine])
            else:
                self._put((c,), [(x[i], shares[i]) for i in rows])
        if self.counter % (5 if authors else 1) == 0:
            for c in sorted(set(labels.tolist()) - {255}):
                for m in range(components):
                    self._estimate(c, m)
        self.counter += 1

    def _put(self, ring: tuple[int, ...], points: list) -> None:
        self.queue[ring] = (self.queue.get(ring, []) + points)[-self.size :]

    def _estimate(self, c: int, m: int) -> None:
        authors = self.preset == "authors"
        held = self.queue.get((c, m) if authors else (c,), [])
        weight = np.array([share[0 if authors else m] for _, share in held])
        points = np.array([point for point, _ in held])
        if not len(held) or weight.sum() == 0:
            return
        own = (weight[:, None] * points).sum(axis=0) / weight.sum()
        target = unit(points.sum(axis=0)) if authors else own
        variance = (weight[:, None] * (points - target) ** 2).sum(axis=0) / weight.sum() + 0.01
        self.mean[c, m] = self.mean_momentum * self.mean[c, m] + (1 - self.mean_momentum) * target
        if authors:
            self.deviation[c, m] = np.sqrt(variance)
        else:
            self.deviation[c, m] = np.sqrt(0.999 * self.deviation[c, m] ** 2 + 0.001 * variance)

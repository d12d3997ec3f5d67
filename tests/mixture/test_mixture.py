"""Densities compared with double precision and golden numbers, responsibilities by their marginals, and EM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture

from oodbench.mixture import ClassMixtures, balanced_responsibilities, fit_components

GOLDEN = Path(__file__).parents[1] / "golden"


def mixtures(classes: int, components: int, dimensions: int, spread: float, seed: int = 0) -> ClassMixtures:
    generator = torch.Generator().manual_seed(seed)
    mean = torch.nn.functional.normalize(torch.randn(classes, components, dimensions, generator=generator), dim=2)
    variance = spread**2 * (0.5 + torch.rand(classes, components, dimensions, generator=generator))
    return ClassMixtures(mean, variance)


def compute_in_double(mixture: ClassMixtures, points: torch.Tensor) -> torch.Tensor:
    normal = torch.distributions.Normal(mixture.mean.double(), mixture.variance.double().sqrt())
    return normal.log_prob(points.double()[:, None, None]).sum(dim=-1)  # [N, C, M]


@pytest.mark.parametrize(("offset", "spread"), [(0.0, 0.1), (0.0, 0.3), (30.0, 0.5)])
def test_density_equals_double_precision(offset: float, spread: float) -> None:
    mixture = mixtures(19, 5, 64, spread)
    mixture = ClassMixtures(mixture.mean + offset, mixture.variance)
    points = torch.nn.functional.normalize(torch.randn(2000, 64), dim=1) + offset
    expected = compute_in_double(mixture, points)
    error = (mixture.log_density(points) - expected).abs().max()
    assert error <= 1e-5 * expected.abs().max()
    summed = torch.logsumexp(expected, dim=2) - np.log(5)
    assert (mixture.class_log_density(points) - summed).abs().max() <= 1e-5 * summed.abs().max()


def test_density_equals_the_code_of_the_authors() -> None:
    golden = np.load(GOLDEN / "gmm_density.npz")
    mixture = ClassMixtures(torch.from_numpy(golden["means"]), torch.from_numpy(golden["std"]).square())
    found = mixture.log_density(torch.from_numpy(golden["x"])).flatten(1).numpy()
    assert np.abs(found - golden["logprob64"]).max() <= 1e-5 * np.abs(golden["logprob64"]).max()
    best = mixture.class_log_density(torch.from_numpy(golden["x"]), "max").numpy()
    assert np.abs(best - golden["class_max"]).max() <= 1e-5 * np.abs(golden["class_max"]).max()


def test_chunks_change_nothing() -> None:
    mixture = mixtures(3, 2, 8, 0.3)
    points = torch.randn(10_000, 8)
    parts = torch.cat([mixture.class_log_density(part) for part in torch.split(points, 777)])
    assert torch.allclose(parts, mixture.class_log_density(points), rtol=1e-6, atol=1e-5)


def test_responsibilities_are_balanced() -> None:
    share = balanced_responsibilities(4 * torch.randn(500, 5, generator=torch.Generator().manual_seed(1)), 200)
    assert torch.allclose(share.sum(dim=1), torch.ones(500), atol=1e-5)
    assert torch.allclose(share.sum(dim=0), torch.full((5,), 100.0), rtol=1e-3)


def test_responsibilities_accept_extreme_densities() -> None:
    share = balanced_responsibilities(1e4 * torch.randn(100, 3, generator=torch.Generator().manual_seed(1)))
    assert torch.isfinite(share).all()
    assert torch.allclose(share.sum(dim=1), torch.ones(100), atol=1e-5)


def test_em_finds_the_clusters_of_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    centres = np.array([[0.0, 0.0], [6.0, 0.0], [0.0, 6.0]])
    points = np.concatenate([rng.normal(centre, [0.5, 1.0], (400, 2)) for centre in centres]).astype(np.float32)
    mean, variance = fit_components(torch.from_numpy(points), 3, ridge=1e-6, seed=0)
    reference = GaussianMixture(3, covariance_type="diag", random_state=0, tol=1e-6).fit(points)
    order = np.lexsort(mean.round(decimals=0).numpy().T)
    theirs = np.lexsort(reference.means_.round(0).T)
    assert np.allclose(mean.numpy()[order], reference.means_[theirs], atol=0.02)
    assert np.allclose(variance.numpy()[order], reference.covariances_[theirs], atol=0.05)


def test_em_is_deterministic_and_accepts_a_constant_dimension() -> None:
    points = torch.randn(300, 4, generator=torch.Generator().manual_seed(2))
    points[:, 3] = 0
    first, second = (fit_components(points, 5, ridge=1e-3, seed=4) for _ in range(2))
    assert torch.equal(first[0], second[0])
    assert torch.isfinite(first[1]).all()
    assert (first[1] > 0).all()

"""Hand-written equations compared with autograd, torch.optim and scikit-learn; they do not use torch themselves."""

import math
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from sklearn.metrics import f1_score, precision_score, recall_score

from residerm.theory import adam, backprop, check_by_hand, formulas, residual
from residerm.theory.findings import EquationCheck, error_between

BY_HAND = ("backprop", "adam", "residual", "formulas")


def as_tensors(arrays: list[np.ndarray]) -> list[torch.Tensor]:
    return [torch.from_numpy(array).requires_grad_() for array in arrays]


def test_equations_do_not_use_torch() -> None:
    modules = ", ".join(f"residerm.theory.{name}" for name in BY_HAND)
    program = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@given(st.lists(st.integers(1, 9), min_size=2, max_size=6), st.integers(0, 99), st.sampled_from(["relu", "sigmoid"]))
def test_back_propagation_matches_autograd(widths: list[int], seed: int, name: str) -> None:
    random = np.random.default_rng(seed)
    weights = [random.normal(size=(after, before)) for before, after in pairwise(widths)]
    images, labels = random.normal(size=(widths[0], 5)), random.integers(widths[-1], size=5)
    activation = {"relu": backprop.RELU, "sigmoid": backprop.SIGMOID}[name]
    passed = backprop.forward(weights, images, activation)
    ours = backprop.backward(weights, passed, np.eye(widths[-1])[:, labels], activation).by_weights

    leaves, a = as_tensors(weights), torch.from_numpy(images)
    for w in leaves[:-1]:
        a = getattr(torch, name)(w @ a)
    torch.nn.functional.cross_entropy((leaves[-1] @ a).T, torch.from_numpy(labels), reduction="sum").backward()
    for own, leaf in zip(ours, leaves, strict=True):
        np.testing.assert_allclose(own, leaf.grad.numpy(), rtol=1e-9, atol=1e-12)


def test_cross_entropy_decreases_with_better_predictions() -> None:
    truth = np.array([[1.0], [0.0]])
    worse, better = (backprop.cross_entropy(truth, np.array([[p], [1 - p]])) for p in (0.5, 0.9))
    assert 0 < better < worse == pytest.approx(math.log(2))


def test_sigmoid_is_numerically_stable() -> None:
    x = np.array([-700.0, -40.0, 0.0, 40.0, 700.0])
    np.testing.assert_allclose(backprop.sigmoid(x), torch.sigmoid(torch.from_numpy(x)).numpy(), rtol=1e-12)
    assert (backprop.sigmoid_slope(x) > 0).all()
    assert backprop.sigmoid_slope(x).max() == 0.25


@pytest.mark.parametrize("second_decay", [0.999, 0.99])
def test_adam_matches_torch_for_a_thousand_steps(second_decay: float) -> None:
    random = np.random.default_rng(3)
    start, gradients = random.normal(size=(4, 3)), random.normal(size=(1000, 4, 3)) * 10.0 ** random.integers(-6, 3)
    parameter = torch.nn.Parameter(torch.from_numpy(start.copy()))
    optimizer = torch.optim.Adam([parameter], betas=(0.9, second_decay))
    for ours, gradient in zip(adam.adam(start, gradients, second_decay=second_decay), gradients, strict=True):
        parameter.grad = torch.from_numpy(gradient)
        optimizer.step()
        assert error_between([ours], [parameter.detach().numpy()]) < 1e-12


def test_residual_gradient_matches_autograd() -> None:
    random = np.random.default_rng(4)
    blocks = [residual.BlockWeights(random.normal(size=(6, 4)), random.normal(size=(4, 6)) / 4) for _ in range(5)]
    x, by_last = random.normal(size=4), random.normal(size=4)
    states = residual.forward(x, blocks)
    direct, through = residual.gradient_terms(states, blocks, by_last)

    start = torch.from_numpy(x).requires_grad_()
    end = start
    for inner, outer in ((torch.from_numpy(block.inner), torch.from_numpy(block.outer)) for block in blocks):
        end = end + outer @ torch.relu(inner @ end)
    (end @ torch.from_numpy(by_last)).backward()
    np.testing.assert_array_equal(direct, by_last)
    assert np.linalg.norm(through) > 0.1
    np.testing.assert_allclose(direct + through, start.grad.numpy(), rtol=1e-10)
    np.testing.assert_allclose(x + residual.sum_of_branches(states, blocks), end.detach().numpy(), rtol=1e-12)


def test_gradient_vanishes_at_the_eigenvalue_minus_one() -> None:
    block, point, direction = check_by_hand.vanishing_block(np.random.default_rng(5), 6)
    x = torch.from_numpy(point).requires_grad_()
    output = x + torch.from_numpy(block.outer) @ torch.relu(torch.from_numpy(block.inner) @ x)
    across = np.random.default_rng(6).normal(size=6)
    along_gradient, other = (
        torch.autograd.grad(output @ torch.from_numpy(one), x, retain_graph=True)[0].numpy()
        for one in (direction, across)
    )
    assert np.linalg.norm(along_gradient) < 1e-15
    assert np.linalg.norm(other) > 0.5 * np.linalg.norm(across)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_scores_match_scikit_learn(pairs: list[tuple[bool, bool]]) -> None:
    truth, called = (np.array(column) for column in zip(*pairs, strict=True))
    theirs = {
        formulas.precision: precision_score(truth, called, zero_division=np.nan),
        formulas.recall: recall_score(truth, called, zero_division=np.nan),
    }
    for ours, expected in theirs.items():
        own = ours(truth, called)
        assert math.isnan(expected) if own is None else own == pytest.approx(expected)
    f1 = formulas.f1(truth, called)
    if f1 is None:
        assert not (truth & called).any()
    else:
        assert f1 == pytest.approx(f1_score(truth, called))


def test_every_equation_of_the_paper_holds() -> None:
    found = list(check_by_hand.check_by_hand(7))
    named = " ".join(one.equation for one in found)
    assert [number for number in range(1, 20) if f"({number})" not in named] == []
    assert [one.equation for one in found if not one.holds] == []
    misprinted = [one for one in found if one.printed is not None]
    assert len(misprinted) >= 7
    assert all(one.printed > 1e-4 and one.correction for one in misprinted), "what is printed must be seen to be wrong"


@pytest.mark.parametrize(
    ("module", "function", "wrong"),
    [
        (backprop, "by_output_of", lambda w, delta: -(w.T @ delta)),
        (backprop, "last_delta", lambda p, y: p - 0.999 * y),
        (residual, "branch_jacobian", lambda _, block: block.outer @ block.inner),
        (adam, "adam", lambda start, gradients, **_: [start] * len(gradients)),
        (formulas, "recall", lambda _, called: float(called.mean())),
    ],
)
def test_wrong_equation_fails(monkeypatch: pytest.MonkeyPatch, module: object, function: str, wrong: object) -> None:
    monkeypatch.setattr(module, function, wrong)
    assert any(one.verdict == "FAILS" for one in check_by_hand.check_by_hand(0))


def test_nan_is_a_failure() -> None:
    assert not EquationCheck("(0)", "nowhere", "nothing", float("nan")).holds
    assert error_between([np.array([1.0, 2.0])], [np.array([1.0, 4.0])]) == 0.5
    with pytest.raises(ValueError, match="shapes"):
        error_between([np.zeros(2)], [np.zeros(3)])

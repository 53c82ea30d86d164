"""The equations written by hand in NumPy, each compared with autograd, torch.optim or scikit-learn, in float64.

Networks, images and gradients are random; every check uses several of them. If a formula is misprinted in a document,
it is also computed as printed, and its error is reported next to that of the correct one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from residerm.theory import adam, backprop, formulas, oracle, residual
from residerm.theory.backprop import RELU, SIGMOID, Activation, Array
from residerm.theory.findings import ADAM, EquationCheck, error_between, largest
from residerm.theory.residual import BlockWeights

_NETWORKS = 5  # random networks for each equation
_IMAGES, _CLASSES = 16, 7
_STEPS = 1000
# The middle layers have the same width, so that the printed formulas can be computed, and the last one is wider.
_WIDTHS_AS_PRINTED = (8, 8, 8, 12, _CLASSES)


def check_by_hand(seed: int) -> Iterator[EquationCheck]:
    """Check every equation that has a NumPy function, in the order of the paper."""
    random = np.random.default_rng(seed)
    yield from _activations(random)
    yield from _back_propagation(random)
    yield from _adam(random)
    yield from _residual(random)
    yield from _plain_products(random)
    yield from _scores(random)


@dataclass(frozen=True)
class Dense:
    """A random dense network and images, with the derivatives by autograd and by hand."""

    weights: list[Array]
    images: Array
    labels: np.ndarray

    @classmethod
    def drawn(cls, random: np.random.Generator, widths: tuple[int, ...] | None = None) -> Dense:
        """Draw a network of random or given widths, with weights scaled as by He et al., and random images."""
        inner = random.integers(4, 24, size=random.integers(2, 7))
        widths = widths or (int(random.integers(5, 40)), *inner.tolist(), _CLASSES)
        weights = [random.normal(size=(after, before)) * np.sqrt(2 / before) for before, after in pairwise(widths)]
        return cls(weights, random.normal(size=(widths[0], _IMAGES)), random.integers(_CLASSES, size=_IMAGES))

    @property
    def truth(self) -> Array:
        """The labels as columns of 0 and 1."""
        return np.eye(_CLASSES)[:, self.labels]

    def ours(self, activation: Activation = RELU) -> backprop.Backward:
        """The derivatives by hand."""
        return backprop.backward(
            self.weights, backprop.forward(self.weights, self.images, activation), self.truth, activation
        )

    def theirs(self, activation: str = "relu") -> backprop.Backward:
        """The derivatives by autograd."""
        return oracle.backward(self.weights, self.images, self.labels, activation)


def _activations(random: np.random.Generator) -> Iterator[EquationCheck]:
    x = random.normal(scale=4, size=10_000)
    for name, place, ours in (("relu", "paper 2.1", RELU), ("sigmoid", "talk", SIGMOID)):
        error = error_between((ours.value(x), ours.slope(x)), (oracle.value(name, x), oracle.slope(name, x)))
        yield EquationCheck(f"{name} and its derivative", place, "10,000 numbers: torch, autograd", error)
    slopes = SIGMOID.slope(np.append(x, 0.0))
    over = max(0.0, float(slopes.max()) - 0.25)
    yield EquationCheck(
        "0 < f'(z) ≤ 1/4",
        "talk",
        "excess over 1/4 at 10,000 numbers, and difference from 1/4 at 0",
        largest([over, abs(float(slopes[-1]) - 0.25), float(slopes.min() <= 0)]),
    )


def _back_propagation(random: np.random.Generator) -> Iterator[EquationCheck]:
    networks = [Dense.drawn(random) for _ in range(_NETWORKS)]
    special = Dense.drawn(random, _WIDTHS_AS_PRINTED)
    both = [(network.ours(), network.theirs()) for network in networks]
    yield _cross_entropy(networks)
    place, layers = "paper 2.3", f"{_NETWORKS} ReLU networks: autograd"

    def over_layers(part: Callable[[backprop.Backward], tuple[Array, ...]]) -> float:
        return largest([error_between(part(ours), part(theirs)) for ours, theirs in both])

    by_input, by_output = over_layers(lambda found: found.by_input), over_layers(lambda found: found.by_output)
    by_weights = over_layers(lambda found: found.by_weights)
    printed_sum, printed_weights, printed_delta = _as_printed(special)
    yield EquationCheck("(1), (2) δ = ∂CE/∂a · ω", place, f"∂CE/∂x in {layers}", by_input)
    yield EquationCheck("(3) sum over the next layer", place, f"∂CE/∂a in {layers}", by_output,
                  correction="the sum is over the m^(l+1) nodes of the next layer, not over m^l",
                  printed=printed_sum)  # fmt: skip
    yield EquationCheck("(4) ∂CE/∂a = wᵀδ", place, f"∂CE/∂a in {layers}", by_output,
                  correction="the weights are the next layer's, w^(l+1); the paper prints w^l",
                  printed=printed_weights)  # fmt: skip
    yield EquationCheck("(5) δ = wᵀδ · ω", place, f"∂CE/∂x in {layers}", by_input,
                  correction="as in (4): w^(l+1), not w^l", printed=printed_delta)  # fmt: skip
    yield EquationCheck("(6), (7) ∂CE/∂w = δaᵀ", place, f"∂CE/∂w in {layers}", by_weights)
    sigmoid = largest([error_between(one.ours(SIGMOID).by_weights, one.theirs("sigmoid").by_weights)
                       for one in networks])  # fmt: skip
    yield EquationCheck("(1) to (7) with a sigmoid", place, f"∂CE/∂w in {_NETWORKS} networks: autograd", sigmoid)
    yield _chain(random)


def _cross_entropy(networks: list[Dense]) -> EquationCheck:
    passed = [backprop.forward(one.weights, one.images) for one in networks]
    ours = [backprop.cross_entropy(one.truth, each.outputs[-1]) for one, each in zip(networks, passed, strict=True)]
    theirs = [oracle.cross_entropy(each.inputs[-1], one.labels) for one, each in zip(networks, passed, strict=True)]
    return EquationCheck(
        "CE = -Σ y log p",
        "paper 2.2",
        f"{_NETWORKS} networks: torch's cross_entropy",
        error_between(ours, theirs),
        correction="the paper's sum lacks the minus sign: it would be maximised, not minimised",
        printed=error_between([-loss for loss in ours], theirs),
    )


def _as_printed(network: Dense) -> tuple[float, float, float]:
    """The errors of (3), (4) and (5) as printed, at layers whose widths allow computing them."""
    found, slopes = network.theirs(), [RELU.slope(x) for x in backprop.forward(network.weights, network.images).inputs]
    narrow = len(network.weights[1])  # m^2 = 8, where m^3 = 12
    summed = network.weights[2][:narrow].T @ found.by_input[2][:narrow]
    through_own = network.weights[0].T @ found.by_input[1]
    return (
        error_between([summed], [found.by_output[1]]),
        error_between([through_own], [found.by_output[0]]),
        error_between([through_own * slopes[0]], [found.by_input[0]]),
    )


def _chain(random: np.random.Generator) -> EquationCheck:
    errors = []
    for name, activation in (("sigmoid", SIGMOID), ("relu", RELU)):
        for widths in ((1, 1, 1, 1), (9, 8, 7, 6)):
            weights = [random.normal(size=(after, before)) for before, after in pairwise(widths)]
            images, by_last = random.normal(size=(widths[0], _IMAGES)), random.normal(size=(widths[-1], _IMAGES))
            ours = backprop.chain(weights, images, by_last, activation)
            errors.append(error_between([ours], [oracle.chain(weights, images, by_last, name)]))
    return EquationCheck(
        "chain of three layers",
        "talk",
        "∂L/∂x with one node a layer, and with several: autograd",
        largest(errors),
        correction="exact as printed for one node per layer; for several, each w is transposed and the last is first",
    )


def _adam(random: np.random.Generator) -> Iterator[EquationCheck]:
    start = random.normal(size=50)
    scales = 10.0 ** random.uniform(-6, 3, size=50)
    gradients = list(scales * random.normal(size=(_STEPS, 50)) * (random.random((_STEPS, 50)) < 0.9))
    by_torch = {decay: list(oracle.adam(start, gradients, decay)) for decay in (0.999, 0.99)}
    by_hand = {decay: list(adam.adam(start, gradients, second_decay=decay)) for decay in by_torch}
    place, compared = "paper 3", f"{_STEPS:,} steps of 50 numbers: torch.optim.Adam"
    yield EquationCheck("Adam", place, compared, error_between(by_hand[0.999], by_torch[0.999]), ADAM)
    yield EquationCheck(
        "Adam's constants",
        "paper 3",
        f"{compared}, both with β2 = 0.99",
        error_between(by_hand[0.99], by_torch[0.99]),
        ADAM,
        correction="g = 0.99 is the pseudo-code's β2; Adam's authors and torch use 0.999, which gives another path",
        printed=error_between(by_hand[0.99], by_torch[0.999]),
    )


def _residual(random: np.random.Generator) -> Iterator[EquationCheck]:
    exact, sums, terms, activated = [], [], [], []
    for _ in range(_NETWORKS):
        blocks = [_drawn_block(random, 12) for _ in range(6)]
        x, by_last = random.normal(size=12), random.normal(size=12)
        states = residual.forward(x, blocks)
        by_torch, gradient = oracle.residual(x, blocks, by_last, activated=False)
        exact.append(error_between(states, by_torch))
        sums.append(error_between([x + residual.sum_of_branches(states, blocks)], [by_torch[-1]]))
        terms.append(error_between([sum(residual.gradient_terms(states, blocks, by_last))], [gradient]))
        activated.append(
            error_between(
                residual.forward(x, blocks, backprop.relu), oracle.residual(x, blocks, by_last, activated=True)[0]
            )
        )
    networks = f"{_NETWORKS} dense networks"
    yield EquationCheck("(8) f = ReLU", "paper 4", f"every x^l of {networks}: torch", largest(activated))
    yield EquationCheck("(9), (10) f the identity", "paper 4", f"every x^l of {networks}: torch", largest(exact))
    yield EquationCheck("(11) x^L = x^l + Σ F", "paper 4, talk", f"x^L of {networks}: torch", largest(sums))
    yield EquationCheck("(12) direct + through weights", "paper 4, talk",
                  f"both terms separately, {networks}: autograd", largest(terms),
                  remark="for vectors the 1 is the identity matrix, transposed like F's Jacobian")  # fmt: skip
    yield _eigenvalue(random)


def _eigenvalue(random: np.random.Generator) -> EquationCheck:
    """With J^T u = λ u, the gradient u becomes (1 + λ) u: it vanishes for λ = -1, whatever J is otherwise."""
    errors = []
    for _ in range(_NETWORKS):
        block, x = _drawn_block(random, 12), random.normal(size=12)
        jacobian = oracle.branch_jacobian(x, block)
        values, vectors = np.linalg.eig(jacobian.T)
        ours = (np.eye(12) + residual.branch_jacobian(x, block)).T @ vectors
        errors.append(error_between([ours], [vectors * (1 + values)]))
    block, x, direction = vanishing_block(random, 12)
    jacobian = residual.branch_jacobian(x, block)
    left = np.linalg.norm(direction + jacobian.T @ direction) / np.linalg.norm(direction)
    away = np.linalg.norm(jacobian + np.eye(12)) / np.linalg.norm(np.eye(12))
    return EquationCheck(
        "∂E/∂x = 0 where ∂ΣF/∂x = −1",
        "paper 4",
        f"(I + J)ᵀu and (1 + λ)u for all eigenpairs of {_NETWORKS} Jacobians by autograd",
        largest([*errors, float(left)]),
        correction="true for a scalar; a vector of gradients vanishes if J has the eigenvalue -1, along its "
        f"eigenvector: in the example, {left:.0e} of it remains, though J is not -I (|J + I| = {away:.2f} |I|)",
    )


def vanishing_block(random: np.random.Generator, nodes: int, share: float = 1.0) -> tuple[BlockWeights, Array, Array]:
    """A block, a point and a direction u with J = -share · u u^T there: for share 1, the gradient along u vanishes.

    F(x) = -share · u relu(u^T x), at a point where u^T x > 0.
    """
    direction = random.normal(size=nodes)
    direction /= np.linalg.norm(direction)
    point = random.normal(size=nodes)
    point += (1 - direction @ point) * direction
    return BlockWeights(direction[None, :], -share * direction[:, None]), point, direction


def vanishing_example(seed: int, nodes: int = 12) -> tuple[tuple[float, float, float, float], ...]:
    """For several t: the remaining gradient along u and in a random direction, relative; and |J + I| / |I|."""
    lines: list[tuple[float, float, float, float]] = []
    for share in np.linspace(0, 2, 41):
        random = np.random.default_rng(seed)  # the same block and gradient for every share
        block, point, direction = vanishing_block(random, nodes, share)
        shared = np.eye(nodes) + residual.branch_jacobian(point, block)
        other = random.normal(size=nodes)
        along, across = (float(np.linalg.norm(shared.T @ one) / np.linalg.norm(one)) for one in (direction, other))
        lines.append((float(share), along, across, float(np.linalg.norm(shared) / np.sqrt(nodes))))
    return tuple(lines)


def _plain_products(random: np.random.Generator) -> Iterator[EquationCheck]:
    forward, gradient, printed_forward, printed_gradient = [], [], [], []
    for _ in range(_NETWORKS):
        weights = [random.normal(size=(10, 10)) / np.sqrt(10) for _ in range(8)]
        x, by_last = random.normal(size=10), random.normal(size=10)
        output, by_first = oracle.linear_gradient(weights, x, by_last)
        forward.append(error_between([backprop.plain_forward(weights, x)], [output]))
        gradient.append(error_between([backprop.plain_gradient(weights, by_last)], [by_first]))
        ascending = backprop.product(weights[::-1])
        printed_forward.append(error_between([ascending @ x], [output]))
        printed_gradient.append(error_between([ascending.T @ by_last], [by_first]))
    networks = f"{_NETWORKS} plain networks: torch"
    yield EquationCheck("(13), (14) x^L = Π W x^l", "paper 4", f"x^L of {networks}", largest(forward),
                  correction="the product is ordered: W^(L-1) … W^l, the last leftmost",
                  printed=largest(printed_forward))  # fmt: skip
    yield EquationCheck("(15) ∂E/∂x^l = (Π W)ᵀ ∂E/∂x^L", "paper 4", f"∂E/∂x^l of {networks}", largest(gradient),
                  correction="as in (14), and transposed for a column of gradients",
                  printed=largest(printed_gradient))  # fmt: skip


def _scores(random: np.random.Generator) -> Iterator[EquationCheck]:
    from sklearn.metrics import precision_recall_fscore_support

    x = random.normal(scale=20, size=10_000)
    yield EquationCheck("(16) S(x) = e^x / (e^x + 1)", "paper 4.4", "10,000 numbers: torch.sigmoid",
                  error_between([formulas.logistic_as_printed(x)], [oracle.value("sigmoid", x)]),
                  remark="it overflows for x > 709; it is the softmax of two classes with logits x and 0")  # fmt: skip
    errors: dict[str, list[float]] = {"precision": [], "recall": [], "f1": []}
    for share in random.uniform(0.05, 0.95, size=100):
        truth, called = random.random(200) < share, random.random(200) < 0.5
        theirs = precision_recall_fscore_support(truth, called, average="binary")
        for name, expected in zip(errors, theirs, strict=False):
            errors[name].append(error_between([getattr(formulas, name)(truth, called)], [expected]))
    for number, name in zip((17, 18, 19), errors, strict=True):
        yield EquationCheck(f"({number}) {name}", "discussion", "100 tables of two classes: scikit-learn",
                      largest(errors[name]))  # fmt: skip


def _drawn_block(random: np.random.Generator, nodes: int) -> BlockWeights:
    """Random weights of a residual function with twice as many inner nodes."""
    inner = random.normal(size=(2 * nodes, nodes)) / np.sqrt(nodes)
    return BlockWeights(inner, random.normal(size=(nodes, 2 * nodes)) / np.sqrt(2 * nodes) / 2)

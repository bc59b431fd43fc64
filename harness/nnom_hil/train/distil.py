"""Training a simulation's weights toward what the float network answers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from nnom_hil.model.qgraph import Int8
from nnom_hil.train.simulate import Simulation

__all__ = ["Goal", "Recipe", "losses"]

FloatArray = npt.NDArray[np.float32]
_BETA_1: Final = 0.9
_BETA_2: Final = 0.999
_EPSILON: Final = 1e-7
_LEAST: Final = -128 / 128
_MOST: Final = 127 / 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """learning_rate: the first one, as a share of a format's range a step; it falls to zero along
    half a cosine. batch: vectors a step. seed: of their order.
    """

    epochs: int
    learning_rate: float
    batch: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a layer should give.

    layer: in the quantised graph. values: (n, elements), what the float network gives there.
    scale, offset: (elements,), what conversion made of these: codes stand for value * scale +
    offset. is_logits: whether softmax comes next.
    """

    layer: str
    values: FloatArray
    scale: FloatArray
    offset: FloatArray
    is_logits: bool


class _Adam:
    """Adam (Kingma and Ba 2015, arXiv:1412.6980) with one second moment a tensor, not a weight.

    Each weight would step equally far, whatever it does to the loss, and all would take the next
    code at once; so those that matter take it first, as with Ginsburg et al. 2019
    (arXiv:1905.11286).
    """

    def __init__(self, variables: list[Any]) -> None:
        self._variables = variables
        self._means = [tf.Variable(tf.zeros_like(v)) for v in variables]
        self._squares = [tf.Variable(0.0) for _ in variables]
        self._step = tf.Variable(0.0)

    def apply(self, gradients: list[Any], rate: Any) -> None:
        """Take a step of so much."""
        self._step.assign_add(1.0)
        rate = rate * tf.sqrt(1 - _BETA_2**self._step) / (1 - _BETA_1**self._step)
        state = zip(self._variables, self._means, self._squares, gradients, strict=True)
        for variable, mean, square, gradient in state:
            mean.assign(_BETA_1 * mean + (1 - _BETA_1) * gradient)
            square.assign(_BETA_2 * square + (1 - _BETA_2) * tf.reduce_mean(gradient**2))
            moved = variable - rate * mean / (tf.sqrt(square) + _EPSILON)
            variable.assign(tf.clip_by_value(moved, _LEAST, _MOST))


def losses(simulation: Simulation, codes: Int8, goal: Goal, recipe: Recipe) -> Iterator[float]:
    """Train on codes (n, *input shape), an epoch for each value that is taken: its mean loss."""
    step = _compiled(simulation, goal, _Adam(simulation.variables))
    rng = np.random.default_rng(recipe.seed)
    parts = -(-len(codes) // recipe.batch)
    for epoch in range(recipe.epochs):
        order, total = rng.permutation(len(codes)), 0.0
        for part in range(parts):
            some = order[part * recipe.batch : (part + 1) * recipe.batch]
            progress = (epoch * parts + part) / (recipe.epochs * parts)
            rate = recipe.learning_rate * 0.5 * (1 + np.cos(np.pi * progress))
            loss = step(
                tf.constant(codes[some], tf.float32),
                tf.constant(goal.values[some], tf.float32),
                tf.constant(rate, tf.float32),
            )
            total += float(loss) * len(some)
        yield total / len(codes)


def _compiled(simulation: Simulation, goal: Goal, adam: _Adam) -> Callable[[Any, Any, Any], Any]:
    """Return a step of training: codes, what they should give and the rate make a loss."""
    step = 2.0 ** -simulation.graph.by_name[goal.layer].dec
    spread = float(np.var(goal.values)) or 1.0

    def loss_of(got: Any, wanted: Any) -> Any:
        if goal.is_logits:  # softmax of both, by Kullback-Leibler divergence (Hinton et al. 2015)
            known, said = tf.nn.log_softmax(wanted), tf.nn.log_softmax(got)
            return tf.reduce_mean(tf.reduce_sum(tf.exp(known) * (known - said), axis=1))
        return tf.reduce_mean((got - wanted) ** 2) / spread

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]  # TensorFlow is untyped
    def train(x: Any, wanted: Any, rate: Any) -> Any:
        with tf.GradientTape() as tape:
            codes = simulation.run(x, goal.layer)[goal.layer]
            flat = tf.reshape(codes, (-1, goal.values.shape[1]))
            loss = loss_of((flat * step - goal.offset) / goal.scale, wanted)
        adam.apply(tape.gradient(loss, simulation.variables), rate)
        return loss

    return cast(Callable[[Any, Any, Any], Any], train)

"""Training a simulation's weights toward what the float network answers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from nnom_hil.model.qgraph import Int8
from nnom_hil.train.simulate import Simulation

__all__ = ["Goal", "Recipe", "losses"]

FloatArray = npt.NDArray[np.float32]
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-7


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """learning_rate: the first one, as a share of a format's range a step; it falls to zero along
    half a cosine. batch: vectors a step. seed: of their order.
    """

    epochs: int = 30
    learning_rate: float = 1e-4
    batch: int = 32
    seed: int = 0
    hints: float = 0.0
    kl: float = 1.0
    mse: float = 0.0
    temperature: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a layer should give. layer: in the quantised graph; values: (n, elements), what the float
    network gives; scale, offset: by element, what conversion made of those: real value of the codes
    = value * scale + offset. is_logits: whether softmax comes next, which sees differences only.
    """

    layer: str
    values: FloatArray
    scale: FloatArray
    offset: FloatArray
    is_logits: bool


class _Adam:
    """Kingma and Ba 2015 (arXiv:1412.6980), algorithm 1."""

    def __init__(self, variables: list[Any]) -> None:
        self._variables = variables
        self._means = [tf.Variable(tf.zeros_like(v)) for v in variables]
        self._squares = [tf.Variable(tf.zeros_like(v)) for v in variables]
        self._step = tf.Variable(0.0)

    def apply(self, gradients: list[Any], rate: Any) -> None:
        self._step.assign_add(1.0)
        rate = rate * tf.sqrt(1 - _BETA_2**self._step) / (1 - _BETA_1**self._step)
        for v, m, s, g in zip(
            self._variables, self._means, self._squares, gradients, strict=True
        ):
            m.assign(_BETA_1 * m + (1 - _BETA_1) * g)
            s.assign(_BETA_2 * s + (1 - _BETA_2) * g * g)
            v.assign(tf.clip_by_value(v - rate * m / (tf.sqrt(s) + _EPSILON), -1.0, 127 / 128))


def losses(
    simulation: Simulation, codes: Int8, goal: Goal, recipe: Recipe, hints: list[Goal] = []
) -> Iterator[float]:
    """Train an epoch each time; yield its mean loss."""
    adam = _Adam(simulation.variables)
    steps = -(-len(codes) // recipe.batch)
    dec = {n.name: n.dec for n in simulation.graph.nodes}

    def real(results, g):
        flat = tf.reshape(results[g.layer], (-1, g.values.shape[1]))
        return (flat * 2.0 ** -dec[g.layer] - g.offset) / g.scale

    spread = {g.layer: float(np.mean((g.values - g.values.mean(0)) ** 2)) + 1e-9 for g in [goal, *hints]}

    @tf.function(autograph=False)
    def step(x: Any, wanted: Any, rate: Any, *hint) -> Any:
        with tf.GradientTape() as tape:
            results = simulation.run(x)
            got = real(results, goal)
            loss = 0.0
            if recipe.kl and goal.is_logits:
                t = recipe.temperature
                p = tf.nn.softmax(wanted / t)
                loss += recipe.kl * t * t * tf.reduce_mean(
                    tf.reduce_sum(p * (tf.nn.log_softmax(wanted / t) - tf.nn.log_softmax(got / t)), 1)
                )
            if recipe.mse:
                loss += recipe.mse * tf.reduce_mean((got - wanted) ** 2) / spread[goal.layer]
            for g, h in zip(hints, hint):
                loss += recipe.hints * tf.reduce_mean((real(results, g) - h) ** 2) / spread[g.layer] / len(hints)
        gradients = tape.gradient(loss, simulation.variables)
        adam.apply(gradients, rate)
        return loss

    rng = np.random.default_rng(recipe.seed)
    for epoch in range(recipe.epochs):
        order = rng.permutation(len(codes))
        total = 0.0
        for i in range(steps):
            some = order[i * recipe.batch : (i + 1) * recipe.batch]
            progress = (epoch * steps + i) / (recipe.epochs * steps)
            rate = recipe.learning_rate * 0.5 * (1 + np.cos(np.pi * progress))
            total += float(
                step(
                    tf.constant(codes[some], tf.float32),
                    tf.constant(goal.values[some]),
                    tf.constant(rate, tf.float32),
                    *[tf.constant(h.values[some]) for h in hints],
                )
            ) * len(some)
        yield total / len(codes)

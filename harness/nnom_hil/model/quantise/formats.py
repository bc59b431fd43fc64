"""Which fraction bits every node of a float graph gets.

Layers that only move or clip values share the format of what they read: a *chain*, which begins at
the one node whose format is free (a convolution, dense, merge or the input) or fixed (what comes
out of tables and softmax is Q0.7). Merges and concatenations need inputs of one format: a *group*
of chains. A group takes the coarsest format that one of its chains asks for.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import assert_never

from nnom_hil.errors import ModelError
from nnom_hil.model.graph import (
    Activation,
    ActivationKind,
    Affine,
    Combine,
    Concatenate,
    Conv,
    Cropping,
    Dense,
    Flatten,
    FloatGraph,
    FloatNode,
    GlobalPool,
    Input,
    MergeKind,
    Pool,
    Requantise,
    Reshape,
    Rnn,
    Softmax,
    UpSample,
    ZeroPadding,
    unused_name,
)

__all__ = [
    "Groups",
    "Shifts",
    "assign_formats",
    "chain_of",
    "exact_merges",
    "readers_of",
    "tail_of",
]

_RELUS = {ActivationKind.RELU, ActivationKind.LEAKY_RELU, ActivationKind.ADV_RELU}
_FIXED_DEC = 7
_MAX_NEGATIVE = 24
_FOLLOWING = Conv | Dense | Combine | Pool | GlobalPool


# average pool -> least and most bits by which its result can be finer than its input
Shifts = dict[str, tuple[int, int]]


def readers_of(graph: FloatGraph) -> dict[str, list[FloatNode]]:
    """Return the nodes that read each node, once for each time they do."""
    result: dict[str, list[FloatNode]] = {node.name: [] for node in graph.nodes}
    for node in graph.nodes:
        for name in node.inputs:
            result[name].append(node)
    return result


def tail_of(node: FloatNode, readers: dict[str, list[FloatNode]]) -> FloatNode | None:
    """Return the activation that is all that reads the node, if there is one."""
    only = readers[node.name]
    return only[0] if len(only) == 1 and isinstance(only[0].op, Activation) else None


def _is_fixed(node: FloatNode) -> bool:
    match node.op:
        case Softmax() | Rnn():
            return True
        case Activation() as op:
            return op.kind not in _RELUS
        case (
            Input() | Conv() | Dense() | Affine() | Pool() | GlobalPool() | ZeroPadding()
            | Cropping() | UpSample() | Reshape() | Flatten() | Concatenate() | Combine()
            | Requantise()
        ):  # fmt: skip
            return False
        case never:
            assert_never(never)


def _is_free(node: FloatNode) -> bool:
    match node.op:
        case Input() | Conv() | Dense() | Combine() | Concatenate() | Requantise():
            return True
        case (
            Affine() | Activation() | Pool() | GlobalPool() | ZeroPadding() | Cropping()
            | UpSample() | Reshape() | Flatten() | Softmax() | Rnn()
        ):  # fmt: skip
            return False
        case never:
            assert_never(never)


def chain_of(graph: FloatGraph, stretch: Shifts) -> dict[str, str]:
    """Return the node at the beginning of each node's chain. A concatenation begins one.

    stretch: average pools that can change the format, where what they read can take part.
    """
    heads: dict[str, str] = {}
    rigid: set[str] = set()
    for node in graph.nodes:
        begins = _is_free(node) or _is_fixed(node)
        if _is_fixed(node) or isinstance(node.op, Input):
            rigid.add(node.name)
        # a pool cannot make its input's format coarser, so that one must be able to follow
        if node.name in stretch and heads[node.inputs[0]] not in rigid:
            begins = True
        heads[node.name] = node.name if begins else heads[node.inputs[0]]
    return heads


def exact_merges(graph: FloatGraph, heads: dict[str, str]) -> set[str]:
    """Return the merges whose result must have the format of their first input.

    NNoM gives a merge's result that format whatever its shift, layers with weights reckon on from
    it, and recurrent layers and advanced ReLU compute with what the library holds.
    """
    by_name = {node.name: node for node in graph.nodes}
    exact: set[str] = set()
    seen: set[str] = set()
    for node in graph.nodes:
        scales = isinstance(node.op, Rnn) or (
            isinstance(node.op, Activation) and node.op.kind is ActivationKind.ADV_RELU
        )
        head = heads[node.inputs[0]] if scales else None
        while head is not None and head not in seen:
            seen.add(head)
            source = by_name[head]
            if isinstance(source.op, Combine | Pool | GlobalPool):
                exact.add(head)
            ends = _is_fixed(source) or isinstance(source.op, Input)
            head = None if ends else heads[source.inputs[0]]
    return exact


@dataclass
class Groups:
    """Disjoint sets of chains, by their heads."""

    parent: dict[str, str]

    def find(self, name: str) -> str:
        """Return the name that stands for the set."""
        while self.parent[name] != name:
            name = self.parent[name]
        return name

    def join(self, names: Iterable[str]) -> None:
        """Make one set of those that the names are in."""
        first, *others = (self.find(name) for name in names)
        for other in others:
            self.parent[other] = first


def _joined_edges(node: FloatNode, exact: set[str]) -> tuple[tuple[int, ...], bool]:
    """Return the inputs that must have one format, and whether the result must have it too."""
    every = tuple(range(len(node.inputs)))
    match node.op:
        case Concatenate():
            return every, True
        case Combine(kind=MergeKind.MULT):
            return ((0,), True) if node.name in exact else ((), False)
        case Combine():
            return every, node.name in exact
        case Pool() | GlobalPool() if node.name in exact:
            return every, True
        case (
            Input() | Conv() | Dense() | Affine() | Activation() | Pool() | GlobalPool()
            | ZeroPadding() | Cropping() | UpSample() | Reshape() | Flatten() | Softmax()
            | Requantise() | Rnn()
        ):  # fmt: skip
            return (), False
        case never:
            assert_never(never)


# fraction bits of inputs -> the finest the node can give
Finest = Callable[[FloatNode, list[int]], int]


def assign_formats(
    graph: FloatGraph, wanted: dict[str, int], stretch: Shifts, finest: Finest
) -> tuple[FloatGraph, dict[str, int]]:
    """Return the graph, changes of format inserted where needed, and every node's fraction bits.

    wanted: the dec that each free chain asks for. finest: what a node can give at most.
    """
    chains = _Chains.of(graph, wanted, stretch)
    while chains.settle(finest):
        pass
    lowest = min(chains.decs, key=lambda name: chains.decs[name])
    if chains.decs[lowest] < -_MAX_NEGATIVE:
        raise ModelError(
            f"{lowest}: its values need {chains.decs[lowest]} fraction bits; scale the model's "
            "input or weights down"
        )
    return _insert(chains)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chains:
    """The chains of a graph, on the way to their formats.

    heads: by node, the one in which its chain begins. edges: node and input that must have their
    group's format. own: fraction bits that a head asks for, or has; decs: those of each group, by
    the name that stands for it.
    """

    graph: FloatGraph
    by_name: dict[str, FloatNode]
    stretch: Shifts
    heads: dict[str, str]
    exact: set[str]
    groups: Groups
    edges: list[tuple[FloatNode, int]]
    own: dict[str, int]
    decs: dict[str, int]

    @classmethod
    def of(cls, graph: FloatGraph, wanted: dict[str, int], stretch: Shifts) -> "_Chains":
        """Tie chains to groups; each group has the coarsest format of those it asks for."""
        heads = chain_of(graph, stretch)
        exact = exact_merges(graph, heads)
        groups = Groups({head: head for head in set(heads.values())})
        edges: list[tuple[FloatNode, int]] = []
        for node in graph.nodes:
            inputs, with_result = _joined_edges(node, exact)
            names = [heads[node.inputs[i]] for i in inputs] + ([node.name] if with_result else [])
            if names:
                groups.join(names)
                edges += [(node, i) for i in inputs]
        by_name = {node.name: node for node in graph.nodes}
        fixed = {head: _FIXED_DEC for head in groups.parent if _is_fixed(by_name[head])}
        # a concatenation asks for nothing
        own = {head: dec for head, dec in wanted.items() if head in groups.parent} | fixed
        decs = {groups.find(head): 99 for head in groups.parent}
        for head, dec in own.items():
            decs[groups.find(head)] = min(decs[groups.find(head)], dec)
        return cls(
            graph=graph,
            by_name=by_name,
            stretch=stretch,
            heads=heads,
            exact=exact,
            groups=groups,
            edges=edges,
            own=own,
            decs=decs,
        )

    def is_rigid(self, name: str) -> bool:
        """Whether the node's chain begins with a format that cannot be another."""
        head = self.by_name[self.heads[name]]
        return _is_fixed(head) or isinstance(head.op, Input)

    def group_dec(self, name: str) -> int:
        """Return the fraction bits of the group that a node's chain is in."""
        return self.decs[self.groups.find(self.heads[name])]

    def dec_of(self, name: str) -> int:
        """Return a node's fraction bits."""
        return self.own[self.heads[name]] if self.is_rigid(name) else self.group_dec(name)

    def settle(self, finest: Finest) -> bool:
        """Make formats coarser where a node cannot give them; return whether any changed."""
        changed = False
        for node in self.graph.nodes:
            if self.heads[node.name] == node.name and isinstance(node.op, _FOLLOWING):
                changed |= self._follow(node, finest)
        return changed

    def _follow(self, node: FloatNode, finest: Finest) -> bool:
        joined, _ = _joined_edges(node, self.exact)  # whose inputs come in the group's format
        inputs = [
            self.group_dec(name) if i in joined else self.dec_of(name)
            for i, name in enumerate(node.inputs)
        ]
        limit = finest(node, inputs)
        changed = self.dec_of(node.name) > limit
        if changed:
            self.decs[self.groups.find(node.name)] = limit
        if node.name in self.stretch:
            least, most = self.stretch[node.name]
            coarsest = limit - most + (0 if node.name in self.exact else least)
            if self.dec_of(node.name) < coarsest:  # the input has to be coarser
                source = self.groups.find(self.heads[node.inputs[0]])
                self.decs[source] -= coarsest - self.dec_of(node.name)
                changed = True
        return changed


def _insert(chains: _Chains) -> tuple[FloatGraph, dict[str, int]]:
    """Put a change of format where a rigid chain enters a group of another format."""
    graph = chains.graph
    result = {node.name: chains.dec_of(node.name) for node in graph.nodes}
    before: dict[str, list[FloatNode]] = {}
    rewired: dict[str, list[str]] = {node.name: list(node.inputs) for node in graph.nodes}
    made: dict[str, str] = {}
    for node, i in chains.edges:
        source = node.inputs[i]
        if not chains.is_rigid(source) or result[source] == chains.group_dec(source):
            continue
        if source not in made:
            name = unused_name(f"{source}_requantise", result)
            made[source] = name
            result[name] = chains.group_dec(source)
            new = FloatNode(name=name, op=Requantise(), inputs=(source,))
            before.setdefault(node.name, []).append(new)
        rewired[node.name][i] = made[source]
    nodes = [
        n
        for node in graph.nodes
        for n in (*before.get(node.name, []), replace(node, inputs=tuple(rewired[node.name])))
    ]
    return replace(graph, nodes=tuple(nodes)), result

"""The graph of a training step, as TensorFlow runs it, has no data race."""

import collections

import pytest
import tensorflow as tf
from support.contract import build, fit
from support.contract_cases import PLUG_INS, SCHEMES
from tensorflow.python.eager import context  # has the graphs that are run

from kerasfer.training.read_order import reads_before_writes


def races(graph):
    """Pairs of a read and an assignment of one variable that nothing puts in order."""
    nodes = {node.name: node for node in graph.node}
    after = collections.defaultdict(set)
    for node in graph.node:
        for source in node.input:
            after[source.lstrip("^").split(":")[0]].add(node.name)

    def reached(name):
        found, left = set(), [name]
        while left:
            new = after[left.pop()] - found
            found |= new
            left += new
        return found

    uses = collections.defaultdict(list)
    for node in graph.node:
        if node.op == "ReadVariableOp" or node.op.startswith("Assign"):
            uses[node.input[0].split(":")[0]].append(node.name)
    for names in uses.values():
        later = {name: reached(name) for name in names}
        for i, one in enumerate(names):
            for other in names[i + 1 :]:
                reads = nodes[one].op == nodes[other].op == "ReadVariableOp"
                if not reads and other not in later[one] and one not in later[other]:
                    yield one, other


def graphs_of(call):
    """All graphs that a call runs, after optimisation."""
    context.enable_run_metadata()
    try:
        call()
        metadata = context.export_run_metadata()
    finally:
        context.disable_run_metadata()
    return [g for f in metadata.function_graphs for g in f.partition_graphs]


@pytest.mark.parametrize(
    ("scheme", "plug_in"),
    [
        ("mek", "alone"),
        ("large_margin", "everything"),
        ("island", "alone"),
        ("pseudo_emotion", "alone"),
        ("margin_mix", "alone"),
        ("fixmatch", "remop"),
    ],
)
def test_reads_come_before_assignments(scheme, plug_in):
    model = build(SCHEMES[scheme], PLUG_INS[plug_in])
    graphs = graphs_of(lambda: fit(model, steps=1))
    assigned = [n for g in graphs for n in g.node if n.op.startswith("Assign")]
    assert len(assigned) > 10  # else these are other graphs
    assert [race for graph in graphs for race in races(graph)] == []


def test_the_analysis_sees_a_race():
    graph = tf.Graph()
    with graph.as_default():
        variable = tf.Variable(1.0)
        variable.assign(2.0)
        variable.read_value()
    assert [*races(graph.as_graph_def())]


def test_what_was_set_before_is_set_again():
    options = tf.config.optimizer.get_experimental_options
    before = options().get("dependency_optimization", True)
    with pytest.raises(KeyError), reads_before_writes():
        assert options()["dependency_optimization"] is False
        raise KeyError
    assert options()["dependency_optimization"] is before

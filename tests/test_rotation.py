"""Shares of like cases: together all of them, none twice."""

import types

import pytest
from support import rotation


@pytest.fixture
def turns(monkeypatch):
    monkeypatch.delenv("KERASFER_TESTS", raising=False)
    return lambda turn: monkeypatch.setattr(rotation, "_turn", lambda: turn)


def test_commits_in_a_row_take_each_case_once(turns):
    taken = []
    for turn in (6, 7, 8):
        turns(turn)
        taken += rotation.of_this_commit(range(10))
    assert sorted(taken) == list(range(10))


def test_a_twelfth_is_fast_and_a_third_is_tested(turns):
    fast, tested = [], []
    for turn in range(12):
        turns(turn)
        for case in rotation.often(range(20)):
            tested.append(case if isinstance(case, int) else case.values[0])
            fast += [case] if isinstance(case, int) else []
            assert isinstance(case, int) or case.marks[0].name == "slow"
    assert sorted(fast) == list(range(20))  # each once in twelve commits
    assert sorted(tested) == sorted(4 * list(range(20)))  # each four times


def test_a_share_has_each_test_in_its_turn(turns):
    class Item:
        def __init__(self, name):
            self.module = types.SimpleNamespace(__name__=name)

    def items_of(name, count):
        return [Item(name) for _ in range(count)]

    programs = [item for k in range(8) for item in items_of(f"test_program_{k}", 2)]
    long = [item for name in sorted(rotation.LONG)[:3] for item in items_of(name, 2)]
    singly, others = items_of("test_docstrings", 9), items_of("test_unit", 2)
    items = [*programs, *long, *singly, *others]

    def step_of(module):
        return "recipes" if "program" in module.__name__ else "unit"

    taken = []
    for turn in range(72):
        turns(turn)
        share = rotation.in_turn(items, step_of)
        assert len(share) == 2 + 2 + 1 + 2  # a module of each kind, one, and the rest
        taken += share
    counts = [sum(item is one for one in taken) for item in items]
    assert counts == [9] * 16 + [24] * 6 + [8] * 9 + [72] * 2


def test_all_are_taken_if_asked_for(turns, monkeypatch):
    turns(1)
    monkeypatch.setenv("KERASFER_TESTS", "all")
    assert rotation.often(["a", "b"]) == ["a", "b"]


def test_without_a_repository_the_turn_is_the_first(monkeypatch):
    def absent(*arguments, **options):
        raise OSError("no git")

    monkeypatch.setattr(rotation.subprocess, "run", absent)
    assert rotation._turn.__wrapped__() == 0

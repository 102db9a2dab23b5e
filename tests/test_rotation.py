"""Shares of like cases: together all of them, none twice."""

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


def test_a_ninth_is_fast_and_a_third_is_tested(turns):
    fast, tested = [], []
    for turn in range(9):
        turns(turn)
        for case in rotation.often(range(20)):
            tested.append(case if isinstance(case, int) else case.values[0])
            fast += [case] if isinstance(case, int) else []
            assert isinstance(case, int) or case.marks[0].name == "slow"
    assert sorted(fast) == list(range(20))  # each once in nine commits
    assert sorted(tested) == sorted(3 * list(range(20)))  # each three times


def test_all_are_taken_if_asked_for(turns, monkeypatch):
    turns(1)
    monkeypatch.setenv("KERASFER_TESTS", "all")
    assert rotation.often(["a", "b"]) == ["a", "b"]


def test_without_a_repository_the_turn_is_the_first(monkeypatch):
    def absent(*arguments, **options):
        raise OSError("no git")

    monkeypatch.setattr(rotation.subprocess, "run", absent)
    assert rotation._turn.__wrapped__() == 0

"""The retry rules against spec/vectors/rules.json, which the tests of the other clients read, too."""

import itertools
import json
import pathlib

import pytest

import quorlite
from quorlite import _core

VECTORS = json.loads(
    (pathlib.Path(__file__).resolve().parents[2] / "spec/vectors/rules.json").read_text()
)


def combinations(dimensions, narrowed):
    values = [narrowed.get(name, every) for name, every in dimensions.items()]
    return [dict(zip(dimensions, each)) for each in itertools.product(*values)]


def decide(event, at):
    context = (at["effect"], at["in_transaction"], at["idempotent"], at["delivered"])
    if "failure" in event:
        return _core.classify_failure(*event["failure"], context)
    if "loss" in event:
        return _core.classify_loss(event["loss"]["sent"], event["kind"], context)
    return _core.classify_abandoned(event["abandoned"], event["kind"], context)


def test_every_decision():
    seen = set()
    for case in VECTORS["cases"]:
        for name in case["events"]:
            event = VECTORS["events"][name]
            wanted = dict(
                dict.fromkeys(("may_retry", "leave", "transaction_gone", "probe"), False),
                kind=event["kind"],
                **case["then"],
            )
            for at in combinations(VECTORS["context"], case):
                key = (name, *at.values())
                assert key not in seen, key
                seen.add(key)
                if not at["several"]:  # this client sends one statement in a request
                    assert decide(event, at) == wanted, key
    assert len(seen) == len(VECTORS["events"]) * len(combinations(VECTORS["context"], {}))


def test_which_transactions_are_run_again():
    seen = set()
    for case in VECTORS["rerun_cases"]:
        for at in combinations(VECTORS["rerun_context"], case):
            key = tuple(at.values())
            assert key not in seen, key
            seen.add(key)
            again = _core.may_rerun(at["kind"], at["verdict"], at["may_retry"], at["idempotent"])
            assert again == case["rerun"], key
    assert len(seen) == len(combinations(VECTORS["rerun_context"], {}))


@pytest.mark.parametrize("wrong", [("nonsense", "in_doubt"), ("sql", "nonsense")])
def test_words_that_do_not_exist(wrong):
    with pytest.raises(ValueError, match="nonsense"):
        _core.may_rerun(*wrong, True, True)


def test_the_old_name_of_may_retry_warns():
    error = quorlite.OperationalError("?")
    with pytest.warns(DeprecationWarning):
        error.retriable = True
    assert error.may_retry
    with pytest.warns(DeprecationWarning):
        assert error.retriable

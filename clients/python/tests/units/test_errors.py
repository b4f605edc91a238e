"""Errors go where programs send them: also to other processes."""

from __future__ import annotations

import copy
import pickle

import pytest

from sluicegate import AdminError, SluicegateError

ERRORS = [
    SluicegateError(4429, "rate_limited", "slower", retry=True, retry_after_ms=700, plugin="abuse_filter"),
    AdminError(503, "not_ready", "later", retry=True, retry_after_ms=2000, problem={"nodes": ["a"]}),
]


@pytest.mark.parametrize("error", ERRORS, ids=["broker", "admin"])
def test_an_error_is_the_same_in_another_process(error: SluicegateError) -> None:
    for copied in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301
        assert type(copied) is type(error)
        assert vars(copied) == vars(error)
        assert str(copied) == str(error)

"""What the bench reads from wrk."""

import pytest

from tests.bench.wrk import result_of


def test_a_wrk_that_failed_says_so() -> None:
    with pytest.raises(ValueError, match="unable to connect"):
        result_of("unable to connect to 127.0.0.1")

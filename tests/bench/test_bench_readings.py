"""What the bench reads from the operating system and from wrk."""

import pytest

from tests.bench.load import Counted, read_wrk
from tests.bench.process import TICKS_PER_S, cpu_s, resident_mib


def test_cpu_time_of_a_process_with_an_odd_name() -> None:
    fields = ["S", *["0"] * 10, "250", "50", *["0"] * 30]
    assert cpu_s(f"12 (a) b) {' '.join(fields)}") == 300 / TICKS_PER_S


def test_resident_memory() -> None:
    assert resident_mib("Name:\tx\nVmRSS:\t   2048 kB\n") == 2.0


def test_the_end_of_wrk() -> None:
    output = "  123 requests in 5.01s, 1MB read\n  Non-2xx or 3xx responses: 7\n"
    assert read_wrk(output) == Counted(123, 7, 5.01)


def test_a_wrk_that_failed() -> None:
    with pytest.raises(ValueError, match="unable to connect"):
        read_wrk("unable to connect to 127.0.0.1")

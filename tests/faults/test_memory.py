"""Memory is that of the batches in flight, not of the archive."""

from benchmarks import memory

BOUND = 40.0
"""MB; ten times the items may cost this much more, most of it the report's pictures."""


def test_ten_times_the_items_take_hardly_more_memory(capsys):
    few, many = memory.main((40, 400), extents=(24, 32))
    assert (few.items, many.items) == (40, 400)
    assert few.coordinator > 50
    assert few.worker > 50
    assert many.coordinator - few.coordinator < BOUND
    assert many.worker - few.worker < BOUND
    assert "10 times the items: coordinator 1." in capsys.readouterr().out

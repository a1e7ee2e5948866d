import pytest
from hypothesis import given
from hypothesis import strategies as st

from carryon.shared import margins
from carryon.shared.settings import parse


@pytest.mark.parametrize(
    ("margin", "left_ms", "expected"),
    [
        ("", 3_000, 500),
        ("", 10_000, 1_000),
        ("", 900_000, 5_000),
        ("", 600, 300),
        ("2s", 10_000, 2_000),
        ("2s", 3_000, 1_500),
        ("10%", 60_000, 6_000),
        ("50%", 3_000, 1_500),
        ("20000ms", 900_000, 20_000),
    ],
)
def test_margin_follows_the_setting_and_the_time_left(margin, left_ms, expected):
    """A tenth between 0.5 s and 5 s unless set, and never more than half of what is left."""
    assert expected == margins.margin_ms(parse({"CARRYON_MARGIN": margin}), left_ms)


@given(st.sampled_from(["", "100ms", "2s", "0.5%", "50%", "999999s"]), st.integers(0, 900_000))
def test_half_of_the_time_always_belongs_to_the_handler(margin, left_ms):
    """No setting takes the handler's time away."""
    assert 0 <= margins.margin_ms(parse({"CARRYON_MARGIN": margin}), left_ms) <= left_ms // 2


@pytest.mark.parametrize(
    ("left_ms", "largest"), [(3_000, 1_500), (2_990, 1_500), (2_050, 1_500), (2_000, 1_000), (899_900, 450_000)]
)
def test_half_of_the_timeout_is_no_mistake(left_ms, largest):
    """Some of the time is gone at the start; the timeout is in whole seconds."""
    assert largest == margins.largest_ms(left_ms)


def warm_up(memory_mb, until_alarm_ms=10**9, **options):
    environ = {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_mb)}
    return margins.warm_up_before_alarm_ms(environ, until_alarm_ms, **options)


@pytest.mark.parametrize("environ", [{}, {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "much"}])
def test_unknown_memory_counts_as_a_full_core(environ):
    """Whoever runs the layer outside Lambda may not say the size."""
    assert warm_up(10_240) == margins.warm_up_before_alarm_ms(environ, 10**9) > 0


@given(st.integers(-1, 10_240), st.integers(-1, 10_240))
def test_less_memory_never_needs_less_time_to_get_ready(one, other):
    """The share of a CPU goes with the memory."""
    small, large = sorted((one, other))

    assert warm_up(small) >= warm_up(large)


@given(st.integers(-1, 10_240), st.integers(0, 900_000))
def test_no_courier_starts_in_the_first_quarter(memory_mb, until_alarm_ms):
    """Most invocations end before, and pay for none."""
    light, with_botocore = (warm_up(memory_mb, until_alarm_ms, is_long=is_long) for is_long in (False, True))

    assert 0 <= light <= with_botocore <= until_alarm_ms * 3 / 4

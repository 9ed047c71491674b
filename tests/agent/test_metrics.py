"""The page of many Envoys as one."""

from weft.agent import metrics


def test_pages_are_merged_by_metric_with_the_proxy_as_a_label() -> None:
    """One TYPE line a metric, all samples under it, each with its proxy."""
    first = '# TYPE envoy_a counter\nenvoy_a{x="1"} 2\n# TYPE envoy_b gauge\nenvoy_b{} 3\n'
    second = '# TYPE envoy_a counter\nenvoy_a{x="2"} 5\n'
    assert metrics.merged({"d/w": first, "d/v": second}) == (
        "# TYPE envoy_a counter\n"
        'envoy_a{proxy="d/v",x="2"} 5\n'
        'envoy_a{proxy="d/w",x="1"} 2\n'
        "# TYPE envoy_b gauge\n"
        'envoy_b{proxy="d/w"} 3\n'
    )


def test_the_agents_own_numbers_have_help_and_type() -> None:
    """As Prometheus wants them."""
    assert metrics.own([("weft_x", "gauge", "An x.", 2.0)]) == "# HELP weft_x An x.\n# TYPE weft_x gauge\nweft_x 2\n"

"""Envoy's fractions as percentages. https://www.envoyproxy.io/docs/envoy/latest/api-v3/type/v3/percent.proto"""

from envoy.type.v3.percent_pb2 import FractionalPercent

_WHOLE = {FractionalPercent.HUNDRED: 100, FractionalPercent.TEN_THOUSAND: 10_000, FractionalPercent.MILLION: 1_000_000}


def percent(of: FractionalPercent) -> float:
    """Of a hundred."""
    return 100 * float(of.numerator) / _WHOLE[of.denominator]

"""Percentages to four decimals, as Envoy counts them: in millionths.
https://www.envoyproxy.io/docs/envoy/latest/api-v3/type/v3/percent.proto
"""

from envoy.type.v3.percent_pb2 import FractionalPercent


def fractional_percent(of: float) -> FractionalPercent:
    """`of` of a hundred."""
    return FractionalPercent(numerator=min(1_000_000, max(0, round(of * 10_000))), denominator="MILLION")

"""weft: a service mesh in Python.

Everything enters as a **resource**, is translated once into a **mesh**, is narrowed for one proxy to a **scope**, is
compiled to **Envoy resources**, and is told to that Envoy by a **session**.

Read the packages in this order: `resource`, `model`, `translate`, `compile`, `envoy`, `xds`, `store` and `discovery`,
`ca`, `supervisor` and `agent`, `telemetry`, `controlplane`, `cli`. The modules beside this page (`ref`, `hostname`,
`identity`, `finding`, `messages`) are the words that all of them share. ARCHITECTURE.md says why it is built this way.
"""

__version__ = "0.1.0"

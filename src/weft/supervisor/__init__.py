"""The parent of every process of a machine, and the holder of the socket at which its Envoys ask for configuration.

In: a `weft.yaml` (the Compose specification's YAML with `x-weft:`). Out: processes (control plane, agent, Envoys,
applications), their restarts, their logs, and the control socket at which the agent and the CLI ask for more. It never reads
a mesh resource, never speaks gRPC, and stays small: it must be the last thing on the machine to fail.

Read in this order: `application.py` (what a file says), `compose.py` (reads it: `yaml_tree`, `interpolation`, `compose_schema`),
`plan.py` (what each instance is given), `processes.py`, `socket.py`, `control.py`, then `supervisor.py`, which is the loop.
"""

"""The two gRPC servers of the control plane: TLS that changes while they run, limits, and who the peer is.

In: the authority. Out: servers for others to add their services to, and `Peers`, which answers with the node at the other
end of a call. It never reads a message.
"""

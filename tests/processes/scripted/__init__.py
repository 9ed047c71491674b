"""Stand-ins for the other programs of a machine, so that the supervisor can be tried alone."""

"""Programs that know nothing of a mesh: clients in several languages, each of which calls the URL it is given, and servers."""

"""weft's own kinds (group mesh.weft.dev), as few as possible."""

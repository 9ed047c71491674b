"""Resources into a mesh, module by module, and the law that the order of changes never matters."""

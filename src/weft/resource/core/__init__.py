"""Kubernetes' core kinds, as far as a mesh reads them: Namespace, Service, Secret, ConfigMap (group "", version v1)."""

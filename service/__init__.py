"""Fallline's service: REST, the queue, the database and the cluster around the studies."""

"""What `fallline` can do, a module a subject; `service.cli` puts the commands together."""

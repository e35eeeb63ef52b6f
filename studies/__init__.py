"""Fallline's studies: what to try next, what came back, and what it means."""

"""Fallline's optimizers: every update rule trains a whole stack of trials at once."""

"""Fallline's optimizers: every update rule trains a whole stack of trials at once."""

import os

# Without it Intel's matrix products round by where in memory an operand happens to lie, so a
# trial's numbers would depend on its place in the stack. Read at the first product; costs no time.
os.environ.setdefault("MKL_CBWR", "AUTO")

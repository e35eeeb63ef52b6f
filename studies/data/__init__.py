"""From a typed table to the arrays that trials train on."""

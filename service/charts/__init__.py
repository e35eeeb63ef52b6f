"""Charts as figures for plotly's script: a module for each, over the numbers that `studies` gives.

A figure is plain data, ``{"data": [...], "layout": {...}}``: plotly's own classes check every field
of it, which takes longer than all that is drawn here; the tests let them. Of what users may name only
metrics come into one, whose names hold nothing that plotly would take for markup.
"""

"""Turns a film into a grid of segments and rungs that plays a second after it was found."""

"""Orders: what was asked, what moves, which events move it, and what may be asked for at all."""

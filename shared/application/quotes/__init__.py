"""Reading quotes: this process's copy of them, and what clients ask of it."""

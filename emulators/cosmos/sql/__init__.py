"""The query language: text to syntax tree, to a program over documents, and to a plan for clients.

syntax, tokens, parser, writer      text and tree
budget, functions, operators, like, aggregates, scalars    expressions
checks, program                     queries
pinned, plan                        what a query reaches, and how clients spread it over ranges
"""

"""Everything people read is held equal to the code: links, commands, tables, examples."""

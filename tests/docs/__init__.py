"""Everything people read is compared with the code: links, commands, tables, examples."""

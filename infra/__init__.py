"""Everything that the broker needs in Azure, and the tools around it. Nothing here is shipped."""

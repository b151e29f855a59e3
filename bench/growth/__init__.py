"""What statements read as the history grows."""

"""Azure on one bare machine: generic emulators that know nothing of brokers."""

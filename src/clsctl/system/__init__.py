"""Files, processes, threads, and what the machine has: nothing in here knows about models."""

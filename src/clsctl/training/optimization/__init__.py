"""What a step is made of: losses, the optimizer, its schedule, averaging and mixed precision."""

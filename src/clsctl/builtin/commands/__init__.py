"""One file a command or group of commands; each registers itself through the hook."""

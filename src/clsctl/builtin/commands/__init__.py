"""Hold the commands, one file each, in a folder for each group."""

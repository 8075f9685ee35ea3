"""From an input (file, folder, URL, array) to pixels and from pixels to the network's input."""

"""Turn inputs (files, folders, URLs, arrays) into pixels, and pixels into the network's input."""

"""One file a family of networks, in reading order: configurations, blocks, network, variants."""
